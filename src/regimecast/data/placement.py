"""Where the panel lies while models train on it: `Placement`, and `Store`, which makes its place.

A mapped matrix is a file that has no name: opened, unlinked, and gone with the last process that
maps it, however that one ends. It is handed to torch as shared memory that happens to lie on disk.
So loader workers and training processes map the same file, as they would map ``/dev/shm``, and the
system reads and drops its pages as memory allows.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

from regimecast.core.errors import ConfigError
from regimecast.core.memory import available_bytes

__all__ = ["IN_MEMORY", "Placement", "Store", "as_tensor"]

Placement = Literal["memory", "mapped", "device"]
"""``memory``: the process's own. ``mapped``: a file, read as it is needed. ``device``: that of the
trainer, where batches are gathered, so that only positions travel."""

_IN_MEMORY_SYSTEMS = ("tmpfs", "ramfs", "hugetlbfs")
_ITEM = np.dtype(np.float32).itemsize


@dataclass(frozen=True)
class Store:
    """Makes the large float32 matrices of a market where they are wanted."""

    placement: Placement
    folder: str | None = None
    """Where mapped files lie; None for the first of the temporary folder, ``/var/tmp`` and the
    working folder that is on a disk."""

    def check(self, rows: int, columns: int) -> None:
        """Nothing, if there is room for a matrix.

        Raises:
            ConfigError: there is not; the message says the need and what there is.
        """
        if self.placement == "mapped":
            self._roomy(rows * columns * _ITEM)
            return
        need, available = rows * columns * _ITEM, available_bytes()
        if available is not None and need > available:
            raise ConfigError(
                f"window.placement={self.placement} needs {_size(need)} of memory for {rows:,} "
                f"bars of {columns} channels, and {_size(available)} are available. "
                "window.placement=mapped trains from a file instead; fewer features or bars need "
                "less"
            )

    def matrix(self, rows: int, columns: int) -> Float32[np.ndarray, "R F"]:
        """A matrix of zeros that can be written to.

        Raises:
            ConfigError: there is no room for a mapped one.
        """
        if self.placement != "mapped" or rows * columns == 0:
            return np.zeros((rows, columns), dtype=np.float32)
        return self._mapped(rows * columns * _ITEM).view(rows, columns).numpy()

    def _mapped(self, size: int) -> Tensor:
        folder = self._roomy(size)
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                if hasattr(os, "posix_fallocate"):
                    # Reserved now: a disk that fills up later would kill the process on a write.
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
                # `torch.from_file` forgets the file, and could not be sent to other processes;
                # torch rebuilds what it has sent with this.
                storage = torch.UntypedStorage._new_shared_fd_cpu(file.fileno(), size)  # type: ignore[attr-defined]  # its stubs lack it
        except OSError as error:
            raise ConfigError(
                f"window.mapped_folder: no file of {_size(size)} can be made in {folder} "
                f"({error.strerror}); name another folder"
            ) from error
        return torch.empty(0, dtype=torch.float32).set_(storage, 0, (size // _ITEM,), (1,))

    def _roomy(self, size: int) -> Path:
        """The folder, if it has so many bytes free."""
        folder = self._place()
        free = shutil.disk_usage(folder).free
        if size > free:
            raise ConfigError(
                f"window.placement=mapped needs a file of {_size(size)}, and {folder} has "
                f"{_size(free)} free; name a folder on a larger disk with window.mapped_folder"
            )
        return folder

    def _place(self) -> Path:
        if self.folder is not None:
            folder = Path(self.folder).expanduser()
            if not folder.is_dir():
                raise ConfigError(f"window.mapped_folder={self.folder!r} is not a folder")
            if _lies_in_memory(folder):
                raise ConfigError(
                    f"window.mapped_folder={self.folder!r} lies in memory, which a mapped panel is "
                    "to save; name a folder on a disk"
                )
            return folder
        for folder in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()):  # noqa: S108  # a file without a name is safe there
            if folder.is_dir() and os.access(folder, os.W_OK) and not _lies_in_memory(folder):
                return folder
        raise ConfigError(
            "window.placement=mapped found no folder on a disk that can be written to; name one "
            "with window.mapped_folder"
        )


IN_MEMORY = Store("memory")
"""What a market is built with where nothing else is said."""


def as_tensor(array: Shaped[np.ndarray, "..."]) -> Tensor:
    """The array as a tensor of the same memory, which other processes map where it is a file."""
    owner: object = array.base
    # A view into torch's memory: a tensor made of it anew would be copied when it is sent.
    if isinstance(owner, Tensor) and owner.shape == array.shape:
        return owner
    return torch.from_numpy(array)


def _lies_in_memory(folder: Path) -> bool:
    """Whether a folder is on a file system without a disk; False where the system does not tell."""
    place = folder.resolve()
    # The deepest mount point holds the folder; of several mounts there, the last one does.
    over = [(mount, kind) for mount, kind in _mounts() if place.is_relative_to(mount)]
    kinds = [kind for _, kind in sorted(over, key=lambda found: len(found[0].parts))]
    return kinds[-1:] != [] and kinds[-1] in _IN_MEMORY_SYSTEMS


def _mounts() -> Iterator[tuple[Path, str]]:
    """Mount points and the kinds of their file systems."""
    mounts = Path("/proc/self/mounts")
    if mounts.exists():
        for line in mounts.read_text(encoding="utf-8").splitlines():
            _, point, kind, *_ = line.split()
            yield Path(point.replace("\\040", " ")), kind


def _size(number: int) -> str:
    return f"{number / 2**30:.2f} GiB" if number >= 2**28 else f"{number / 2**20:.1f} MiB"
