"""Leaks of folds that train before and after what they test, planted as tiny components."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pytest

from regimecast.audit.engine import ALL_CHECKS, audit
from regimecast.audit.findings import AuditReport
from regimecast.audit.fold_checks import TrainingCheck
from regimecast.audit.regime_checks import RegimeCheck
from regimecast.audit.split_checks import SplitCheck
from regimecast.audit.subject import Subject
from regimecast.core.types import Interval, Samples, TrainingTime
from regimecast.data import fitted as fitting
from regimecast.data.panel import Panel
from regimecast.data.scaling import FeatureScaler
from regimecast.regimes.base import RegimeRegistry
from regimecast.regimes.realised_volatility import RealisedVolatilityRegime
from regimecast.splits import around as training_around
from regimecast.splits.purging import PurgeRule
from tests.audit.conftest import Plant


def run(config: dict[str, Any], checks: Any) -> AuditReport:
    return audit(config, cuts=2, seed=3, checks=checks)


@pytest.fixture
def around(
    config: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """The small market, its middle third tested, and only that fold checked."""
    monkeypatch.setattr(Subject, "some_folds", lambda self, most: [self.folds[1]])
    return config(["split=purged_kfold", "split.folds=3"], bars=1200)


@pytest.mark.parametrize(
    "overrides",
    [
        ["split=combinatorial_purged", "split.groups=4", "features=[momentum,candles]"],
        ["split=purged_kfold", "split.folds=3", "split.embargo=5D", "model=dlinear"],
        ["split=purged_kfold", "split.folds=3", "split.purge=3"],
        [
            "split=leave_one_event_out",
            "split.events=[{name: one, start: '2016-01-01', end: '2016-02-01', regime: crash, "
            "weight: 1}, {name: two, start: '2016-08-01', end: '2016-09-01', regime: crash, "
            "weight: 2}]",
        ],
    ],
)
def test_splits_around_the_test_part_are_clean(
    config: Callable[..., dict[str, Any]], overrides: list[str]
) -> None:
    report = run(config(overrides, bars=1600), ALL_CHECKS)
    assert report.clean, [str(finding) for finding in report.findings]
    assert not [f for f in report.failures if not f.refused], report.failures
    names = [note.what for note in report.not_audited]
    assert ("what a model learns without the test part" in names) == ("leave" in overrides[0])


class BridgingScaler(FeatureScaler):
    """Fits from the first training bar to the last one, and so on the test part between them."""

    @classmethod
    def fit(cls, values, time, names, *, interval, clip, since):
        whole = Interval(interval.start, interval.end)
        fitted = FeatureScaler.fit(values, time, names, interval=whole, clip=clip)
        return replace(fitted, interval=interval)


class NearScaler(FeatureScaler):
    """Fits on all rows of the training intervals, whatever bars before them their values read."""

    @classmethod
    def fit(cls, values, time, names, *, interval, clip, since):
        return FeatureScaler.fit(values, time, names, interval=interval, clip=clip)


@pytest.mark.parametrize("scaler", [BridgingScaler, NearScaler])
def test_scaler_that_sees_what_lies_between_training(
    around: dict[str, Any], monkeypatch: pytest.MonkeyPatch, scaler: type[FeatureScaler]
) -> None:
    assert run(around, (TrainingCheck(),)).clean
    monkeypatch.setattr(fitting, "FeatureScaler", scaler)
    report = run(around, (TrainingCheck(),))
    assert {f.output for f in report.of("scaler")} == {"fitted mean", "fitted std"}


class OneSided(PurgeRule):
    """Purges what comes before a test part and not what comes after it."""

    def keep(self, part: Samples, other: Samples, grid: np.ndarray) -> np.ndarray:
        return super().keep(part, other, grid) | (part.origin > other.origin.max())


def test_purging_of_one_side_only(around: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    bars = {**around, "split": {**around["split"], "purge": 3}}
    assert run(around, (SplitCheck(),)).clean
    assert run(bars, (SplitCheck(),)).clean
    monkeypatch.setattr(training_around, "PurgeRule", OneSided)
    report = run(around, (SplitCheck(),))
    found = report.of("split/purged_kfold")
    assert {finding.output for finding in found} == {"interval", "train_interval"}
    assert "a test sample reads" in found[-1].detail
    report = run(bars, (SplitCheck(),))
    assert "label" in {finding.output for finding in report.of("split/purged_kfold")}


class Bridging(RealisedVolatilityRegime):
    """Learns its thresholds from the first training bar to the last one."""

    def fit(self, panel: Panel, interval: TrainingTime) -> Self:
        super().fit(panel, Interval(interval.start, interval.end))
        return self


def test_regimes_that_see_what_lies_between_training(around: dict[str, Any], plant: Plant) -> None:
    assert run(around, (RegimeCheck(),)).clean
    name = plant(RegimeRegistry, Bridging)
    report = run({**around, "regime": {**around["regime"], "name": name}}, (RegimeCheck(),))
    assert "fitted thresholds.AAA" in {finding.output for finding in report.of(f"regime/{name}")}
