"""Reader of W&B's offline file: protocol buffers in LevelDB's log format."""

import os
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
HEADER = struct.Struct("<IHB")  # checksum, length, kind


def records(path: Path) -> Iterator[Any]:
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, parts = 7, []
    while position + HEADER.size <= len(data):
        if BLOCK - position % BLOCK < HEADER.size:  # the rest of a block is padding
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(data, position)
        position += HEADER.size
        parts.append(data[position : position + length])
        position += length
        if kind in (FULL, LAST):
            record = Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


def of_kind(folder: Path, kind: str) -> list[Any]:
    """Records of one kind of the only W&B run in a run folder, once W&B's writer is done."""
    deadline = time.monotonic() + 30
    while True:
        found = [
            r for path in folder.glob("wandb/offline-run-*/run-*.wandb") for r in records(path)
        ]
        kinds = [record.WhichOneof("record_type") for record in found]
        if "exit" in kinds or time.monotonic() > deadline:
            assert kinds.count("run") == kinds.count("exit") == 1, kinds
            return [getattr(r, kind) for r, k in zip(found, kinds, strict=True) if k == kind]
        time.sleep(0.05)


def end_service() -> None:
    """Ends W&B's writer in this process and forgets it, so that no other process finds it."""
    if "WANDB_SERVICE" in os.environ:
        import wandb

        wandb.teardown()
        os.environ.pop("WANDB_SERVICE", None)
