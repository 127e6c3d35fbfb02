"""What is known at a cut keeps its bits; everything else is gone."""

import numpy as np
import pytest

from regimecast.audit.ledger import same_bits
from regimecast.audit.perturbation import Kind, future_rows, jitter, perturb
from regimecast.data.panel import Column, Panel, Role

COLUMNS = (
    Column("open", Role.TARGET_SOURCE),
    Column("high", Role.TARGET_SOURCE),
    Column("low", Role.TARGET_SOURCE),
    Column("close", Role.TARGET_SOURCE),
    Column("flow", Role.PAST),
    Column("vix", Role.REFERENCE, lag=2),
    Column("event", Role.KNOWN),
    Column("sector", Role.STATIC),
)


@pytest.fixture
def panel() -> Panel:
    chance = np.random.default_rng(3)
    lengths = (60, 45)
    rows = sum(lengths)
    close = 50 * np.exp(np.cumsum(chance.normal(0, 0.01, rows)))
    start = np.datetime64("2020-01-01", "ns")
    return Panel(
        values=np.stack(
            [
                close, close * 1.01, close * 0.99, close, chance.normal(size=rows),
                np.exp(chance.normal(3, 0.1, rows)), chance.normal(size=rows),
                np.repeat([1.0, 2.0], lengths),
            ],
            axis=1,
        ),
        time=np.concatenate([start + np.arange(n) * np.timedelta64(1, "D") for n in lengths]),
        offsets=np.array([0, 60, 105]),
        columns=COLUMNS,
        assets=("AAA", "BBB"),
        frequency="1D",
        calendar="24/7",
    )  # fmt: skip


CUT = np.datetime64("2020-01-31", "ns")


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.END])
def test_the_known_keeps_its_bits_and_nothing_else(panel: Panel, kind: Kind) -> None:
    before = panel.values.copy()
    changed = perturb(panel, CUT, kind, np.random.default_rng(0))
    np.testing.assert_array_equal(panel.values, before)
    np.testing.assert_array_equal(changed.time, panel.time)
    for index, column in enumerate(COLUMNS):
        unknown = future_rows(panel, CUT, lag=column.lag)
        same = same_bits(panel.values[:, index], changed.values[:, index])
        assert same[~unknown].all(), column.name
        if column.role in (Role.KNOWN, Role.STATIC):
            assert same.all()
        else:
            assert same[unknown].mean() < 0.05, column.name


def test_a_late_column_is_unknown_as_many_bars_before_the_cut(panel: Panel) -> None:
    later = future_rows(panel, CUT, lag=2)
    assert list(np.flatnonzero(later[:60])[:2]) == [29, 30]
    assert list(np.flatnonzero(later[60:])[:2]) == [29, 30]
    changed = perturb(panel, CUT, Kind.NAN, np.random.default_rng(0))
    known = panel.time <= CUT
    assert same_bits(panel.available("vix")[known], changed.available("vix")[known]).all()


@pytest.mark.parametrize("kind", [Kind.NOISE, Kind.FLIP, Kind.BLOCK])
def test_bars_stay_bars(panel: Panel, kind: Kind) -> None:
    changed = perturb(panel, CUT, kind, np.random.default_rng(0))
    open_, high, low, close = (changed.actual(n) for n in ("open", "high", "low", "close"))
    assert (low > 0).all()
    assert (high >= np.maximum(open_, close) * (1 - 1e-12)).all()
    assert (low <= np.minimum(open_, close) * (1 + 1e-12)).all()


def test_flips_turn_returns_around(panel: Panel) -> None:
    changed = perturb(panel, CUT, Kind.FLIP, np.random.default_rng(0))
    rows = slice(30, 60)
    before, after = (np.diff(np.log(p.actual("close")[rows])) for p in (panel, changed))
    np.testing.assert_allclose(after, -before, atol=1e-12)
    np.testing.assert_array_equal(changed.actual("flow")[31:60], -panel.actual("flow")[31:60])


def test_end_has_no_later_rows_and_no_unknown_values(panel: Panel) -> None:
    ended = perturb(panel, CUT, Kind.END, np.random.default_rng(0))
    assert ended.time.max() == CUT
    assert np.isnan(ended.actual("vix")[29:31]).all()
    assert np.isfinite(ended.actual("vix")[:29]).all()


def test_a_cut_before_an_asset_begins_leaves_nothing_of_it(panel: Panel) -> None:
    first = panel.time.min() - np.timedelta64(1, "D")
    changed = perturb(panel, first, Kind.NOISE, np.random.default_rng(0))
    assert np.isfinite(changed.actual("close")).all()


def test_jitter_is_small_and_only_where_asked(panel: Panel) -> None:
    rows = panel.time < CUT
    shaken = jitter(panel, rows, np.random.default_rng(0))
    ratio = np.abs(np.log(shaken.actual("close") / panel.actual("close")))
    assert (ratio[~rows] == 0).all()
    assert (ratio[rows] > 0).all()
    assert ratio[rows].max() < 0.06


def test_same_bits() -> None:
    base = np.array([1.0, np.nan, 0.0, np.inf])
    assert same_bits(base, base.copy()).all()
    other = np.array([1.0 + 1e-15, 0.0, -0.0, np.inf])
    assert list(same_bits(base, other)) == [False, False, False, True]
    assert list(same_bits(np.array([1, 2]), np.array([1, 3]))) == [True, False]
