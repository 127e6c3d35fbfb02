"""A file gives what was written to it, or says that it does not."""

import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regimecast.features.cache.files import DamagedFileError, read_table, write_table
from tests.features.cache.tables import NAMES, key, numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "table.arrow"
    write_table(path, numbers(1), key=key(1), names=NAMES)
    return path


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (70_001, 9)])
def test_numbers_come_back_bit_for_bit_and_cannot_be_written_to(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, shape, dtype=np.uint32)
    names = [f"column {i}" for i in range(shape[1])]
    write_table(tmp_path / "x", bits.view(np.float32), key=key(1), names=names)  # NaNs of any bits
    values = read_table(tmp_path / "x", key=key(1), names=names)
    np.testing.assert_array_equal(values.view(np.uint32), bits)
    assert values.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        values[0, 0] = 0.0


def test_it_is_an_arrow_stream(path: Path) -> None:
    table = pa.ipc.open_stream(path).read_all()
    np.testing.assert_array_equal(np.array(table["features"].to_pylist()), numbers(1))


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_flipped_byte_is_found(
    tmp_path_factory: pytest.TempPathFactory, place: float, flip: int
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "table.arrow"
    write_table(path, numbers(1), key=key(1), names=NAMES)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= flip
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="checksum"):
        read_table(path, key=key(1), names=NAMES)


def test_any_truncation_is_found(path: Path) -> None:
    whole = path.read_bytes()
    for length in {*range(8), len(whole) // 2, *range(len(whole) - 12, len(whole))}:
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedFileError, match=r"cut short|checksum|no table"):
            read_table(path, key=key(1), names=NAMES)


def test_bytes_at_the_end_are_found(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DamagedFileError, match="checksum"):
        read_table(path, key=key(1), names=NAMES)


@pytest.mark.parametrize(("wanted", "names"), [(2, NAMES), (1, ("b", "a")), (1, ("a",))])
def test_the_table_of_another_request_is_found(
    path: Path, wanted: int, names: tuple[str, ...]
) -> None:
    with pytest.raises(DamagedFileError, match=r"another table|no table"):
        read_table(path, key=key(wanted), names=names)


@pytest.mark.parametrize("content", [b"", b"not Arrow", b"\xff\xff\xff\xff\x10\x00\x00\x00half"])
def test_a_sound_file_that_holds_no_table_is_found(path: Path, content: bytes) -> None:
    path.write_bytes(content + zlib.crc32(content).to_bytes(4, "little"))
    with pytest.raises(DamagedFileError, match="holds no table"):
        read_table(path, key=key(1), names=NAMES)
