"""Leaks planted in targets, regimes, splits and the cache; see `test_planted_leaks.py`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.assembly import Assembly
from regimecast.audit.perturbation import Kind
from regimecast.core.types import Regime, Samples, Task
from regimecast.data.panel import Panel
from regimecast.features.pipeline import FeaturePipeline, FeatureTable
from regimecast.labels.barrier_target import TripleBarrier
from regimecast.labels.base import Target, TargetRegistry, TargetSeries
from regimecast.labels.forward_return import ForwardReturn
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.splits.base import Fold, SplitRegistry
from regimecast.splits.holdout import Holdout
from tests.audit.conftest import Plant, assert_found, run

Config = Callable[..., dict[str, Any]]


class Shifted(ForwardReturn):
    def compute(self, panel: Panel) -> TargetSeries:
        target = super().compute(panel)
        return replace(target, series=np.append(target.series[1:], target.series[-1:]))


def test_04_target_shifted_by_one(config: Config, plant: Plant) -> None:
    values = config()
    planted = {**values["target"], "name": plant(TargetRegistry, Shifted)}
    report = run({**values, "target": planted})
    outputs = {"series", "label"}
    assert_found(
        report, "target/planted_shifted", outputs, by={*Kind}, also={"windows", "interval"}
    )


class FullSample(Target):
    """Classes by thresholds that are quantiles of all returns there are."""

    classes = (-1, 0, 1)

    @property
    def label_bars(self) -> int:
        return 3

    def compute(self, panel: Panel) -> TargetSeries:
        log = np.log(panel.actual("close"))
        row = np.arange(panel.n_rows)
        last = panel.offsets[1:][panel.asset_of_row] - 1
        ahead = np.minimum(row + 3, last)
        move = log[ahead] - log
        low, high = np.quantile(move, [0.3, 0.7]) if len(move) else (0.0, 0.0)
        complete = row + 3 <= last
        return TargetSeries(
            task=Task.CLASSIFICATION,
            horizon=1,
            series=log,
            anchored=True,
            scale=np.ones(panel.n_rows),
            end_row=np.where(complete, ahead, -1),
            lookback=0,
            label=np.where(complete, (move > high).astype(int) - (move < low), -99),
            classes=self.classes,
        )


def of_classes(config: Config) -> dict[str, Any]:
    return config(
        [
            "target=triple_barrier", "target.horizon=8", "loss=cross_entropy",
            "strategy=class_probability",
        ]
    )  # fmt: skip


def test_10_barriers_fitted_on_the_full_sample(config: Config, plant: Plant) -> None:
    name = plant(TargetRegistry, FullSample)
    report = run({**of_classes(config), "target": {"name": name}})
    assert_found(report, f"target/{name}", {"label"}, by={*Kind}, also={"windows"})


@pytest.mark.parametrize("planted", [True, False])
def test_10_barriers_searched_on_bars_that_judge_them(planted: bool, config: Config) -> None:
    values = of_classes(config)
    until = "2100-01-01" if planted else "2015-02-01"
    target = {**values["target"], "fitted_until": until}
    report = run({**values, "target": target})
    settings = [f for f in report.findings if f.output == "settings"]
    assert bool(settings) is planted
    assert all(f.component == "target/triple_barrier" for f in settings)
    # A fold that refuses such a target fails the audit: this is no refusal of made-up bars.
    errors = {f.error.split(":")[0] for f in report.failures if not f.refused}
    assert errors == ({"LeakageError"} if planted else set())


class NoTimeout(TripleBarrier):
    """Says that a label which met no barrier was known on the bar after the origin."""

    def compute(self, panel: Panel) -> TargetSeries:
        target = super().compute(panel)
        assert target.label is not None
        timeout = (target.label == 0) & (target.end_row >= 0)
        early = np.where(timeout, np.arange(panel.n_rows) + 1, target.end_row)
        return replace(target, end_row=early)


@pytest.mark.parametrize("planted", [True, False])
def test_21_label_end_that_ignores_the_timeout(planted: bool, config: Config, plant: Plant) -> None:
    values = of_classes(config)
    if not planted:
        report = run(values)
        assert report.clean, (report.findings, report.failures)
        return
    target = {**values["target"], "name": plant(TargetRegistry, NoTimeout)}
    report = run({**values, "target": target})
    assert_found(report, "target/planted_notimeout", {"complete"}, by={*Kind}, also={"windows"})


class FutureLow(RegimeLabeller):
    """Recovery where the low of the next bars is not below today's close."""

    lookback = 0

    def fit(self, panel: Panel, interval: Any) -> "FutureLow":
        return self

    def label(self, panel: Panel) -> Any:
        codes = np.full(panel.n_rows, int(Regime.NORMAL), dtype=np.int8)
        for asset in range(panel.n_assets):
            rows = panel.rows(asset)
            low = pd.Series(panel.actual("low")[rows])
            ahead = low[::-1].rolling(10, min_periods=1).min()[::-1]
            recovering = (ahead >= 0.97 * panel.actual("close")[rows]).to_numpy()
            codes[rows][recovering] = int(Regime.RECOVERY)
        return codes

    def state(self) -> dict[str, Any]:
        return {}


