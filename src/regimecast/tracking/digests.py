"""Digests of a table's columns that tell which value has changed, if it is only one.

Each value x at position i of its asset, counted from 1, becomes a number h = mix(x, i) of 64 bits.
The digest of a column is the pair of sums (Σ h, Σ i·h) modulo 2^64. If one value changes, the sums
move by d and i·d, so that their quotient is its position: the syndrome of a code that corrects one
error. Several changes give a quotient that is no position, but for one chance in 2^64 / rows. And
since mix can be undone, the value that was there before is known too.

Sums do not hang on their order, and one pass over the rows in memory serves every column. They are
no cryptographic hash: who wants to can make two tables of one digest.
"""

from dataclasses import dataclass
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Int, Shaped, UInt64

__all__ = ["Change", "column_digests", "only_change", "table_digests"]

_WORD = 2**64
_KEY = 0x9E3779B97F4A7C15
_SHIFTS, _FACTORS = (30, 27, 31), (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Of the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
_HALF = 16
"""Hexadecimal digits of one sum."""


def table_digests(
    values: Shaped[np.ndarray, "R F"], offsets: Int[np.ndarray, " A1"] | None = None
) -> tuple[list[str], list[str]]:
    """Digest of every column, and of every asset.

    Args:
        values: a table of numbers of 1 to 8 bytes.
        offsets: rows of asset a are offsets[a]:offsets[a + 1]; None for one asset.
    """
    if offsets is None:
        offsets = np.array([0, len(values)])
    bits = np.asarray(values).view(f"u{values.dtype.itemsize}")
    sums = _sums(bits, offsets.astype(np.int64))
    # What an asset's columns hold must not be exchangeable, so that each counts another time.
    turn = np.arange(1, 2 * values.shape[1] + 1, 2, dtype=np.uint64)
    return _texts(sums.sum(axis=0)), _texts((sums * turn[None, :, None]).sum(axis=1))


def column_digests(*columns: Shaped[np.ndarray, " R"]) -> list[str]:
    """Digest of columns of one asset that lie apart."""
    return [table_digests(np.ascontiguousarray(column)[:, None])[0][0] for column in columns]


@dataclass(frozen=True)
class Change:
    """The one value of a column that has changed."""

    position: int
    """From 0."""
    before: np.generic
    """What was there, of the column's type."""


def only_change(before: str, now: Shaped[np.ndarray, " R"]) -> Change | None:
    """The one value in which a column differs from that of a digest; None if it is not one.

    Args:
        before: digest of the column as it was, of as many rows.
        now: the column as it is, of numbers of 8 bytes.
    """
    (after,) = column_digests(now)
    first, second = (
        (int(before[part], 16) - int(after[part], 16)) % _WORD
        for part in (slice(_HALF), slice(_HALF, None))
    )
    twos = (first & -first).bit_length() - 1
    if not first or second % 2**twos:
        return None
    modulus = _WORD >> twos
    position = (second >> twos) * pow(first >> twos, -1, modulus) % modulus
    if not 1 <= position <= len(now):
        return None
    key = position * _KEY
    bits = int(now[position - 1 : position].view(np.uint64)[0])
    was = (_unmixed((_mixed((bits + key) % _WORD) + first) % _WORD) - key) % _WORD
    return Change(position - 1, np.array([was], np.uint64).view(now.dtype)[0])


def _mixed(h: int) -> int:
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        h = (h ^ h >> shift) * factor % _WORD
    return h ^ h >> _SHIFTS[-1]


def _unmixed(h: int) -> int:
    h = _unshifted(h, _SHIFTS[-1])
    for shift, factor in zip(_SHIFTS[1::-1], _FACTORS[::-1], strict=True):
        h = _unshifted(h * pow(factor, -1, _WORD) % _WORD, shift)
    return h


def _unshifted(h: int, shift: int) -> int:
    """The x of 64 bits for which x ^ x >> shift is h; for shifts above a third of them."""
    return h ^ h >> shift ^ h >> 2 * shift


def _texts(sums: UInt64[np.ndarray, "N 2"]) -> list[str]:
    return [f"{first:016x}{second:016x}" for first, second in sums.tolist()]


@numba.njit(cache=True, nogil=True)
@no_type_check  # numba compiles the bare function, which a type checker's wrapper is not
def _sums(
    bits: Shaped[np.ndarray, "R F"], offsets: Int[np.ndarray, " A1"]
) -> UInt64[np.ndarray, "A F 2"]:
    assets, width = len(offsets) - 1, bits.shape[1]
    sums = np.zeros((assets, width, 2), np.uint64)
    for asset in range(assets):
        for row in range(offsets[asset], offsets[asset + 1]):
            position = np.uint64(row - offsets[asset] + 1)
            key = position * np.uint64(_KEY)
            for column in range(width):
                h = np.uint64(bits[row, column]) + key
                h = (h ^ (h >> np.uint64(_SHIFTS[0]))) * np.uint64(_FACTORS[0])
                h = (h ^ (h >> np.uint64(_SHIFTS[1]))) * np.uint64(_FACTORS[1])
                h ^= h >> np.uint64(_SHIFTS[2])
                sums[asset, column, 0] += h
                sums[asset, column, 1] += position * h
    return sums
