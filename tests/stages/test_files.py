"""Tables come back as they were, and are the same bytes again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import DataError
from regimecast.core.hashing import hash_file
from regimecast.stages import files
from regimecast.stages.files import (
    categories,
    read_columns,
    read_mapping,
    read_matrix,
    write_table,
)  # fmt: skip


@pytest.mark.parametrize("rows", [0, 1, 9, 10, 25])
def test_a_table_comes_back(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_ROWS", 10)
    generator = np.random.default_rng(0)
    values = generator.normal(size=(rows, 3)).astype(np.float32)
    values[::4, 1] = np.nan
    codes = generator.integers(-1, 3, rows)
    time = np.arange(rows).astype("datetime64[D]").astype("datetime64[ns]")
    columns = {
        "time": time,
        "part": categories(codes, ["train", "validation", "test"]),
        **{f"f{i}": values[:, i] for i in range(3)},
    }
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path in paths:
        write_table(path, columns)
    assert hash_file(paths[0]) == hash_file(paths[1])
    read = read_columns(paths[0])
    names = np.array(["train", "validation", "test", None], dtype=object)
    assert read["part"].tolist() == names[codes].tolist()
    assert np.array_equal(read["time"], time)
    assert read["time"].dtype == time.dtype
    np.testing.assert_array_equal(read_matrix(paths[0], ["f2", "f0"]), values[:, [2, 0]])
    frame = pd.read_parquet(paths[0])
    assert len(frame) == rows
    assert frame["f1"].dtype == np.float32


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(DataError, match=r"a\.parquet"):
        read_columns(path)
    path.write_bytes(b"PAR1 not really")
    for read in (read_columns, lambda p: read_matrix(p, ["x"])):
        with pytest.raises(DataError, match=r"a\.parquet"):
            read(path)
    write_table(path, {"x": np.arange(3.0)})
    with pytest.raises(DataError, match="y"):
        read_matrix(path, ["y"])
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(DataError, match="does not hold a mapping"):
        read_mapping(tmp_path / "a.json")
