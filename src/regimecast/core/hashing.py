"""Content hashes: the same content gives the same hex string on every machine."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["hash_array", "hash_arrays", "hash_file", "hash_json"]


def hash_array(array: np.ndarray) -> str:
    """SHA-256 of dtype, shape and bytes in C order."""
    return hash_arrays(array)


def hash_arrays(*arrays: np.ndarray) -> str:
    """SHA-256 over several arrays in order."""
    digest = hashlib.sha256()
    for array in arrays:
        contiguous = np.ascontiguousarray(array)
        digest.update(f"{contiguous.dtype.str}{contiguous.shape}".encode())
        digest.update(contiguous.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of a plain value as canonical json (sorted keys, no spaces).

    Raises:
        TypeError: the value is not plain.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
