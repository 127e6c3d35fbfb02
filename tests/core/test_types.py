import json

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from regimecast.core.errors import SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import (
    DataSpec,
    ForecastKind,
    Interval,
    Intervals,
    Task,
    training_time,
)


def spec(**changes: object) -> DataSpec:
    values = {
        "task": Task.FORECAST,
        "context_length": 8,
        "horizon": 2,
        "past": ("history", "rsi"),
        "known": ("month",),
        "static": (),
        "assets": ("A", "B"),
        "frequency": "1D",
        "bars_per_year": 252.0,
    }
    return DataSpec(**{**values, **changes})


def forecast(values: np.ndarray, levels: tuple[float, ...]) -> Forecast:
    n = len(values)
    origin = np.arange(n).astype("datetime64[D]").astype("datetime64[ns]")
    return Forecast(values, levels, ForecastKind.QUANTILES, np.zeros(n, int), origin, ("A",))


def test_spec_round_trip_and_differences():
    one = spec()
    assert DataSpec.from_json(one.to_json()) == one
    assert one.differences(spec(bars_per_year=365.0)) == []
    assert one.differences(spec(past=("history", "macd")))[0].startswith("past:")
    with pytest.raises(SpecError, match="unknown fields"):
        DataSpec.from_json({**one.to_json(), "extra": 1})
    with pytest.raises(SpecError, match="not a data spec"):
        DataSpec.from_json({"task": "forecast"})


@pytest.mark.parametrize(
    "changes",
    [{"past": ("rsi",)}, {"horizon": 0}, {"classes": (0, 1)}, {"task": Task.CLASSIFICATION}],
)
def test_impossible_specs_are_refused(changes: dict[str, object]):
    with pytest.raises(SpecError):
        spec(**changes)


def test_quantiles_between_and_beyond_the_levels():
    f = forecast(np.array([[[0.0, 1.0, 4.0]]]), (0.1, 0.5, 0.9))
    assert f.quantile(0.5) == 1.0
    assert f.quantile(0.3) == pytest.approx(0.5)
    assert f.quantile(0.7) == pytest.approx(2.5)
    assert f.quantile(0.1) == 0.0
    assert f.quantile(0.9) == 4.0
    for level in (0.01, 0.99):
        with pytest.raises(SpecError, match=rf"level {level}.*Allowed: 0.1 to 0.9"):
            f.quantile(level)
    assert f.point() == 1.0


def test_joining_forecasts_needs_the_same_levels():
    a, b = forecast(np.zeros((2, 1, 1)), (0.5,)), forecast(np.ones((3, 1, 1)), (0.5,))
    assert len(Forecast.concatenate([a, b])) == 5
    with pytest.raises(SpecError):
        Forecast.concatenate([a, forecast(np.zeros((1, 1, 1)), (0.4,))])
    with pytest.raises(SpecError):
        Forecast.concatenate([])
    with pytest.raises(SpecError):
        Outcomes.concatenate([])


def test_an_interval_cannot_end_before_it_starts():
    day = np.datetime64("2020-01-02", "ns")
    assert Interval.from_json(Interval(day, day).to_json()) == Interval(day, day)
    with pytest.raises(SpecError):
        Interval(day, day - np.timedelta64(1, "D"))


def test_the_shape_checker_is_live():
    """Without the import hook this would build; the hook's name misspelt would go unnoticed."""
    with pytest.raises(TypeCheckError):
        forecast(np.zeros(3), (0.5,))


def interval(first: int, last: int) -> Interval:
    day = np.datetime64("2020-01-01", "ns")
    return Interval(day + np.timedelta64(first, "D"), day + np.timedelta64(last, "D"))


def test_several_intervals_contain_what_each_of_them_does():
    several = Intervals((interval(0, 2), interval(5, 5), interval(7, 9)))
    day = np.datetime64("2020-01-01", "ns") + np.arange(-1, 11) * np.timedelta64(1, "D")
    inside = several.contains(day)
    assert np.array_equal(inside, np.any([part.contains(day) for part in several.parts], axis=0))
    assert inside.sum() == 7
    assert (several.start, several.end) == (day[1], day[10])
    assert several.first_use < np.datetime64("1700-01-01", "ns")
    assert interval(3, 4).first_use == interval(3, 4).start
    # What reads bars of the stretch before cannot be learnt from, but after a single interval's
    # start what lies before it is the past.
    since = day - np.timedelta64(1, "D")
    assert several.teaches(since, day).sum() == 2 + 0 + 2
    assert interval(0, 2).teaches(since, day).sum() == 3


def test_both_kinds_of_training_time_come_back_from_json():
    alone, several = (interval(0, 2),), (interval(0, 2), interval(4, 5))
    for one in (interval(0, 2), Intervals(alone), Intervals(several)):
        assert training_time(json.loads(json.dumps(one.to_json()))) == one


def test_intervals_are_in_order_and_apart():
    with pytest.raises(SpecError, match="no interval"):
        Intervals(())
    for wrong in ((interval(3, 4), interval(0, 1)), (interval(0, 3), interval(3, 5))):
        with pytest.raises(SpecError, match="begins before"):
            Intervals(wrong)
