from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regimecast.core.errors import DataError
from regimecast.data.panel import Column, Panel, Role
from tests.data.panels import random_panel


def test_columns_are_read_with_and_without_their_lag():
    panel = random_panel(5, 3, extra=(Column("vix", lag=2),))
    actual, available = panel.actual("vix"), panel.available("vix")
    assert np.isnan(available[[0, 1, 5, 6]]).all()
    np.testing.assert_array_equal(available[2:5], actual[:3])
    np.testing.assert_array_equal(available[7:], actual[5:6])
    with pytest.raises(DataError, match=r"no column 'vixx'.*Did you mean 'vix'"):
        panel.actual("vixx")


def test_truncation_keeps_rows_up_to_and_including_the_end():
    panel = random_panel(10, 4, 7)
    end = panel.time[panel.rows(0)][6]  # the second asset starts that day
    cut = panel.until(end)
    assert (cut.time <= end).all()
    assert np.diff(cut.offsets).tolist() == [7, 1, 4]
    np.testing.assert_array_equal(cut.values[:7], panel.values[:7])
    none = panel.until(panel.time.min() - np.timedelta64(1, "D"))
    assert none.n_rows == 0
    assert none.n_assets == 3


def test_an_asset_that_ends_before_the_cut_stays_whole_and_an_empty_one_stays_empty():
    panel = random_panel(10, 2)
    cut = panel.until(panel.time[7])
    assert np.diff(cut.offsets).tolist() == [8, 0]
    assert np.diff(cut.until(panel.time[3]).offsets).tolist() == [4, 0]


def test_selection_reorders_assets():
    panel = random_panel(4, 6, 5)
    chosen = panel.select(("A2", "A0"))
    assert np.diff(chosen.offsets).tolist() == [5, 4]
    np.testing.assert_array_equal(chosen.values[:5], panel.values[10:])
    with pytest.raises(DataError, match="no asset 'B'"):
        panel.select(("B",))


@pytest.mark.parametrize("change", ["reverse", "repeat", "dtype", "offsets", "columns"])
def test_broken_panels_are_refused(change: str):
    panel = random_panel(4, 4)
    time = panel.time.copy()
    changes: dict[str, object] = {
        "reverse": {"time": time[::-1].copy()},
        "repeat": {"time": np.where(np.arange(8) == 2, time[1], time)},
        "dtype": {"time": time.astype("datetime64[s]")},
        "offsets": {"offsets": np.array([0, 4, 7])},
        "columns": {"columns": panel.columns[:2]},
    }
    with pytest.raises(DataError):
        replace(panel, **changes[change])


def test_saved_panel_is_memory_mapped_and_the_same(tmp_path: Path):
    panel = random_panel(5, 3, extra=(Column("vix", lag=1),))
    panel.save(tmp_path / "p")
    loaded = Panel.load(tmp_path / "p")
    assert isinstance(loaded.values, np.memmap)
    assert loaded.content_hash == panel.content_hash
    assert loaded.columns == panel.columns
    (tmp_path / "p" / "time.npy").unlink()
    with pytest.raises(DataError, match="does not hold a panel"):
        Panel.load(tmp_path / "p")


def test_bars_per_year_is_measured():
    assert random_panel(3653).bars_per_year == pytest.approx(365.25, abs=0.01)
    with pytest.raises(DataError, match="at least 2"):
        _ = random_panel(1).bars_per_year


@pytest.mark.parametrize("role", [Role.KNOWN, Role.STATIC])
def test_what_is_known_beforehand_has_no_lag(role):
    with pytest.raises(DataError, match=rf"'n' has role {role} and lag=1.*beforehand"):
        Column("n", role, lag=1)


def test_the_fingerprint_of_prices_is_that_of_what_can_be_earned():
    panel = random_panel(30, 20)
    columns = panel.columns[::-1][:3]
    narrow = replace(panel, values=panel.values[:, ::-1][:, :3].copy(), columns=columns)
    assert {column.name for column in columns} == {"volume", "close", "low"}
    assert narrow.content_hash != panel.content_hash
    assert narrow.price_hash == panel.price_hash
    changed = panel.values.copy()
    changed[7, panel.index("close")] *= 1 + 1e-15
    changed[7, panel.index("close")] = np.nextafter(changed[7, panel.index("close")], np.inf)
    later = panel.time + np.timedelta64(1, "D")
    others = [
        replace(panel, values=changed),
        replace(panel, time=later),
        replace(panel, offsets=np.array([0, 20, 50]), time=random_panel(20, 30).time),
        panel.until(panel.time[-2]),
    ]
    assert len({panel.price_hash, *(other.price_hash for other in others)}) == 5
