import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.tracking.digests import column_digests, only_change, table_digests

ROWS, OFFSETS = 500, np.array([0, 200, 200, 500])


@pytest.fixture
def table() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((ROWS, 4))


@settings(deadline=None)  # the first one compiles
@given(position=st.integers(0, ROWS - 1), value=st.floats(width=64), seed=st.integers(0, 3))
def test_one_changed_value_is_found_and_told(position: int, value: float, seed: int):
    column = np.random.default_rng(seed).standard_normal(ROWS)
    (digest,) = column_digests(column)
    changed = column.copy()
    changed[position] = value
    change = only_change(digest, changed)
    if changed.tobytes() == column.tobytes():
        assert change is None
    else:
        assert change is not None
        assert change.position == position
        assert change.before == column[position]
        assert change.before.dtype == column.dtype


def test_a_changed_time_is_a_time():
    time = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]").astype("datetime64[ns]")
    (digest,) = column_digests(time)
    changed = time.copy()
    changed[7] += np.timedelta64(1, "h")
    change = only_change(digest, changed)
    assert change is not None
    assert (change.position, change.before) == (7, np.datetime64("2020-01-08", "ns"))


def test_several_changes_are_not_taken_for_one(table: np.ndarray):
    column = table[:, 0].copy()
    (digest,) = column_digests(column)
    assert only_change(digest, column) is None
    generator = np.random.default_rng(1)
    for _ in range(300):
        changed = column.copy()
        at = generator.choice(ROWS, generator.integers(2, 9), replace=False)
        changed[at] += 1.0
        assert only_change(digest, changed) is None


def test_columns_and_assets_are_told_apart(table: np.ndarray):
    columns, assets = table_digests(table, OFFSETS)
    assert len({*columns}) == 4
    assert len({*assets}) == 3
    changed = table.copy()
    changed[300, 2] += 1e-12
    now_columns, now_assets = table_digests(changed, OFFSETS)
    assert [a != b for a, b in zip(columns, now_columns, strict=True)] == [
        False,
        False,
        True,
        False,
    ]
    assert [a != b for a, b in zip(assets, now_assets, strict=True)] == [False, False, True]
    swapped = table[:, [1, 0, 2, 3]]
    assert table_digests(swapped, OFFSETS)[1][0] != assets[0]
    later = table_digests(np.vstack([table[:1], table]), OFFSETS + np.array([0, 1, 1, 1]))
    assert later[1][2] == assets[2]  # rows of another asset do not move it


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int32, np.int8, bool, np.float64])
def test_digests_hang_on_content_alone(table: np.ndarray, dtype: type):
    values = (table * 10).astype(dtype)
    wide = np.zeros((ROWS, 9), dtype)
    wide[:, 3:7] = values
    expected = table_digests(values, OFFSETS)
    assert table_digests(wide[:, 3:7], OFFSETS) == expected
    assert table_digests(np.asfortranarray(values), OFFSETS) == expected
    assert column_digests(*values.T) == table_digests(values)[0]


def test_a_digest_never_changes_its_meaning():
    # Manifests of years ago are compared with those of today.
    assert column_digests(np.array([1.0, -2.5, np.nan, 0.0])) == [
        "b2715729f41191839e509c733135a95b"
    ]


def test_an_empty_table_has_digests():
    assert table_digests(np.empty((0, 2))) == (["0" * 32] * 2, ["0" * 32])
    assert table_digests(np.empty((5, 0), np.float32)) == ([], ["0" * 32])
