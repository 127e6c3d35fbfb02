import numpy as np
import pytest

from regimecast.core.errors import LeakageError, SpecError
from regimecast.core.types import Interval
from regimecast.data.scaling import FeatureScaler

TIME = np.datetime64("2020-01-01", "ns") + np.arange(100) * np.timedelta64(1, "D")


def fit(values: np.ndarray, first: int = 10, last: int = 59) -> FeatureScaler:
    names = tuple(f"f{i}" for i in range(values.shape[1]))
    return FeatureScaler.fit(
        values, TIME, names, interval=Interval(TIME[first], TIME[last]), clip=10.0
    )


def test_only_the_training_interval_is_read():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(100, 3))
    scaler = fit(values)
    np.testing.assert_allclose(scaler.mean, values[10:60].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(scaler.std, values[10:60].std(axis=0), rtol=1e-6)
    changed = values.copy()
    changed[60:] = 1e9
    changed[:10] = np.nan
    np.testing.assert_array_equal(fit(changed).mean, scaler.mean)


def test_a_constant_channel_is_not_blown_up_and_an_empty_one_is_named_and_silenced(
    caplog: pytest.LogCaptureFixture,
):
    values = np.ones((100, 2)) * 0.1
    assert fit(values).std.tolist() == [1.0, 1.0]
    values[10:60, 1] = np.nan
    scaler = fit(values)
    assert "f1; not used" in caplog.text
    assert scaler.factor.tolist() == [1.0, 0.0]
    assert FeatureScaler.from_json(scaler.to_json()).factor.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
def test_an_infinity_counts_as_missing(infinity: float) -> None:
    values = np.random.default_rng(2).normal(5.0, 2.0, size=(100, 2)).astype(np.float32)
    holed = values.copy()
    holed[30, 0] = np.nan
    values[30, 0] = infinity
    scaler, expected = fit(values), fit(holed)
    np.testing.assert_array_equal(scaler.mean, expected.mean)
    np.testing.assert_array_equal(scaler.std, expected.std)
    np.testing.assert_array_equal(scaler.scale(values), expected.scale(holed))
    assert scaler.scale(values)[30, 0] == 0.0
    assert values[30, 0] == infinity  # the caller's values stay as they are


def test_earlier_bars_are_refused_and_state_survives_json():
    scaler = fit(np.random.default_rng(1).normal(size=(100, 2)))
    scaler.check(TIME[10])
    with pytest.raises(LeakageError, match="would use the future"):
        scaler.check(TIME[9])
    again = FeatureScaler.from_json(scaler.to_json())
    np.testing.assert_array_equal(again.mean, scaler.mean)
    assert again.interval == scaler.interval
    with pytest.raises(SpecError, match="no 'std'"):
        FeatureScaler.from_json({"mean": [0.0]})
