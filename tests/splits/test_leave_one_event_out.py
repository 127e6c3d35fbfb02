import logging
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import Regime
from regimecast.splits.base import SplitRegistry
from regimecast.splits.leave_one_event_out import LeaveOneEventOut
from tests.splits.panels import intersections

ONE = {"name": "one", "start": "2020-02-01", "end": "2020-02-10", "regime": "crash", "weight": 1}


def packaged() -> dict:
    text = (config_folder() / "split" / "leave_one_event_out.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def splitter(**changes: object) -> LeaveOneEventOut:
    values = {**packaged(), **changes}
    return SplitRegistry.create(values.pop("name"), **values)


def test_the_packaged_events_have_their_own_weights():
    """The archive lists weights in another order than events: they belong to each event."""
    events = {event.name: event for event in splitter().events}
    assert {name: event.weight for name, event in events.items()} == {
        "2008 financial crisis": 20,
        "2011 debt ceiling": 5,
        "2015 China devaluation": 5,
        "2018 Volmageddon": 10,
        "2020 COVID crash": 15,
        "2020 COVID recovery": 15,
        "2022 inflation bear": 20,
        "2023 banking crisis": 10,
    }
    assert sum(event.weight for event in events.values()) == 100
    kinds = Counter(event.regime for event in events.values())
    assert kinds == {Regime.CRASH: 3, Regime.HIGH_VOLATILITY: 4, Regime.RECOVERY: 1}
    assert events["2011 debt ceiling"].regime is Regime.HIGH_VOLATILITY  # by the alias high_vol
    days = {name: (str(e.start)[:10], str(e.end)[:10]) for name, e in events.items()}
    assert days["2008 financial crisis"] == ("2008-09-01", "2009-03-31")
    assert days["2020 COVID crash"] == ("2020-02-20", "2020-03-23")
    assert days["2020 COVID recovery"] == ("2020-03-24", "2020-06-30")


def test_every_event_of_the_real_index_is_tested_and_not_trained_on(shared_data, make_samples):
    frame = pd.read_parquet(shared_data / "daily" / "spx_vix_1990_2023.parquet")
    time = frame.index.to_numpy().astype("datetime64[ns]")
    samples = make_samples([time], lookback=252, label_bars=5)
    folds = splitter().split(samples)
    # Trading days of each event, counted on the exchange's calendar.
    assert [len(fold.test) for fold in folds] == [146, 43, 42, 19, 23, 69, 251, 42]
    for fold in folds:
        assert fold.event is not None
        own = samples.origin[fold.test]
        assert ((own >= fold.event.start) & (own <= fold.event.end)).all()
        others = np.concatenate([fold.train, fold.validation])
        assert intersections(samples, fold.test, others) == 0
        # At most a window and a label are lost on either side of the event and of validation.
        assert fold.purged <= 4 * (252 + 5)
    tested = np.concatenate([fold.test for fold in folds])
    assert len(np.unique(tested)) == len(tested)


def test_events_without_samples_are_left_out_and_named(make_samples, business_days, caplog):
    samples = make_samples([business_days(2000, "2015-01-05")], lookback=20, label_bars=5)
    with caplog.at_level(logging.WARNING):
        folds = splitter().split(samples)
    assert [fold.event.name for fold in folds] == [
        "2015 China devaluation",
        "2018 Volmageddon",
        "2020 COVID crash",
        "2020 COVID recovery",
        "2022 inflation bear",
    ]
    left_out = [record.getMessage() for record in caplog.records]
    assert len(left_out) == 3
    assert left_out[0].startswith("event '2008 financial crisis' (2008-09-01 to 2009-03-31) is")


def test_data_without_any_event_are_refused(make_samples, business_days):
    samples = make_samples([business_days(500, "1993-01-04")], lookback=2, label_bars=1)
    with pytest.raises(DataError, match="none of 8 events has samples in the data, 1993-01-06 to"):
        splitter().split(samples)


def test_an_end_is_its_whole_day_or_a_time_of_day(make_samples):
    hours = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[h]").astype("datetime64[ns]")
    samples = make_samples([hours], lookback=2, label_bars=1)
    [fold] = splitter(events=[ONE]).split(samples)
    assert str(samples.origin[fold.test[-1]])[:16] == "2020-02-10T23:00"
    [fold] = splitter(events=[{**ONE, "end": "2020-02-10 14:00"}]).split(samples)
    assert str(samples.origin[fold.test[-1]])[:16] == "2020-02-10T14:00"
    [fold] = splitter(events=[{**ONE, "end": "2020-02-10 14:00+02:00"}]).split(samples)
    assert str(samples.origin[fold.test[-1]])[:16] == "2020-02-10T12:00"


def test_events_are_in_order_of_time_whatever_the_list_says(make_samples, business_days):
    late = {**ONE, "name": "late", "start": "2020-04-01", "end": "2020-04-20"}
    samples = make_samples([business_days(250, "2019-10-01")], lookback=2, label_bars=1)
    folds = splitter(events=[late, ONE]).split(samples)
    assert [fold.event.name for fold in folds] == ["one", "late"]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "split.events is empty"),
        ([{**ONE, "wieght": 1}], r"split\.events\[0\] has no key 'wieght'\. Did you mean 'weight'"),
        ([{k: v for k, v in ONE.items() if k != "regime"}], r"split\.events\[0\] needs regime"),
        ([{**ONE, "regime": "crsh"}], r"split\.events\[0\]\.regime: unknown regime 'crsh'"),
        ([{**ONE, "weight": 0}], r"split\.events\[0\]\.weight=0; allowed: a number above 0"),
        ([{**ONE, "weight": "5 %"}], r"weight='5 %'"),
        ([{**ONE, "weight": float("nan")}], "weight=nan"),
        ([{**ONE, "weight": float("inf")}], "weight=inf"),
        ([{**ONE, "start": "soon"}], r"split\.events\[0\]\.start='soon' is no time"),
        ([{**ONE, "start": 20200201}], r"start=20200201 is no time"),
        ([{**ONE, "end": "2020-01-01"}], "comes before start"),
        ([ONE, {**ONE, "start": "2021-01-01", "end": "2021-02-01"}], "has 'one' twice"),
        ([ONE, {**ONE, "name": "two"}], "before 'one' ends"),
    ],
)  # fmt: skip
def test_wrong_events_say_what_is_wrong(events, message):
    with pytest.raises(ConfigError, match=message):
        splitter(events=events)
