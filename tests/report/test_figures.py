"""Figures hold the numbers they are given, for every kind of forecast and for poor data."""

from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from regimecast.core.types import REGIMES, ForecastKind
from regimecast.report import (
    calibration_figures,
    figures,
    forecast_figures,
    metric_figures,
    study_figures,
)
from regimecast.report.palette import DARK, REGIME_COLOURS, translucent
from regimecast.report.run_files import RunFiles
from tests.report.lifelike import MakeRun


def _trace(chart: go.Figure, name: str) -> go.Scatter:
    return next(trace for trace in chart.data if trace.name == name)


@pytest.fixture
def run(make_run: MakeRun) -> RunFiles:
    return RunFiles.read(make_run())


def test_equity_ends_where_the_returns_lead(run: RunFiles) -> None:
    assert run.returns is not None
    chart = figures.equity(run.returns)
    line = _trace(chart, "strategy, after costs")
    assert line.y[-1] == pytest.approx(np.prod(1 + run.returns["strategy"]), rel=1e-6)
    assert line.x[-1] == f"{run.returns['time'].iloc[-1]:%Y-%m-%d}"
    low = min(np.min(t.y) for t in chart.data if t.yaxis == "y4" and t.name == line.name)
    assert low == pytest.approx(-run.trading()["max_drawdown"], rel=1e-5)


def test_bands_cover_the_bars_of_their_regime(run: RunFiles) -> None:
    assert run.returns is not None
    chart = figures.equity(run.returns)
    crash = _trace(chart, "crash")
    inside = np.zeros(len(run.returns), dtype=bool)
    days = run.returns["time"].dt.strftime("%Y-%m-%d").to_numpy()
    for start, end in zip(crash.x[::2], crash.x[1::2], strict=True):
        inside |= (days >= start) & (days < end)
    np.testing.assert_array_equal(inside[:-1], (run.returns["regime"] == 3).to_numpy()[:-1])


def test_a_run_of_one_bar_can_be_drawn(run: RunFiles) -> None:
    assert run.returns is not None
    one = run.returns.iloc[:1]
    assert len(figures.equity(one).data)
    assert len(figures.regime_timeline(one).data) == 1


def test_a_long_run_stays_small(run: RunFiles) -> None:
    assert run.returns is not None
    minutes = pd.concat([run.returns] * 90, ignore_index=True)
    minutes["time"] = pd.date_range("2020", periods=len(minutes), freq="min")
    assert len(figures.equity(minutes).to_json()) < 3_000_000


def test_the_fan_holds_the_forecast_of_the_last_step(run: RunFiles) -> None:
    assert run.predictions is not None
    chart = forecast_figures.fan(run.predictions, ["SPX"])
    last = run.predictions.loc[run.predictions["step"] == 5]
    np.testing.assert_allclose(_trace(chart, "median forecast").y, last["q0.5"])
    np.testing.assert_allclose(_trace(chart, "what happened").y, last["actual"], rtol=1e-6)
    lower, upper = (trace for trace in chart.data if trace.name == "10% to 90%")
    np.testing.assert_allclose(lower.y, last["q0.1"])
    np.testing.assert_allclose(upper.y, last["q0.9"])
    np.testing.assert_allclose(upper.customdata, last["q0.1"])


def test_a_point_forecast_has_no_bands(run: RunFiles) -> None:
    assert run.predictions is not None
    quantiles = [c for c in run.predictions if str(c).startswith("q") and c != "q0.5"]
    chart = forecast_figures.fan(run.predictions.drop(columns=quantiles), ["SPX"])
    assert [trace.name for trace in chart.data] == ["median forecast", "what happened"]


def test_only_the_first_asset_is_seen_at_first(make_run: MakeRun) -> None:
    table = RunFiles.read(make_run(assets=("AAPL", "MSFT"))).predictions
    assert table is not None
    chart = forecast_figures.fan(table, ["AAPL", "MSFT"])
    assert {(trace.meta, trace.visible) for trace in chart.data} == {
        ("AAPL", True),
        ("MSFT", False),
    }


