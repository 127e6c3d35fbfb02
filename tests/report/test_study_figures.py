"""Figures of a study and of coverage hold the numbers they are given."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from regimecast.evaluation.overfitting import Overfitting, probability_of_backtest_overfitting
from regimecast.report import calibration_figures, coverage_figures, study_figures
from regimecast.report.charts import Chart
from regimecast.report.run_files import RunFiles
from regimecast.report.series import equity
from tests.report.lifelike import MakeRun


def _paths(n: int, bars: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    time = pd.bdate_range("2020-01-01", periods=bars)
    return pd.concat(
        pd.DataFrame({"path": path, "time": time, "strategy": rng.normal(0, 0.01, bars)})
        for path in range(n)
    )


def _named(chart: go.Figure, name: str) -> go.Scatter:
    return next(trace for trace in chart.data if trace.name == name)


def test_the_share_below_zero_is_the_probability_of_overfitting() -> None:
    returns = np.random.default_rng(0).normal(0, 0.01, (320, 12))
    found = probability_of_backtest_overfitting(returns, n_blocks=8)
    chart = study_figures.overfitting(found)
    below, above = chart.data
    assert below.y.sum() == pytest.approx(found.pbo)
    assert below.y.sum() + above.y.sum() == pytest.approx(1)
    assert (below.x < 0).all()
    assert (above.x > 0).all()


@pytest.mark.parametrize("logits", [[0.7] * 70, [-2.0, -2.0], [0.0, 0.0, -0.1]])
def test_few_or_equal_logits_can_be_drawn(logits: list[float]) -> None:
    values = np.array(logits)
    found = Overfitting(values, values, values)
    chart = study_figures.overfitting(found)
    assert sum(trace.y.sum() for trace in chart.data) == pytest.approx(1)
    assert chart.data[0].y.sum() == pytest.approx(found.pbo)


def test_a_fan_holds_every_path_and_their_median() -> None:
    paths = _paths(5)
    chart = study_figures.path_fan(paths)
    curves = np.stack([equity(own["strategy"].to_numpy()) for _, own in paths.groupby("path")])
    np.testing.assert_allclose(_named(chart, "median").y, np.median(curves, axis=0), rtol=1e-6)
    band = _named(chart, "four fifths of the paths")
    np.testing.assert_allclose(band.y, np.quantile(curves, 0.9, axis=0), rtol=1e-6)
    np.testing.assert_allclose(band.customdata, np.quantile(curves, 0.1, axis=0), rtol=1e-6)
    assert len(chart.data) == 2 + 5 + 1


def test_long_paths_end_where_they_ended() -> None:
    paths = _paths(3, bars=5000)
    chart = study_figures.path_fan(paths, points=200)
    assert len(_named(chart, "median").x) <= 200
    assert _named(chart, "median").x[-1] == f"{paths['time'].max():%Y-%m-%d}"


def test_sharpe_ratios_stand_in_order_with_their_intervals() -> None:
    values = np.array([0.2, 1.1, -0.4])
    bounds = np.array([[-0.5, 0.9], [0.3, 2.1], [np.nan, np.nan]])
    chart = study_figures.sharpe_ratios(
        ["a", "<b>", "c"], values, bounds, lucky=1.5, places=[2, 0, 1]
    )
    (trace,) = chart.data
    assert list(trace.y) == [1.1, 0.2, -0.4]
    assert trace.meta["runs"] == [0, 2, 1]
    np.testing.assert_allclose(trace.error_y.array, [1.0, 0.7, 0.0])
    np.testing.assert_allclose(trace.error_y.arrayminus, [0.8, 0.7, 0.0])
    assert trace.text[0].startswith("&lt;b&gt;")
    assert chart.layout.shapes[0].y0 == 1.5


def test_an_array_of_several_traces_is_kept_once() -> None:
    chart = Chart("paths", "", "", study_figures.path_fan(_paths(8, bars=400)))
    assert str(chart.json).count("2020-06-01") == 1
    assert '"shared":0' in chart.json


def test_coverage_counts_outcomes_inside_the_band(make_run: MakeRun) -> None:
    table = RunFiles.read(make_run(bars=300, assets=("A", "B"))).predictions
    assert table is not None
    assert list(coverage_figures.bands(table)) == [0.9, 0.8, 0.5]
    found = coverage_figures.origins(table, 0.8)
    origin = table["origin"].iloc[50]
    own = table.loc[table["origin"] == origin]
    inside = own["actual"].between(own["q0.1"], own["q0.9"])
    assert found.loc[origin, "inside"] == pytest.approx(inside.mean())
    assert found.loc[origin, "width"] == pytest.approx((own["q0.9"] - own["q0.1"]).mean(), rel=1e-5)
    chart = coverage_figures.coverage(table, 0.8)
    over = coverage_figures.window(len(found))
    assert _named(chart, "coverage").y[-1] == pytest.approx(
        found["inside"].iloc[-over:].mean(), rel=1e-5
    )
    assert np.isnan(_named(chart, "coverage").y[: over - 1]).all()


def test_coverage_of_a_point_forecast_or_of_what_is_not_known_yet(make_run: MakeRun) -> None:
    table = RunFiles.read(make_run(bars=60)).predictions
    assert table is not None
    assert coverage_figures.bands(table[["q0.5", "actual"]]) == {}
    unknown = table["origin"] > table["origin"].iloc[20]
    table.loc[unknown, "actual"] = np.nan
    assert len(coverage_figures.origins(table, 0.9)) == 21
    assert len(coverage_figures.coverage(table, 0.9).data) > 3


def test_calibration_in_each_regime_is_of_its_forecasts(make_run: MakeRun) -> None:
    table = RunFiles.read(make_run(bars=500)).predictions
    assert table is not None
    found = calibration_figures.calibration_by_regime(table)
    assert "normal" in found
    own = table.loc[(table["step"] == 5) & (table["regime"] == 1)]
    line = found["normal"].data[2]
    for level, observed in zip(line.x, line.y, strict=True):
        assert observed == pytest.approx((own["actual"] <= own[f"q{level:g}"]).mean())


def test_classes_are_judged_by_the_most_probable_one(make_run: MakeRun) -> None:
    table = RunFiles.read(make_run(kind="probabilities", bars=500)).predictions
    assert table is not None
    for chart in calibration_figures.calibration_by_regime(table).values():
        assert (np.asarray(chart.data[2].x) >= 1 / 3).all()
    positions = RunFiles.read(make_run("p", kind="positions", bars=100)).predictions
    assert positions is not None
    assert calibration_figures.calibration_by_regime(positions) == {}


def test_folds_that_overlap_do_not_count_twice(make_run: MakeRun) -> None:
    table = RunFiles.read(make_run(bars=200)).predictions
    assert table is not None
    twice = pd.concat([table, table.assign(fold=9)])
    once, both = (calibration_figures.calibration(t).data[1].error_y for t in (table, twice))
    np.testing.assert_allclose(once.array, both.array)
