"""What every method does to a forecast: which bounds move, how far, and what is refused."""

import numpy as np
import pytest

from regimecast.core.errors import ConfigError, DataError, SpecError
from regimecast.core.types import ForecastKind
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.levels import intervals_of, ordered, with_interval
from regimecast.evaluation.conformal.record import Record
from regimecast.evaluation.conformal.thresholds import conformal_quantile
from tests.evaluation.conformal.records import LEVELS, METHODS, make_record, method, noisy

QUANTILES = ForecastKind.QUANTILES


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("per_asset", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_ascend_and_the_median_stays(name, per_asset, dtype) -> None:
    past, now = noisy(0, 100), noisy(7, 120, start=1_000)
    said = now.forecast
    object.__setattr__(said, "values", said.values.astype(dtype))
    found = method(name, per_asset=per_asset).calibrated(past, now)
    values = found.forecast.values
    assert values.dtype == dtype
    assert found.forecast.levels == LEVELS
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=2) >= 0).all()
    np.testing.assert_array_equal(values[:, :, 2], said.values[:, :, 2])
    assert found.before is said
    assert set(found.state["thresholds"]) == {"0.9", "0.5"}
    assert [len(steps) for steps in found.state["thresholds"].values()] == [2, 2]


@pytest.mark.parametrize("name", METHODS)
def test_intervals_that_were_too_narrow_cover_about_as_often_as_they_claim(name) -> None:
    past, now = noisy(0, 1_500, assets=1), noisy(1, 3_000, assets=1, start=5_000)
    found = method(name).calibrated(past, now)
    actual, known = now.outcomes.values, now.outcomes.mask

    def coverage(forecast, low, high):
        inside = (forecast.values[..., low] <= actual) & (actual <= forecast.values[..., high])
        return inside[known].mean()

    assert coverage(found.before, 0, 4) < 0.6
    assert coverage(found.forecast, 0, 4) == pytest.approx(0.9, abs=0.03)
    assert coverage(found.forecast, 1, 3) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", METHODS)
def test_a_point_forecast_gets_an_interval(name) -> None:
    past, now = noisy(0, 100), noisy(7, 50, start=1_000)
    points = [
        make_record(r.forecast.values[:, :, 2:3], r.outcomes.values, assets=2, start=start)
        for r, start in ((past, 0), (now, 1_000))
    ]
    rule = method(name)
    if name == "cqr":
        with pytest.raises(ConfigError, match=r"loss=quantile with the levels 0.05 and 0.95"):
            rule.check(QUANTILES, (0.5,), 2)
        return
    rule.check(QUANTILES, (0.5,), 2)
    found = rule.calibrated(*points)
    assert found.forecast.levels == rule.levels((0.5,)) == (0.05, 0.5, 0.95)
    lower, middle, upper = np.moveaxis(found.forecast.values, 2, 0)
    np.testing.assert_array_equal(middle, points[1].forecast.values[:, :, 0])
    np.testing.assert_allclose(upper - middle, middle - lower)
    assert (upper > middle).all()


def test_split_is_the_point_and_a_quantile_of_scaled_residuals() -> None:
    past, now = noisy(0, 100), noisy(7, 50, start=1_000)
    found = method("split").calibrated(past, now)
    for step in range(2):
        known = past.outcomes.mask[:, step]
        off = np.abs(past.outcomes.values[:, step] - past.forecast.values[:, step, 2])
        scores = (off / past.scale)[known]
        for position, outside in ((0, 0.1), (1, 0.5)):
            width = conformal_quantile(scores, outside) * now.scale
            middle = now.forecast.values[:, step, 2]
            values = found.forecast.values[:, step]
            np.testing.assert_allclose(values[:, position], middle - width)
            np.testing.assert_allclose(values[:, 4 - position], middle + width)


def test_normalise_none_leaves_the_scale_alone() -> None:
    past, now = noisy(0, 100), noisy(7, 50, start=1_000)
    values = method("split", normalise="none").calibrated(past, now).forecast.values
    widths = values[:, :, 4] - values[:, :, 0]
    np.testing.assert_allclose(widths, np.broadcast_to(widths[0], widths.shape))


def test_cqr_may_narrow() -> None:
    """Intervals that are far too wide come in, and meet at the median at most."""
    rng = np.random.default_rng(0)
    wide = np.array([-50.0, -40.0, 0.0, 40.0, 50.0])
    records = [
        make_record(
            np.broadcast_to(wide, (200, 1, 5)).copy(),
            rng.normal(size=(200, 1)),
            levels=LEVELS,
            start=start,
        )
        for start in (0, 1_000)
    ]
    values = method("cqr").calibrated(*records).forecast.values
    assert (values[:, 0, 4] < 2.5).all()
    assert (values[:, 0, 3] < 1.5).all()
    assert (np.diff(values, axis=2) >= 0).all()


def test_every_asset_of_its_own_is_each_asset_alone() -> None:
    past, now = noisy(0, 100), noisy(7, 120, start=1_000)
    for name in METHODS:
        together = method(name, per_asset=True).calibrated(past, now).forecast.values
        for asset in (0, 1):
            parts = [record.take(record.forecast.asset == asset) for record in (past, now)]
            alone = method(name).calibrated(*parts).forecast.values
            np.testing.assert_array_equal(together[now.forecast.asset == asset], alone)