def test_a_fan_of_one_forecast_starts_at_its_origin(run: RunFiles) -> None:
    assert run.predictions is not None
    origin = run.predictions["origin"].iloc[40]
    chart = forecast_figures.fan_paths(run.predictions, "SPX", origin)
    happened = _trace(chart, "what happened")
    assert list(happened.x) == [0, 1, 2, 3, 4, 5]
    assert happened.y[0] == 0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("quantiles", ForecastKind.QUANTILES),
        ("probabilities", ForecastKind.PROBABILITIES),
        ("positions", ForecastKind.POSITIONS),
    ],
)
def test_the_kind_of_forecast_is_seen_from_the_columns(
    make_run: MakeRun, kind: str, expected: ForecastKind
) -> None:
    table = RunFiles.read(make_run(kind=kind)).predictions
    assert table is not None
    assert forecast_figures.forecast_kind(table) is expected
    assert len(forecast_figures.fan(table, ["SPX"]).data)
    assert len(calibration_figures.calibration(table).data)


def test_positions_are_drawn_against_the_return_of_the_bar_they_are_held_for(
    make_run: MakeRun,
) -> None:
    table = RunFiles.read(make_run(kind="positions", bars=100)).predictions
    assert table is not None
    first = table.loc[table["step"] == 1]
    line = calibration_figures.calibration(table).data[0]
    parts = np.array_split(np.argsort(first["position"].to_numpy(), kind="stable"), 5)
    expected = [first["actual"].to_numpy()[part].mean() for part in parts]
    np.testing.assert_allclose(line.y, expected)
    drawn = _trace(forecast_figures.fan(table, ["SPX"]), "position")
    np.testing.assert_array_equal(drawn.y, first["position"].to_numpy(np.float32))


def test_calibration_counts_outcomes_below_each_quantile(run: RunFiles) -> None:
    assert run.predictions is not None
    table = run.predictions.copy()
    table.loc[table.index[::7], "actual"] = np.nan  # not known yet: does not count
    chart = calibration_figures.calibration(table)
    known = table.loc[(table["step"] == 5) & table["actual"].notna()]
    line = chart.data[1]
    for level, observed in zip(line.x, line.y, strict=True):
        assert observed == pytest.approx((known["actual"] <= known[f"q{level:g}"]).mean())
    assert (line.error_y.array >= 0).all()


def test_perfect_probabilities_lie_on_the_diagonal() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(size=20_000)
    table = pd.DataFrame(
        {
            "fold": 0,
            "asset": "A",
            "origin": pd.date_range("2000", periods=len(p), freq="h"),
            "step": 1,
            "regime": 0,
            "actual": (rng.uniform(size=len(p)) < p).astype(float),
            "p0": 1 - p,
            "p1": p,
        }
    )
    line = calibration_figures.calibration(table).data[2]
    np.testing.assert_allclose(line.x, line.y, atol=0.04)


def test_training_curves_mark_the_kept_epoch(run: RunFiles) -> None:
    chart = metric_figures.training_curves(run.folds)
    assert chart is not None
    kept = [trace for trace in chart.data if trace.mode == "markers"]
    assert [trace.x[0] for trace in kept] == [fold["fit"]["best_epoch"] for fold in run.folds]


def test_no_training_no_curves() -> None:
    assert metric_figures.training_curves([]) is None
    assert metric_figures.training_curves([{"fold": 0, "fit": {"history": []}}]) is None


def test_metric_by_regime_leaves_out_what_does_not_exist() -> None:
    chart = metric_figures.metric_by_regime({"crash": 2.0, "normal": 1.0}, {"crash": 7}, 1.5, "MAE")
    assert list(chart.data[0].y) == ["all", "crash (n = 7)", "normal (n = 0)"]
    assert list(chart.data[0].x) == [1.5, 2.0, 1.0]


def test_every_colour_has_a_dark_counterpart(run: RunFiles) -> None:
    assert run.returns is not None
    assert set(REGIME_COLOURS) == set(REGIMES)
    assert len(set(REGIME_COLOURS.values())) == len(REGIMES)
    assert set(REGIME_COLOURS.values()) <= set(DARK)
    assert not set(DARK) & set(DARK.values())
    assert translucent("#102030", 0.5) == "#10203080"


def test_labels_cannot_become_markup(make_run: MakeRun, tmp_path: Path) -> None:
    returns = RunFiles.read(make_run()).returns
    assert returns is not None
    chart = study_figures.equity_overlay({"<b>x</b>": returns})
    assert chart.data[0].name == "&lt;b&gt;x&lt;/b&gt;"
