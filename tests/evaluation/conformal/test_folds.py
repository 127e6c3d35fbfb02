"""Calibration on a fold of a real data module: what is forecast, trained and drawn."""

import numpy as np
import pytest

from regimecast.core.errors import DataError
from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.conformal.bootstrap import Everything
from regimecast.evaluation.conformal.record import Record
from regimecast.splits.purging import PurgeRule
from tests.data.folds import build_fold, build_market, split
from tests.data.panels import random_panel
from tests.evaluation.conformal.records import METHODS, method

RULE = PurgeRule.parse(3, 0)


class Model:
    """Forecasts a number of its own, and notes what it was asked."""

    def __init__(self, says: float = 0.0) -> None:
        self.says = says
        self.asked: list[str] = []

    def __call__(self, data: FinancialDataModule, name: str) -> Forecast:
        self.asked.append(name)
        samples = data.split(name).samples
        return Forecast(
            np.full((len(samples), data.spec.horizon, 1), self.says, dtype=np.float32),
            (0.5,),
            ForecastKind.QUANTILES,
            samples.asset,
            samples.origin,
            data.spec.assets,
        )


@pytest.fixture(scope="module")
def market():
    return build_market(random_panel(700, 500))


def no_member(number: int, data: FinancialDataModule) -> Model:
    raise AssertionError("no further model is needed")


@pytest.mark.parametrize("name", sorted({*METHODS} - {"cqr", "enbpi"}))
def test_the_model_is_asked_for_the_calibration_part_and_the_test(market, name) -> None:
    rule, fold = method(name), split(market)
    divided = rule.divide(fold, market.samples(complete=True), RULE)
    data, model = build_fold(market, divided), Model()
    found = rule.calibrate(data, model, no_member)
    assert model.asked == ["test", "calibration"]
    assert len(found.forecast) == len(fold.test)
    assert len(data.split("calibration")) == len(divided.of_calibration)
    known = Record.of(data, "calibration", model(data, "calibration"))
    start = known.scores(0, known.actual(0) / known.scale)
    assert found.state["samples"] == len(known)
    assert found.state["thresholds"]["0.9"][0] <= np.abs(start.value).max()


def test_none_asks_for_nothing_else(market) -> None:
    rule, fold = ConformalRegistry.create("none"), split(market)
    assert rule.divide(fold, market.samples(complete=True), RULE) is fold
    model = Model()
    found = rule.calibrate(build_fold(market, fold), model, no_member)
    assert model.asked == ["test"]
    assert found.forecast is found.before
    assert found.state == {}


def test_what_calibrates_is_neither_trained_on_nor_watched(market) -> None:
    samples = market.samples(complete=True)
    fold = split(market)
    divided = method("aci").divide(fold, samples, RULE)
    data = build_fold(market, divided)
    calibration = data.split("calibration").samples
    assert calibration.origin.min() >= data.split("validation").samples.end.max()
    assert calibration.end.max() <= data.split("test").samples.origin.min()
    rows = set(calibration.row.tolist())
    for name in ("train", "validation", "test"):
        assert not rows & set(data.split(name).samples.row.tolist())
    whole = build_fold(market, fold)
    assert whole.state() == data.state()  # scalers and regimes are those of the same training part
    assert len(whole.split("calibration")) == 0


def test_an_outcome_is_known_at_the_close_of_its_own_bar(market) -> None:
    data = build_fold(market)
    record = Record.of(data, "test", Model()(data, "test"))
    samples = data.split("test").samples
    last = record.scores(data.spec.horizon - 1, record.actual(2))
    np.testing.assert_array_equal(last.known.view("datetime64[ns]"), samples.end)
    bars = market.bars
    first = record.scores(0, record.actual(0))
    np.testing.assert_array_equal(first.known, bars.time[samples.row + 1].view(np.int64))
    np.testing.assert_allclose(
        record.actual(0),
        np.log(bars.actual("close")[samples.row + 1] / bars.actual("close")[samples.row]),
        rtol=1e-5,
        atol=1e-9,
    )


def test_too_few_samples_are_said_before_training(market) -> None:
    with pytest.raises(DataError, match=r"level 0.998 needs at least 499"):
        method("split", level=0.998).divide(split(market), market.samples(complete=True), RULE)


def test_an_ensemble_is_trained_on_blocks_and_judged_where_it_was_not(market) -> None:
    data = build_fold(market, split(market), sampling="natural", seed=4)
    rule, members, drawn = method("enbpi", members=5, block=10), [], []

    def member(number: int, resampled: FinancialDataModule) -> Model:
        assert number == len(members)
        drawn.append(resampled.split("train").samples.row)
        members.append(Model(0.01 * number))
        return members[-1]

    own = Model(7.0)
    found = rule.calibrate(data, own, member)
    assert (found.before.values == 7).all()
    np.testing.assert_allclose(found.forecast.values[:, :, 1], 0.02, rtol=1e-6)
    assert own.asked == ["test"]
    assert all(model.asked == ["test", "train"] for model in members)
    # Residuals are those of the members that saw neither the sample nor a label beside it.
    everything = data.resampled(Everything())
    samples = everything.split("train").samples
    said = np.zeros(len(samples))
    count = np.zeros(len(samples))
    for number, rows in enumerate(drawn):
        seen = np.isin(samples.row, rows)
        start, end = samples.origin[seen], samples.end[seen]
        meets = (samples.origin[:, None] <= end) & (samples.end[:, None] >= start)
        said += np.where(meets.any(axis=1), 0.0, 0.01 * number)
        count += ~meets.any(axis=1)
    kept = count > 0
    record = Record.of(everything, "train", Model()(everything, "train"))
    off = np.abs(record.actual(0)[kept] - said[kept] / count[kept]) / record.scale[kept]
    assert found.state["samples"] == kept.sum()
    ranked = np.sort(off)
    k = int(np.ceil((len(ranked) + 1) * 0.9 - 1e-9))
    np.testing.assert_allclose(found.state["thresholds"]["0.9"][0], ranked[k - 1], rtol=1e-5)
    # The same fold draws the same blocks, and the run's own draw is as it was.
    again: list[np.ndarray] = []

    def note(number: int, resampled: FinancialDataModule) -> Model:
        again.append(resampled.split("train").samples.row)
        return Model()

    rule.calibrate(build_fold(market, split(market), seed=4), own, note)
    for one, other in zip(drawn, again, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(data.split("train")) == len(split(market).train)


def test_an_ensemble_whose_members_saw_everything_is_refused(market) -> None:
    data = build_fold(market, split(market))
    with pytest.raises(DataError, match=r"Use more conformal.members or a longer conformal.block"):
        method("enbpi", members=2, block=10_000).calibrate(
            data, Model(), lambda number, fold: Model()
        )


@pytest.mark.parametrize("narrow", [False, True])
def test_another_draw_shares_what_was_fitted(market, narrow) -> None:
    """Also of a fold whose batches hold fewer channels, whichever comes first."""
    data = build_fold(market, split(market), sampling="balanced")
    wide = data.resampled(Everything())
    groups = {"past": False, "known": True, "static": False}
    if narrow:
        wide, data = data.only(**groups).resampled(Everything()), data.only(**groups)
        assert wide.spec == data.spec
    np.testing.assert_array_equal(
        wide.split("train").samples.row, wide.samples.row[wide.fold.train]
    )
    assert len(np.unique(data.split("train").samples.row)) < len(wide.split("train"))
    assert wide.scaler is data.scaler
    assert wide.split("test").spec == data.split("test").spec
