"""Paths of combinatorial folds against the definition, skfolio and purgedcv."""

import json
from itertools import combinations
from math import comb

import numpy as np
import pytest
from purgedcv import reconstruct_paths
from skfolio.model_selection import CombinatorialPurgedCV as SkfolioCombinatorial

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.data.panel import Panel
from regimecast.evaluation.backtest import backtest
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.judge import judge
from regimecast.evaluation.origins import origin_rows
from regimecast.evaluation.paths import Paths, backtest_paths, path_numbers
from regimecast.evaluation.strategies.base import StrategyRegistry
from regimecast.evaluation.trading_metrics import max_drawdown, sharpe, total_return
from tests.evaluation.samples import DEAR, make_forecast, make_outcomes, random_panel

SIGN = StrategyRegistry.create("sign", threshold=0.0, allow_short=True, step=None)
NOT_GATED = Gate(name="none", rules=[])


def folds_of(panel: Panel, groups: int, chosen: int) -> list[np.ndarray]:
    """Rows that each of the C(N, k) folds tests, asset by asset as a data module has them."""
    age = np.arange(panel.n_rows) - panel.offsets[:-1][panel.asset_of_row]
    rows = np.flatnonzero(age >= 20)
    parts = np.array_split(np.unique(panel.time[rows]), groups)
    return [
        rows[np.isin(panel.time[rows], np.concatenate([parts[g] for g in tested]))]
        for tested in combinations(range(groups), chosen)
    ]


def forecast_of(panel: Panel, folds: list[np.ndarray]) -> tuple[Forecast, Outcomes, np.ndarray]:
    """A joint forecast whose value says which fold made it, and those folds."""
    rows, fold = np.concatenate(folds), np.repeat(np.arange(len(folds)), list(map(len, folds)))
    rng = np.random.default_rng(3)
    values = np.where(rng.random(len(rows)) < 0.5, -1.0, 1.0) * (1 + fold)
    forecast = make_forecast(
        values[:, None, None].astype(np.float32),
        (0.5,),
        asset=panel.asset_of_row[rows],
        origin=panel.time[rows],
        assets=panel.assets,
    )
    actual = rng.normal(0, 0.02, (len(rows), 1)).astype(np.float32)
    return forecast, make_outcomes(forecast, actual, regime=np.zeros(len(rows), np.int8)), fold


@pytest.mark.parametrize(("groups", "chosen"), [(6, 2), (5, 3), (4, 1), (7, 6)])
def test_every_path_is_whole_and_takes_each_group_from_another_fold(groups, chosen):
    panel = random_panel(0, [90, 60, 75])
    folds = folds_of(panel, groups, chosen)
    forecast, _, fold = forecast_of(panel, folds)
    number = path_numbers(forecast)
    row = np.concatenate(folds)
    paths = comb(groups - 1, chosen - 1)
    assert set(number) == set(range(paths))
    for path in range(paths):
        assert len(np.unique(row[number == path])) == (number == path).sum() == len(np.unique(row))
    # As each group of a path is from one fold, and no fold gives a group to two paths.
    tested = list(combinations(range(groups), chosen))
    times = np.unique(panel.time[row])
    group = np.searchsorted(np.cumsum([len(p) for p in np.array_split(times, groups)]),
                            np.searchsorted(times, panel.time[row]), side="right")  # fmt: skip
    made = {
        (g, p): set(fold[(group == g) & (number == p)]) for g in range(groups) for p in range(paths)
    }
    assert all(len(one) == 1 for one in made.values())
    for (g, p), (one,) in ((key, tuple(value)) for key, value in made.items()):
        assert g in tested[one]
        assert p == [f for f, t in enumerate(tested) if g in t].index(one)


@pytest.mark.parametrize(("groups", "chosen"), [(6, 2), (5, 3)])
def test_paths_are_those_of_skfolio_and_purgedcv(groups, chosen):
    panel = random_panel(1, [20 + 12 * groups])
    folds = folds_of(panel, groups, chosen)
    forecast, _, fold = forecast_of(panel, folds)
    number, row = path_numbers(forecast), np.concatenate(folds)
    n = 12 * groups
    ours = np.empty((comb(groups - 1, chosen - 1), n), dtype=np.int64)
    ours[number, row - row.min()] = fold
    ids = SkfolioCombinatorial(n_folds=groups, n_test_folds=chosen).get_path_ids()
    theirs = np.empty_like(ours)
    for split, tested in enumerate(combinations(range(groups), chosen)):
        for place, group in enumerate(tested):
            theirs[ids[split, place], 12 * group : 12 * (group + 1)] = split
    assert np.array_equal(ours, theirs)
    others = reconstruct_paths(
        [np.full(len(rows), number, dtype=float) for number, rows in enumerate(folds)],
        [rows - row.min() for rows in folds],
        n_samples=n,
        n_splits=groups,
        n_test_groups=chosen,
    )
    assert np.array_equal(ours, others.astype(np.int64))


