import json

import numpy as np
import pandas as pd
import pytest

from regimecast.core.types import ForecastKind, Regime
from regimecast.evaluation.events import ONE_EVENT, event_metrics
from regimecast.splits.base import Event
from tests.evaluation.samples import days, make_forecast, make_outcomes

EVENTS = [
    Event("fall", *days(2, 3), Regime.CRASH, 20.0),
    Event("rise", *days(2, 10), Regime.RECOVERY, 15.0),
    Event("fall again", days(1, 20)[0], days(1, 22)[0], Regime.CRASH, 5.0),
]


def folds(kind: ForecastKind = ForecastKind.QUANTILES):
    forecasts, outcomes = [], []
    for number, size in enumerate((2, 2, 3)):
        values = np.full((size, 1, 1), 0.01 * (number + 1))
        forecast = make_forecast(values, (0.5,), kind, origin=days(size, 10 * number))
        forecasts.append(forecast)
        outcomes.append(make_outcomes(forecast, np.zeros((size, 1))))
    return forecasts, outcomes


def returns() -> pd.DataFrame:
    frame = pd.DataFrame({"time": days(30), "strategy": 0.0, "buy_and_hold": 0.0})
    frame.loc[[3, 4], "strategy"] = 0.1, -0.2
    frame.loc[[5, 21], "strategy"] = 0.5, 0.3  # the day after the first, and within the last
    frame.loc[[10, 11], "buy_and_hold"] = 0.1, 0.1
    return frame


def test_each_event_its_kind_and_their_weighted_mean():
    section = event_metrics(EVENTS, *folds(), returns())
    json.dumps(section, allow_nan=False)
    assert section["metric"] == "mae"
    fall, rise, again = section["events"]
    assert fall["name"] == "fall"
    assert (fall["start"], fall["end"], fall["regime"], fall["weight"], fall["n"]) == (
        "2020-01-04", "2020-01-05", "crash", 20.0, 2,
    )  # fmt: skip
    assert fall["return"] == pytest.approx(1.1 * 0.8 - 1)
    assert rise["buy_and_hold"] == pytest.approx(0.21)
    assert again["return"] == pytest.approx(0.3)
    assert [row["error"] for row in section["events"]] == pytest.approx([0.01, 0.02, 0.03])
    mean = section["weighted_mean"]
    assert mean["weight"] == 40.0
    assert mean["error"] == pytest.approx((20 * 0.01 + 15 * 0.02 + 5 * 0.03) / 40)
    assert mean["return"] == pytest.approx((20 * -0.12 + 5 * 0.3) / 40)
    assert list(section["kinds"]) == ["crash", "recovery"]
    crash, recovery = section["kinds"]["crash"], section["kinds"]["recovery"]
    assert crash["events"] == 2
    assert crash["error"] == pytest.approx((20 * 0.01 + 5 * 0.03) / 25)
    assert "note" not in crash
    assert recovery["note"] == ONE_EVENT == "one event: not testable"


def test_without_a_backtest_only_errors_are_said():
    section = event_metrics(EVENTS, *folds(), None)
    assert section["events"][0]["return"] is None
    assert section["weighted_mean"]["buy_and_hold"] is None
    assert section["weighted_mean"]["error"] > 0


def test_positions_have_no_error():
    section = event_metrics(EVENTS, *folds(ForecastKind.POSITIONS), returns())
    assert section["metric"] is None
    assert section["weighted_mean"]["error"] is None
    assert section["kinds"]["crash"]["return"] is not None
