import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import DataError, SpecError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind
from regimecast.evaluation import predictions
from regimecast.evaluation.predictions import (
    predictions_frame,
    read_predictions,
    write_predictions,
)
from tests.evaluation.samples import days, make_forecast, make_outcomes

KINDS = {
    ForecastKind.QUANTILES: ((0.05, 0.1, 1 / 3, 0.5), ["q0.05", "q0.1", f"q{1 / 3!r}", "q0.5"]),
    ForecastKind.PROBABILITIES: ((-1.0, 0.0, 1.0), ["p-1", "p0", "p1"]),
    ForecastKind.POSITIONS: ((0.5,), ["position"]),
}


def sample(kind: ForecastKind, n: int = 20, horizon: int = 3) -> tuple[Forecast, Outcomes]:
    rng = np.random.default_rng(0)
    levels, _ = KINDS[kind]
    forecast = make_forecast(
        rng.normal(size=(n, horizon, len(levels))).astype(np.float32),
        levels,
        kind,
        asset=rng.choice([0, 2], n),
        origin=days(n),
        assets=("zinc", "no forecasts", "copper"),
    )
    mask = rng.random((n, horizon)) > 0.3
    actual = rng.normal(size=(n, horizon)).astype(np.float32)
    outcomes = make_outcomes(
        forecast,
        np.where(mask, actual, np.float32(np.nan)),
        mask,
        rng.integers(-1, 5, n).astype(np.int8),
        rng.random((n, horizon)).astype(np.float32),
    )
    return forecast, outcomes


@pytest.mark.parametrize("kind", list(ForecastKind))
def test_round_trip_is_bit_identical(kind, tmp_path):
    forecast, outcomes = sample(kind)
    frame = predictions_frame(forecast, outcomes, fold=3)
    assert list(frame)[:7] == ["fold", "asset", "origin", "step", "regime", "actual", "weight"]
    assert list(frame)[7:] == KINDS[kind][1]
    write_predictions(tmp_path / "p.parquet", forecast, outcomes, fold=3)
    again, happened = read_predictions(tmp_path / "p.parquet")
    assert (again.levels, again.kind, again.assets) == (
        forecast.levels,
        forecast.kind,
        forecast.assets,
    )
    for name in ("values", "asset", "origin"):
        before, after = getattr(forecast, name), getattr(again, name)
        assert before.dtype == after.dtype
        assert before.tobytes() == after.tobytes()
    for name in ("values", "mask", "regime", "weight", "asset", "origin"):
        before, after = getattr(outcomes, name), getattr(happened, name)
        assert before.dtype == after.dtype
        assert np.array_equal(before, after, equal_nan=name in ("values", "weight"))


def test_folds_written_as_one(tmp_path):
    forecast, outcomes = sample(ForecastKind.QUANTILES)
    parts = [np.arange(0, 8), np.arange(8, 20)]
    frames = [
        predictions_frame(forecast.take(part), outcomes.take(part), fold=n)
        for n, part in enumerate(parts)
    ]
    pd.concat(frames, ignore_index=True).to_parquet(tmp_path / "p.parquet", index=False)
    again, _ = read_predictions(tmp_path / "p.parquet")
    assert np.array_equal(again.values, forecast.values)
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert frame["fold"].tolist() == [0] * 24 + [1] * 36
    assert frame["asset"].astype(str).tolist() == [
        forecast.assets[code] for code in np.repeat(forecast.asset, 3)
    ]


@pytest.mark.parametrize("kind", list(ForecastKind))
@pytest.mark.parametrize("n", [0, 1, 20])
def test_a_table_made_in_parts_is_the_same(kind, n, tmp_path, monkeypatch):
    monkeypatch.setattr(predictions, "_ROWS_AT_ONCE", 7)  # two samples of three steps
    forecast, outcomes = sample(kind, n=n)
    fold = np.arange(n) // 8
    predictions_frame(forecast, outcomes, fold).to_parquet(tmp_path / "whole", index=False)
    write_predictions(tmp_path / "parts", forecast, outcomes, fold)
    whole, parts = (pd.read_parquet(tmp_path / name) for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole, parts)
    assert whole.attrs == parts.attrs


def test_no_samples(tmp_path):
    forecast, outcomes = sample(ForecastKind.QUANTILES, n=0)
    write_predictions(tmp_path / "p.parquet", forecast, outcomes, fold=0)
    again, _ = read_predictions(tmp_path / "p.parquet")
    assert again.values.shape == (0, 3, 4)


def test_what_is_no_prediction_is_refused(tmp_path):
    forecast, outcomes = sample(ForecastKind.QUANTILES)
    path = tmp_path / "p.parquet"
    with pytest.raises(DataError, match="does not hold predictions"):
        read_predictions(path)
    path.write_bytes(b"junk")
    with pytest.raises(DataError, match="does not hold predictions"):
        read_predictions(path)
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(DataError, match="does not hold predictions"):
        read_predictions(path)
    frame = predictions_frame(forecast, outcomes, fold=0)
    frame.drop(columns="q0.1").to_parquet(path)
    with pytest.raises(DataError, match=r"q0\.1"):
        read_predictions(path)
    frame.sort_values("step").to_parquet(path)
    with pytest.raises(DataError, match="sample by sample"):
        read_predictions(path)
    frame.iloc[:-1].to_parquet(path)
    with pytest.raises(DataError, match="sample by sample"):
        read_predictions(path)
    with pytest.raises(SpecError):
        predictions_frame(forecast, outcomes.take(np.arange(5)), fold=0)
