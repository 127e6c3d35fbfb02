"""A table of numbers as a file that says of itself whether it is whole.

An Arrow stream of one column of rows, which any Arrow reader opens, and behind its end a CRC-32 of
everything before. Damage is what is looked for, not forgery, and CRC-32 finds every flipped byte
at twice the speed of SHA-256. The file is read and not mapped: what was checked stays as it was,
whatever happens to the file.
"""

import json
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, UInt8

from regimecast.core.errors import DataError

__all__ = ["DamagedFileError", "read_table", "write_table"]

_CHECKSUM = struct.Struct("<I")
_STEP = 2**20
"""Bytes that are read and summed up at a time, few enough to stay in the processor's cache."""


class DamagedFileError(DataError):
    """A file is not what was written: cut short, changed, or under another's name."""


def write_table(
    path: Path, values: Float32[np.ndarray, "R F"], *, key: str, names: Sequence[str]
) -> None:
    """Writes rows of at least one number.

    Args:
        path: file to write; not atomic.
        values: the numbers.
        key: what the table is of.
        names: of the columns.
    """
    rows = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    schema = pa.schema(
        [pa.field("features", rows.type)],
        metadata={"key": key, "names": json.dumps(list(names))},
    )
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        stream.write_batch(pa.record_batch([rows], schema=schema))
    with path.open("rb+", buffering=0) as file:
        content = np.empty(_STEP, np.uint8)
        checksum = 0
        while taken := file.readinto(content.data):
            checksum = zlib.crc32(content.data[:taken], checksum)
        file.write(_CHECKSUM.pack(checksum))


def read_table(path: Path, *, key: str, names: Sequence[str]) -> Float32[np.ndarray, "R F"]:
    """The numbers that `write_table` wrote, in an array that cannot be written to.

    Args:
        path: file to read.
        key: what the table has to be of.
        names: of the columns it has to have.

    Raises:
        DamagedFileError: the file is not what was written.
        OSError: it cannot be read.
    """
    content = _checked(path)
    try:
        table = pa.ipc.open_stream(pa.py_buffer(content)).read_all()
        header = table.schema.metadata
        other = header[b"key"].decode() != key or json.loads(header[b"names"]) != list(names)
        (chunk,) = table.column(0).chunks
        values = chunk.flatten().to_numpy(zero_copy_only=True).reshape(len(chunk), len(names))
    # Arrow says OSError of bytes in memory too.
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"it holds no table: {error}") from error
    if other:
        raise DamagedFileError("it holds another table")
    return values


def _checked(path: Path) -> UInt8[np.ndarray, " B"]:
    """Bytes of the file, read-only; its checksum is that of all bytes before it."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if size < _CHECKSUM.size:
            raise DamagedFileError(f"it is cut short to {size} bytes")
        content = np.empty(size, np.uint8)
        view = content.data
        end, position, checksum = size - _CHECKSUM.size, 0, 0
        while position < end:
            taken = file.readinto(view[position : min(position + _STEP, end)])
            if not taken:
                raise DamagedFileError(f"it is cut short to {position} bytes")
            checksum = zlib.crc32(view[position : position + taken], checksum)
            position += taken
        if file.read() != _CHECKSUM.pack(checksum):
            raise DamagedFileError("its checksum is not that of its content")
    content.flags.writeable = False
    return content[:end]
