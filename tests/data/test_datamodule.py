"""One fold: what is fitted on which bars, what each split holds, and in which order it comes."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from regimecast.core.batch import Batch
from regimecast.core.errors import ConfigError, LeakageError
from regimecast.core.types import Regime
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.dataset import TimeSeriesDataset
from regimecast.data.market import MarketData
from regimecast.data.panel import Column, Role
from regimecast.labels.base import TargetRegistry
from regimecast.splits.base import Fold
from tests.data.folds import build_fold, build_market, packaged, split, weightings
from tests.data.panels import random_panel

SPLITS = ("train", "validation", "test", "all")


@pytest.fixture(scope="module")
def market() -> MarketData:
    return build_market(random_panel(260, 200))


@pytest.fixture(scope="module")
def data(market: MarketData) -> FinancialDataModule:
    return build_fold(market)


def everything(dataset: TimeSeriesDataset) -> Batch:
    return dataset.gather(torch.arange(len(dataset)))


def equal(one: Batch, other: Batch) -> bool:
    return all(torch.equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Batch))


# What is fitted


@pytest.mark.parametrize("target", ["forward_return", "triple_barrier"])
@pytest.mark.parametrize("sampling", ["natural", "balanced"])
def test_bars_after_the_training_interval_do_not_reach_training(target: str, sampling: str) -> None:
    extra = (Column("news"), Column("auction", Role.KNOWN), Column("size", Role.STATIC))
    bars = random_panel(260, 200, extra=extra)
    market = build_market(bars, target=target)
    fold = split(market)
    # The last bars stay, so that the same barriers are met before the end and positions stay too.
    last = market.last_row - np.arange(bars.n_rows) < 20
    after = (bars.time > fold.train_interval.end) & ~last
    noise = np.exp(np.random.default_rng(9).normal(0, 0.3, (bars.n_rows, 1)))
    other_bars = replace(bars, values=np.where(after[:, None], bars.values * noise, bars.values))
    # Scheduled columns are known ahead, so training windows may read them beyond the interval.
    # A static column has one value, at any time.
    ahead = [bars.index("auction"), bars.index("size")]
    other_bars.values[:, ahead] = bars.values[:, ahead]
    rules = weightings("regime", "recency")
    one, other = (
        build_fold(m, fold, weights=rules, sampling=sampling)
        for m in (market, build_market(other_bars, target=target))
    )
    assert one.state() == other.state()
    assert one.weight_report == other.weight_report
    assert equal(everything(one.split("train")), everything(other.split("train")))
    for mine, theirs in zip(one.train_dataloader(), other.train_dataloader(), strict=True):
        assert equal(mine, theirs)
    assert not equal(everything(one.split("test")), everything(other.split("test")))


def test_a_target_that_was_fitted_on_bars_of_a_later_part_is_refused() -> None:
    bars = random_panel(260, 200)
    market = build_market(bars, target="triple_barrier")
    fold = split(market)
    origin = market.samples(complete=True).origin

    def with_target_fitted_until(end: np.datetime64, fold: Fold) -> FinancialDataModule:
        config = packaged("target", "triple_barrier", horizon=3, fitted_until=str(end))
        target = TargetRegistry.create(config.pop("name"), **config)
        return build_fold(replace(market, target_rule=target), fold)

    validation, test = (origin[part].min() for part in (fold.validation, fold.test))
    # An origin at the last bar of the fit is fine: its label reads the bars after it.
    with_target_fitted_until(validation, fold)
    with pytest.raises(LeakageError, match=r"fitted on bars up to 20.*, and the validation part"):
        with_target_fitted_until(validation + np.timedelta64(1, "D"), fold)
    late = replace(fold, validation=fold.test[-5:])
    with_target_fitted_until(test, late)
    with pytest.raises(LeakageError, match="and the test part begins at"):
        with_target_fitted_until(test + np.timedelta64(1, "D"), late)


def test_scaled_features_have_mean_0_and_deviation_1_in_training(
    market: MarketData, data: FinancialDataModule
) -> None:
    interval, time = data.fold.train_interval, market.bars.time
    inside = (time >= interval.start) & (time <= interval.end)
    rows = market.past[inside, 1:].astype(np.float64)
    np.testing.assert_allclose(data.scaler.mean, np.nanmean(rows, axis=0), rtol=1e-5, atol=1e-7)
    usual = data.scaler.std != 1
    np.testing.assert_allclose(data.scaler.std[usual], np.nanstd(rows, axis=0)[usual], rtol=1e-5)
    assert data.scaler.interval == interval


def test_static_columns_are_scaled_by_the_assets_of_the_training_interval() -> None:
    """An asset that is listed later has no part in it, and its own value is limited."""
    bars = random_panel(260, 200, 60, extra=(Column("size", Role.STATIC),))
    values = bars.values.copy()
    values[:, -1] = np.array([2.0, 6.0, 1e9])[bars.asset_of_row]
    market = build_market(replace(bars, values=values))
    data = build_fold(market)
    assert market.bars.time[bars.offsets[2]] > data.fold.train_interval.end
    static = everything(data.split("all")).static[:, 0].numpy()
    asset = data.split("all").samples.asset
    levels = [np.unique(static[asset == a]).item() for a in range(3)]
    assert levels[0] < 0 < levels[1]
    assert levels[2] == 10.0
    values[bars.asset_of_row == 2, -1] = 4.0
    other = build_fold(build_market(replace(bars, values=values)))
    assert equal(everything(other.split("train")), everything(data.split("train")))


def test_what_was_fitted_is_plain(data: FinancialDataModule) -> None:
    assert json.loads(json.dumps(data.state())) == data.state()


def test_samples_before_the_training_interval_are_refused(market: MarketData) -> None:
    fold = split(market)
    backwards = Fold(
        train=fold.test,
        validation=fold.validation,
        test=fold.train,
        train_interval=type(fold.train_interval)(
            market.samples(complete=True).start[fold.test].min(), market.bars.time.max()
        ),
        purged=0,
    )
    data = build_fold(market, backwards)
    assert len(data.split("train")) == len(fold.test)
    with pytest.raises(LeakageError, match="would use the future"):
        data.split("test")


# What each split holds


def test_splits_hold_the_samples_of_the_fold(market: MarketData, data: FinancialDataModule) -> None:
    samples = market.samples(complete=True)
    for name in ("train", "validation", "test"):
        np.testing.assert_array_equal(
            data.split(name).samples.row, samples.row[getattr(data.fold, name)]
        )
        assert data.split(name).targets()[1].all()


def test_all_holds_every_full_window_from_training_on(
    market: MarketData, data: FinancialDataModule
) -> None:
    every = market.samples(complete=False)
    expected = every.row[every.start >= data.fold.train_interval.start]
    np.testing.assert_array_equal(data.split("all").samples.row, expected)
    for name in ("train", "validation", "test"):
        assert np.isin(data.split(name).samples.row, expected).all()
    _, mask = data.split("all").targets()
    last = np.isin(expected, market.bars.offsets[1:] - 1)
    assert last.sum() == 2
    assert not mask[last].any()
    assert np.isfinite(everything(data.split("all")).past.numpy()).all()


def test_outcomes_are_what_happened_to_the_closes(
    market: MarketData, data: FinancialDataModule
) -> None:
    close, last_row = market.bars.actual("close"), market.last_row
    for name in SPLITS:
        outcomes, rows = data.outcomes(name), data.split(name).samples.row
        assert len(outcomes) == len(rows)
        for i, row in enumerate(rows):
            for step in range(1, 4):
                known = row + step <= last_row[row]
                assert outcomes.mask[i, step - 1] == known
                happened = np.log(close[row + step] / close[row]) if known else 0.0
                assert outcomes.values[i, step - 1] == pytest.approx(happened, rel=1e-5, abs=1e-9)
        np.testing.assert_array_equal(outcomes.origin, market.bars.time[rows])
        np.testing.assert_array_equal(outcomes.regime, data.regime_codes[rows])


def test_outcomes_of_classes_are_their_values() -> None:
    market = build_market(random_panel(260, 200), target="triple_barrier")
    data = build_fold(market)
    outcomes = data.outcomes("test")
    assert market.target.label is not None
    label = market.target.label[data.split("test").samples.row]
    np.testing.assert_array_equal(outcomes.values[:, 0], label)
    assert set(np.unique(label)) == {-1, 0, 1}


# Weights and draws


@pytest.mark.parametrize("sampling", ["natural", "balanced"])
@pytest.mark.parametrize("rules", [(), ("regime",), ("regime", "recency", "uniqueness")])
def test_training_weights_have_mean_1(
    market: MarketData, rules: tuple[str, ...], sampling: str
) -> None:
    data = build_fold(market, weights=weightings(*rules), sampling=sampling)
    weight = data.split("train").weight
    assert weight.mean() == pytest.approx(1.0, rel=1e-6)
    assert bool(weight.std() > 0) is bool(rules)
    batches = torch.cat([batch.weight for batch in data.train_dataloader()])
    assert batches.mean().item() == pytest.approx(1.0, rel=1e-6)


def test_other_splits_are_weighed_by_the_rule_of_training(market: MarketData) -> None:
    """Same regime, same weight, whichever split; only early stopping and metrics look at it."""
    data = build_fold(market, weights=weightings("regime"))
    by_regime = {}
    for code, weight in zip(data.split("train").regime, data.split("train").weight, strict=True):
        by_regime.setdefault(int(code), float(weight[0]))
    for name in ("train", "validation", "test"):
        outcomes = data.outcomes(name)
        for code, weight in zip(outcomes.regime, outcomes.weight, strict=True):
            if int(code) in by_regime:
                assert weight == pytest.approx(by_regime[int(code)])
    np.testing.assert_allclose(data.split("validation").weight, data.outcomes("validation").weight)
    assert (data.split("test").weight == 1).all()


def test_only_training_is_drawn(market: MarketData, data: FinancialDataModule) -> None:
    drawn = build_fold(market, sampling="balanced")
    natural = data.split("train").samples.row
    rows = drawn.split("train").samples.row
    assert set(rows) < set(natural)
    assert len(rows) > len(set(rows))
    crash = [(d.split("train").regime == Regime.CRASH).mean() for d in (data, drawn)]
    assert crash[1] > crash[0] + 0.02
    for name in ("validation", "test", "all"):
        assert equal(everything(drawn.split(name)), everything(data.split(name)))


def test_each_fold_draws_by_its_own_number(market: MarketData) -> None:
    def rows(**changes: int) -> list[int]:
        return (
            build_fold(market, sampling="balanced", **changes).split("train").samples.row.tolist()
        )

    assert rows() == rows()
    assert rows() != rows(number=1)
    assert rows(seed=1) != rows(number=1)


# Loaders


@pytest.mark.parametrize("name", ["validation", "test"])
def test_loaders_keep_the_order_and_leave_nothing_out(data: FinancialDataModule, name: str) -> None:
    loader = data.val_dataloader() if name == "validation" else data.test_dataloader()
    batches = list(loader)
    assert [len(batch) for batch in batches[:-1]] == [32] * (len(batches) - 1)
    assert len(batches) == len(loader)
    origins = torch.cat([batch.origin for batch in batches]).numpy()
    np.testing.assert_array_equal(origins, data.split(name).samples.row)


def test_training_is_shuffled_anew_each_epoch_and_the_same_each_time(market: MarketData) -> None:
    def epochs(**changes: int) -> list[list[int]]:
        loader = build_fold(market, **changes).train_dataloader()
        return [torch.cat([batch.origin for batch in loader]).tolist() for _ in range(2)]

    torch.manual_seed(1)
    first, second = epochs()
    torch.manual_seed(2)
    assert epochs() == [first, second]
    assert first != second
    assert sorted(first) == sorted(second) == build_fold(market).split("train").samples.row.tolist()
    assert first != sorted(first)
    assert epochs(number=1)[0] != first
    assert epochs(number=1) != epochs(seed=1)


def test_workers_give_the_same_batches(market: MarketData) -> None:
    one = build_fold(market)
    two = build_fold(market)
    two._num_workers = 1
    for mine, theirs in zip(one.train_dataloader(), two.train_dataloader(), strict=True):
        assert equal(mine, theirs)


# Other bars


def test_what_was_learnt_is_applied_to_other_bars(
    market: MarketData, data: FinancialDataModule
) -> None:
    other = data.at(build_market(random_panel(260, 200, seed=1)))
    assert other.scaler is data.scaler
    assert other.state() == data.state()
    assert equal(everything(data.at(market).split("all")), everything(data.split("all")))


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_other_bars_have_no_parts(data: FinancialDataModule, name: str) -> None:
    with pytest.raises(ConfigError, match=f"'{name}' belongs to the bars of the fold"):
        data.at(data.market).split(name)


def test_unknown_splits_are_refused(data: FinancialDataModule) -> None:
    with pytest.raises(ConfigError, match=r"unknown split .valid.\. Did you mean .validation."):
        data.split("valid")


# Fewer channels


def test_a_narrowed_fold_is_the_same_fold(market: MarketData, data: FinancialDataModule) -> None:
    narrow = data.only(past=False, known=True, static=False)
    assert data.only(past=True, known=True, static=True) is data
    assert narrow.spec == data.spec.only(past=False, known=True, static=False)
    assert narrow.state() == data.state()
    assert narrow.weight_report is data.weight_report
    assert narrow.split("test").samples is data.split("test").samples
    for batch, whole in zip(narrow.val_dataloader(), data.val_dataloader(), strict=True):
        assert torch.equal(batch.past, whole.past[:, :, :1])
        assert torch.equal(batch.known, whole.known)
        assert batch.static.shape == (len(batch), 0)
        assert torch.equal(batch.target, whole.target)
    assert narrow.at(market).split("all").spec == narrow.spec
