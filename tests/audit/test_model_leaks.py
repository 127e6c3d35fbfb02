"""Leaks around a trained model, planted as tiny components; see `test_planted_leaks.py`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from regimecast.assembly import Assembly
from regimecast.audit import canaries as canary_module
from regimecast.audit.autograd import gradient_checks
from regimecast.audit.canaries import canary_checks
from regimecast.audit.engine import audit
from regimecast.audit.fills import fill_checks
from regimecast.audit.findings import AuditReport, Check, Finding, NotAudited
from regimecast.audit.fold_checks import TrainingCheck
from regimecast.audit.model_checks import MODEL_CHECKS
from regimecast.audit.predictions import prediction_checks
from regimecast.audit.rehearsal import rehearse
from regimecast.audit.split_checks import SplitCheck
from regimecast.audit.subject import Subject
from regimecast.core.types import Interval, Samples
from regimecast.data import fitted as fitting
from regimecast.data.scaling import FeatureScaler
from regimecast.evaluation.backtest import backtest
from regimecast.features.base import AssetFeatures, Feature, FeatureRegistry
from regimecast.models.base import ModelRegistry
from regimecast.splits.base import Fold, SplitRegistry
from regimecast.splits.holdout import Holdout
from tests.audit import models
from tests.audit.conftest import Plant

Config = Callable[..., dict[str, Any]]


def with_model(config: Config, plant: Plant, model: type[Any], *overrides: str) -> dict[str, Any]:
    return {**config(overrides), "model": {"name": plant(ModelRegistry, model)}}


def run(config: dict[str, Any], checks: Any, parts: Assembly | None = None) -> AuditReport:
    return audit(config, cuts=2, seed=3, checks=checks, parts=parts)


def predictions(config: dict[str, Any]) -> list[Check]:
    subject = Subject.of(config, cuts=2, seed=3)
    fold = subject.folds[0]
    trained = rehearse(subject.parts, subject.market, fold, epochs=2)
    return list(prediction_checks(subject, trained, fold, cuts=2))


def findings(checks: list[Any]) -> list[Finding]:
    assert not [f for c in checks if isinstance(c, Check) for f in c.failures if not f.refused]
    return [finding for c in checks if isinstance(c, Check) for finding in c.findings]


# 13 early stopping on test, 17 target encoding, 20 static channels, 23 conformal calibration


@pytest.mark.parametrize(
    "model",
    [models.StoppedOnTest, models.EncodedByAll, models.StaticOfTheEnd, models.ConformalOnTest],
)
def test_a_model_that_reads_the_test_part_is_found(model, config: Config, plant: Plant) -> None:
    found = findings(predictions(with_model(config, plant, model)))
    assert found
    for finding in found:
        assert finding.component == f"model/planted_{model.__name__.lower()}"
        assert "forecast" in finding.output
        assert finding.asset in ("AAA", "BBB")
        assert finding.count >= 1


def test_13_a_choice_among_a_few_states_is_found_by_one_of_three_futures(
    config: Config, plant: Plant
) -> None:
    found = findings(predictions(with_model(config, plant, models.PenaltyOnTest)))
    fitted = [f for f in found if f.output == "forecast after training"]
    # Of this market's futures, noise leads to the penalty that the test part leads to.
    assert [f.perturbation for f in fitted] == ["duplicated block"]
    assert len(found) == 1


@pytest.mark.parametrize("model", [models.Ridge, models.Encoded, models.Conformal, models.Linear])
def test_clean_twins_of_the_models(model, config: Config, plant: Plant) -> None:
    checks = predictions(with_model(config, plant, model))
    assert not findings(checks)
    assert [check.component for check in checks] == [f"model/planted_{model.__name__.lower()}"]
    assert checks[0].values > 500
    assert len(checks[0].perturbations) >= 4


def test_weights_of_a_network_are_compared_one_by_one(
    config: Config, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Trains(models.Linear):
        def fit(self, data: Any, trainer: Any = None) -> Any:
            report = super().fit(data, trainer)
            self.network.map.bias.data += float(data.split("test").targets()[0].mean())
            return report

    outputs = {
        finding.output for finding in findings(predictions(with_model(config, plant, Trains)))
    }
    assert "weights map.bias" in outputs
    assert "weights map.weight" not in outputs


# 3 global scaler


class GlobalScaler(FeatureScaler):
    @classmethod
    def fit(cls, values, time, names, *, interval, clip, since):
        whole = Interval(time.min(), time.max())
        fitted = FeatureScaler.fit(values, time, names, interval=whole, clip=clip)
        return replace(fitted, interval=interval)


def test_03_global_scaler(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(config(), (TrainingCheck(),)).clean
    monkeypatch.setattr(fitting, "FeatureScaler", GlobalScaler)
    report = run(config(), (TrainingCheck(),))
    assert {f.output for f in report.of("scaler")} == {"fitted mean", "fitted std"}


# 12 over-sampling before the split


class OversampledFirst(Holdout):
    """Copies large moves, then divides at random: copies of a sample fall on both sides."""

    def split(self, samples: Samples) -> list[Fold]:
        rng = np.random.default_rng(0)
        drawn = rng.permutation(np.repeat(np.arange(len(samples)), 2))
        train, validation, test = np.split(drawn, [len(drawn) // 2, len(drawn) * 3 // 4])
        [fold] = super().split(samples)
        parts = (np.sort(part) for part in (train, validation, test))
        return [Fold(*parts, fold.train_interval, purged=0)]


def test_12_oversampling_before_the_split(config: Config, plant: Plant) -> None:
    clean = config(["sampling=balanced"])  # over-samples after the split
    assert run(clean, (SplitCheck(), TrainingCheck())).clean
    name = plant(SplitRegistry, OversampledFirst)
    report = run({**clean, "split": {**clean["split"], "name": name}}, (SplitCheck(),))
    assert "share samples" in {finding.detail for finding in report.of(f"split/{name}")}


# 24 filling at the same bar


def same_bar(position, row, panel, **rest):
    return backtest(position, row - 1, panel, **rest)


def test_24_filling_at_the_close_that_was_decided_on(config: Config, plant: Plant) -> None:
    subject = Subject.of(with_model(config, plant, models.Ridge), cuts=2, seed=3)
    fold = subject.folds[0]
    trained = rehearse(subject.parts, subject.market, fold, epochs=1)
    clean = list(fill_checks(subject, trained, fold, cuts=2))
    assert {check.component for check in clean} == {"backtest", "strategy/sign"}
    assert not findings(clean)
    found = findings(list(fill_checks(subject, trained, fold, cuts=2, fill=same_bar)))
    assert {f.component for f in found} == {"backtest"}
    assert {"net", "gross"} <= {f.output for f in found}
    assert all(f.time == f.cut for f in found if f.perturbation.startswith("later positions"))


# Gradients: windows of a batch, targets


@pytest.mark.parametrize(
    ("model", "output"),
    [
        (models.Neighbours, "gradient by past of another window"),
        (models.Neighbours, "forecast beside other windows"),
        (models.Peeking, "gradient by target"),
        (models.Peeking, "gradient by panel series"),
        (models.Linear, None),
        (models.HistoryAlone, None),
    ],
)
def test_gradients(model, output: str | None, config: Config, plant: Plant) -> None:
    subject = Subject.of(with_model(config, plant, model), cuts=2, seed=3)
    fold = subject.folds[0]
    trained = rehearse(subject.parts, subject.market, fold, epochs=1)
    found = {finding.output for finding in findings(list(gradient_checks(subject, trained, fold)))}
    assert (output in found) if output else not found


# Canaries


class Tomorrow(AssetFeatures):
    """The return of the next bar."""

    def features(self) -> tuple[Feature, ...]:
        return (Feature("planted", 10, ("close",), "any", "test"),)

    def compute(self, bars: Any) -> Any:
        return np.append(np.diff(np.log(bars["close"])), 0.0).reshape(-1, 1)


def canaries(config: dict[str, Any], seed: int = 3) -> list[Any]:
    subject = Subject.of(config, cuts=2, seed=seed)
    fold = subject.folds[0]
    trained = rehearse(subject.parts, subject.market, fold, epochs=1)
    return list(canary_checks(subject, trained, fold))


def test_canaries_are_quiet_on_clean_parts(config: Config, plant: Plant) -> None:
    made = with_model(config, plant, models.Ridge)
    for seed in range(5):
        checks = canaries(made, seed)
        assert not findings(checks)
        assert {c.component for c in checks} == {"pipeline", "model/planted_ridge"}


def test_a_feature_of_tomorrow_forecasts_shuffled_bars(config: Config, plant: Plant) -> None:
    made = with_model(config, plant, models.Ridge)
    made["features"] = {**made["features"], plant(FeatureRegistry, Tomorrow): {}}
    outputs = {f.output for f in findings(canaries(made)) if f.component == "pipeline"}
    assert outputs == {"forecast of shuffled bars"}


def test_a_model_that_cannot_learn_the_answer_is_reported(config: Config, plant: Plant) -> None:
    found = findings(canaries(with_model(config, plant, models.Deaf)))
    assert {f.component for f in found} == {"model/planted_deaf"}
    assert "same to the bit" in found[0].detail


@pytest.mark.parametrize("deaf", [False, True])
def test_a_network_that_time_runs_out_for_is_slow_or_deaf(
    deaf: bool, config: Config, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(models.Linear):
        def predict(self, data: Any, split: str) -> Any:
            with torch.no_grad():
                for weight in self.network.parameters():
                    weight *= 0.0 if deaf else -1.0
            return super().predict(data, split)

    monkeypatch.setattr(canary_module, "_SECONDS", 0.0)
    checks = canaries(with_model(config, plant, Slow))
    reported = {f.component for f in findings(checks)}
    assert reported == ({"model/planted_slow"} if deaf else set())
    left_out = [note.why for note in checks if isinstance(note, NotAudited)]
    assert any("had not learned" in why for why in left_out) is not deaf


def test_all_model_checks_are_clean_on_a_network(config: Config, plant: Plant) -> None:
    report = run(with_model(config, plant, models.Linear), MODEL_CHECKS)
    assert report.clean, [str(f) for f in (*report.findings, *report.failures)]
    assert {check.name for check in report.checks} == {
        "predictions", "gradients", "fills", "canaries",
    }  # fmt: skip