@pytest.mark.parametrize("few", [0, 8])
def test_an_asset_with_too_few_scores_begins_with_everybodys(few) -> None:
    past, now = noisy(0, 100), noisy(7, 120, start=1_000)
    only = past.take((past.forecast.asset == 0) | (np.arange(len(past)) < 100 + few))
    found, shared = (
        method("split", per_asset=own).calibrated(only, now).forecast.values[:, :, [0, 4]]
        for own in (True, False)
    )
    late = now.forecast.asset == 1
    np.testing.assert_array_equal(found[late], shared[late])
    assert few == 0 or (found[~late] != shared[~late]).any()


def test_order_of_rows_does_not_matter() -> None:
    past, now = noisy(0, 100), noisy(7, 120, start=1_000)
    order = np.random.default_rng(0).permutation(len(now))
    for name in METHODS:
        straight = method(name).calibrated(past, now).forecast.values
        mixed = Record(
            now.forecast.take(order),
            now.outcomes.take(order),
            now.row[order],
            now.time,
            now.scale[order],
        )
        found = method(name).calibrated(past, mixed).forecast.values
        np.testing.assert_array_equal(found, straight[order])


def test_levels_as_intervals() -> None:
    assert intervals_of(LEVELS, 0.9) == ((0, 4, 0.1), (1, 3, 0.5))
    assert with_interval((0.5,), 0.9) == (0.05, 0.5, 0.95)
    assert with_interval(LEVELS, 0.8) == LEVELS
    with pytest.raises(ConfigError, match=r"conformal.level=0.8 .* Allowed: 0.9, 0.5"):
        intervals_of(LEVELS, 0.8)
    with pytest.raises(ConfigError, match=r"0.9 has no partner 0.1"):
        intervals_of((0.25, 0.5, 0.75, 0.9), 0.5)


def test_quantiles_are_put_in_order_from_the_median_outwards() -> None:
    levels = (0.05, 0.25, 0.75, 0.95)
    values = np.array([[[1.0, 2.0, 0.0, 0.5], [-1.0, 0.0, 1.0, 2.0], [0.5, 0.0, 1.0, 0.2]]])
    found = ordered(values, levels, intervals_of(levels, 0.9))
    np.testing.assert_array_equal(
        found, [[[1.0, 1.0, 1.0, 1.0], [-1.0, 0.0, 1.0, 2.0], [0.0, 0.0, 1.0, 1.0]]]
    )


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", [ForecastKind.PROBABILITIES, ForecastKind.POSITIONS])
def test_only_numbers_have_intervals(name, kind) -> None:
    with pytest.raises(ConfigError, match=f"conformal={name} calibrates intervals of a number"):
        method(name).check(kind, (0.5,), 1)
    ConformalRegistry.create("none").check(kind, (0.5,), 1)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("split", "level", 1.0),
        ("split", "level", float("nan")),
        ("cqr", "calibration", 0.0),
        ("aci", "gamma", -0.1),
        ("aci", "window", 0),
        ("aci", "ends", "both"),
        ("aci", "normalise", "volatility"),
        ("dtaci", "gammas", []),
        ("dtaci", "gammas", [0.1, 0.0]),
        ("dtaci", "interval", 0),
        ("enbpi", "members", 1),
        ("enbpi", "block", 0),
    ],
)
def test_values_out_of_range_are_refused(name, key, value) -> None:
    with pytest.raises(ConfigError, match=f"conformal.{key}="):
        method(name, **{key: value})


def test_blocks_must_be_longer_than_the_horizon() -> None:
    method("enbpi", block=6).check(QUANTILES, (0.5,), 5)
    with pytest.raises(ConfigError, match=r"conformal.block=5 .* horizon of 5 bars"):
        method("enbpi", block=5).check(QUANTILES, (0.5,), 5)


@pytest.mark.parametrize("name", METHODS)
def test_what_is_not_known_is_said(name) -> None:
    past, now = noisy(0, 100), noisy(7, 50, start=1_000)
    past.outcomes.mask[:, 1] = False
    with pytest.raises(DataError, match="no outcome of step 2 in the calibration part is known"):
        method(name).calibrated(past, now)


def test_a_forecast_that_is_no_number_is_refused() -> None:
    values = np.zeros((10, 1, 1))
    values[3] = np.nan
    with pytest.raises(SpecError, match=r"NaN or infinite for 1 of 10 samples, first for 'a'"):
        make_record(values, np.zeros((10, 1)))


@pytest.mark.parametrize("name", METHODS)
def test_too_few_scores_give_the_widest_and_a_warning(name, caplog) -> None:
    past, now = noisy(0, 4, assets=1, horizon=1), noisy(7, 50, assets=1, horizon=1, start=1_000)
    past.outcomes.mask[:] = True
    found = method(name).calibrated(past, now)
    assert "4 scores calibrate: intervals of level 0.9 need 9" in caplog.text
    assert np.isfinite(found.forecast.values).all()