def test_09_recovery_by_a_future_low(config: Config, plant: Plant) -> None:
    name = plant(RegimeRegistry, FutureLow)
    report = run({**config(), "regime": {"name": name}})
    assert_found(report, f"regime/{name}", {"code"}, by={*Kind}, also={"windows"})


class OffByOne(Holdout):
    """Keeps the first sample of each asset that purging should have taken."""

    def split(self, samples: Samples) -> list[Fold]:
        folds = []
        for fold in super().split(samples):
            border = samples.start[np.concatenate([fold.validation, fold.test])].min()
            touching = np.flatnonzero(samples.end == border)
            train = np.union1d(fold.train, touching)
            folds.append(replace(fold, train=train))
        return folds


def test_05_purge_off_by_one(config: Config, plant: Plant) -> None:
    values = config()
    split = {**values["split"], "name": plant(SplitRegistry, OffByOne)}
    report = run({**values, "split": split})
    by = {"fold 0: train against validation", "fold 0: parts"}
    outputs = {"interval", "train_interval"}
    assert_found(report, "split/planted_offbyone", outputs, by=by, also={"windows"})


class CarelessCache(FeaturePipeline):
    """Remembers tables by set, assets and first bar, and forgets where the data ended."""

    def __init__(self, families: Any, *, missing: Any, cut_to_size: bool) -> None:
        super().__init__(families, missing=missing)
        self._cut_to_size = cut_to_size
        self._tables: dict[Any, FeatureTable] = {}

    def compute(self, panel: Panel, *, out: Any = None) -> FeatureTable:
        key = (self.version, panel.assets, panel.time.min())
        if key not in self._tables:
            self._tables[key] = super().compute(panel)
        table = self._tables[key]
        if self._cut_to_size:
            return FeatureTable(table.values[: panel.n_rows], table.features)
        return table


@pytest.mark.parametrize("cut_to_size", [True, False])
def test_22_cache_keyed_without_the_end(cut_to_size: bool, config: Config) -> None:
    values = config()
    parts = Assembly.from_config(values, trains=False)
    careless = CarelessCache(values["features"], missing="skip", cut_to_size=cut_to_size)
    report = run(values, parts=replace(parts, pipeline=careless))
    assert report.of("feature cache")
    assert not report.clean


class Fragile(ForwardReturn):
    def compute(self, panel: Panel) -> TargetSeries:
        if np.isnan(panel.actual("volume")).any():
            raise ZeroDivisionError("division by zero")
        return super().compute(panel)


def test_an_error_is_reported_and_is_not_a_leak(config: Config, plant: Plant) -> None:
    values = config()
    target = {**values["target"], "name": plant(TargetRegistry, Fragile)}
    report = run({**values, "target": target})
    assert not report.clean
    assert not report.findings
    errors = {failure.error for failure in report.failures if not failure.refused}
    assert errors == {"ZeroDivisionError: division by zero"}
    assert {f.component for f in report.failures} >= {"target/planted_fragile"}