def test_the_run_is_judged_on_the_path_with_the_median_sharpe():
    panel = random_panel(2, [150, 120])
    folds = folds_of(panel, 6, 2)
    forecast, outcomes, _ = forecast_of(panel, folds)
    paths = backtest_paths(forecast, outcomes, panel, strategy=SIGN, cost=DEAR)
    assert len(paths) == 5
    assert sorted(paths.sharpe).index(paths.sharpe[paths.chosen]) == 2
    judged = judge(
        *paths.median(forecast, outcomes), panel, strategy=SIGN, cost=DEAR, gate=NOT_GATED
    )
    section = paths.metrics["paths"]
    json.dumps(section, allow_nan=False)
    trading = judged.metrics["trading"]["strategy"]
    assert section["sharpe"][section["chosen"]] == trading["sharpe"]
    assert section["n"] == 5
    assert section["sharpe_mean"] == np.mean(section["sharpe"])
    assert section["sharpe_std"] == np.std(section["sharpe"], ddof=1)
    frame = paths.returns()
    assert list(frame) == ["path", "time", "strategy"]
    assert set(frame["path"]) == set(range(5))
    own = frame.loc[frame["path"] == paths.chosen, "strategy"].to_numpy()
    assert np.array_equal(own, judged.returns["strategy"].to_numpy())
    number, per_year = path_numbers(forecast), panel.bars_per_year
    for path in range(5):  # each as if it were the only one
        rows = number == path
        result = backtest(
            SIGN.positions(forecast.take(rows), panel, bars_per_year=per_year),
            origin_rows(forecast.take(rows), panel),
            panel,
            cost=DEAR,
            bars_per_year=per_year,
        )
        assert section["sharpe"][path] == sharpe(result.net, per_year)
        assert section["total_return"][path] == total_return(result.net)
        assert section["max_drawdown"][path] == max_drawdown(result.net)


def test_of_an_even_number_the_lower_median_is_chosen():
    panel = random_panel(4, [150])
    forecast, outcomes, _ = forecast_of(panel, folds_of(panel, 5, 2))
    paths = backtest_paths(forecast, outcomes, panel, strategy=SIGN, cost=DEAR)
    assert len(paths) == 4
    assert paths.sharpe[paths.chosen] == sorted(paths.sharpe)[1]


def test_one_path_is_the_forecast_as_it_is():
    panel = random_panel(2, [150, 120])
    forecast, outcomes, _ = forecast_of(panel, folds_of(panel, 4, 1))
    paths = backtest_paths(forecast, outcomes, panel, strategy=SIGN, cost=DEAR)
    assert len(paths) == 1
    assert paths.metrics == {}
    assert paths.returns() is None
    assert paths.median(forecast, outcomes) == (forecast, outcomes)


def test_what_is_not_traded_has_paths_without_a_sharpe():
    panel = random_panel(2, [150, 120])
    forecast, outcomes, _ = forecast_of(panel, folds_of(panel, 4, 2))
    paths = backtest_paths(forecast, outcomes, panel, strategy=None, cost=DEAR)
    assert paths.metrics["paths"]["sharpe"] == [None] * 3
    assert paths.metrics["paths"]["sharpe_mean"] is None
    assert paths.returns() is None
    first, _ = paths.median(forecast, outcomes)
    assert len(first) == len(forecast) // 3


def test_a_path_that_never_trades_is_the_lowest():
    rows = tuple(np.arange(1) for _ in range(3))
    paths = Paths(rows, ())
    paths.__dict__["sharpe"] = [0.4, None, 0.1]
    assert paths.chosen == 2


def test_uneven_folds_make_no_paths():
    panel = random_panel(2, [60])
    forecast, outcomes, _ = forecast_of(panel, [np.arange(20, 40), np.arange(30, 50)])
    with pytest.raises(SpecError, match="some origins 1 and others 2 times"):
        backtest_paths(forecast, outcomes, panel, strategy=SIGN, cost=DEAR)
