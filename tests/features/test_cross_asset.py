"""Relations between assets: aligned by time, against a naive reference."""

from dataclasses import replace

import numpy as np
import pytest

from regimecast.features.base import FeatureRegistry
from tests.data.panels import random_panel
from tests.features.markets import changed, only, packaged


def compute(panel, **overrides):
    family = FeatureRegistry.create("cross_asset", **{**packaged("cross_asset"), **overrides})
    names = [feature.name for feature in family.features()]
    return dict(zip(names, family.compute(panel).T, strict=True))


def thinned(panel, generator):
    """The panel with a third of the bars missing, different ones for each asset."""
    keep = generator.random(panel.n_rows) < 2 / 3
    counts = np.bincount(panel.asset_of_row[keep], minlength=panel.n_assets)
    return replace(
        panel,
        values=panel.values[keep],
        time=panel.time[keep],
        offsets=np.concatenate([[0], np.cumsum(counts)]),
    )


def naive_moves(panel, asset):
    """Own and the others' return over each bar of an asset, by plain loops over time."""
    log = np.log(panel.actual("close"))
    events = {}
    for b in range(panel.n_assets):
        rows = range(panel.rows(b).start + 1, panel.rows(b).stop)
        for row in rows:
            events.setdefault(panel.time[row], {})[b] = log[row] - log[row - 1]
    rows = panel.rows(asset)
    own, others = [np.nan], [np.nan]
    for row in range(rows.start + 1, rows.stop):
        own.append(log[row] - log[row - 1])
        total = 0.0
        for time, returns in events.items():
            rest = [r for b, r in returns.items() if b != asset]
            if panel.time[row - 1] < time <= panel.time[row] and rest:
                total += float(np.mean(rest))
        others.append(total)
    return np.array(own), np.array(others)


@pytest.mark.parametrize("aligned", [True, False])
def test_against_plain_loops_over_time(aligned):
    panel = random_panel(90, 90, 90, seed=4)
    if not aligned:
        panel = thinned(panel, np.random.default_rng(0))
    table = compute(panel, strength_windows=[5], comovement_window=20)
    for asset in range(3):
        own, others = naive_moves(panel, asset)
        rows = np.arange(panel.n_rows)[panel.rows(asset)]
        for t in range(25, len(rows)):
            row = rows[t]
            strength = np.sum((own - others)[t - 4 : t + 1])
            assert table["relative_strength_5"][row] == pytest.approx(strength, abs=1e-12)
            x, y = own[t - 19 : t + 1], others[t - 19 : t + 1]
            assert table["market_correlation_20"][row] == pytest.approx(np.corrcoef(x, y)[0, 1])
            assert table["market_beta_20"][row] == pytest.approx(np.polyfit(y, x, 1)[0])


def test_dispersion_is_the_mean_deviation_across_assets():
    panel = random_panel(60, 60, 60)
    returns = np.diff(np.log(panel.actual("close")).reshape(3, 60), axis=1)
    table = compute(panel, dispersion_window=10)
    assert table["market_dispersion_10"][59] == pytest.approx(
        returns.std(axis=0)[-10:].mean(), rel=1e-9
    )


def test_twins_have_no_relative_strength_and_beta_one():
    panel = only(random_panel(100, 100), "close")
    panel = changed(panel, close=np.tile(panel.actual("close")[:100], 2))
    table = compute(panel)
    assert np.nanmax(np.abs(table["relative_strength_21"])) < 1e-12
    assert table["market_beta_63"][-1] == pytest.approx(1.0)
    assert table["market_correlation_63"][-1] == pytest.approx(1.0)
    assert table["market_dispersion_21"][-1] == pytest.approx(0.0, abs=1e-9)


def test_before_the_others_start_there_is_no_market():
    panel = random_panel(200, 50)
    strength = compute(panel)["relative_strength_21"][:200]
    start = 150  # first day of the second asset; its first return comes a day later
    assert np.isnan(strength[: start + 21]).all()
    assert np.isfinite(strength[start + 21 :]).all()


def test_a_delisted_asset_stops_counting():
    panel = random_panel(200, 200)
    ended = panel.rows(1).start + 120
    short = replace(
        panel, values=panel.values[:ended], time=panel.time[:ended], offsets=np.array([0, 200, 320])
    )
    table = compute(short)
    own = np.log(panel.actual("close")[:200])
    assert table["relative_strength_21"][199] == pytest.approx(own[199] - own[178])
    assert table["market_beta_63"][199] == 0.0
