"""A job of a sweep is the run by itself, and is rerun, to the bit, whatever the model."""

from pathlib import Path

import pytest

import regimecast
from regimecast import job
from regimecast.core.files import read_json
from regimecast.models.base import ModelRegistry
from regimecast.rerun import rerun
from regimecast.sweep.grid import Grid
from regimecast.sweep.grid_settings import GridSettings
from regimecast.sweep.jobs import SweepJob
from tests.e2e.test_rerun import tiny
from tests.models.tabular_zoo import SMALL

SMALLER = ("data.bars=300", "feature_cache.memory_mb=0")
CLASSES = ("target=triple_barrier", "loss=cross_entropy")
WANTED = {"logistic": CLASSES, "svm": CLASSES, "mlp": ("loss=huber",)}
"""What models need that do not forecast quantiles."""
MODELS = ModelRegistry.available()
JOBS = 6
SETTINGS = GridSettings(
    jobs=2, fail_fast=False, max_failures=None, time_limit=None, retries=0, retry_failed=False
)


def small(model: str) -> list[str]:
    params = dict(SMALL.get(model, {}))
    keys = regimecast.compose(f"model={model}")["model"]
    if "rounds" in keys:
        params["rounds"] = 5
    return [f"model.{key}={value}".replace(" ", "") for key, value in params.items()]


def overrides(model: str) -> list[str]:
    return tiny(f"model={model}", *WANTED.get(model, ()), *SMALLER, *small(model), "threads=1")


@pytest.mark.parametrize(
    "models",
    [MODELS[first : first + JOBS] for first in range(0, len(MODELS), JOBS)],
    ids=lambda models: "-".join(models),
)
def test_a_job_is_the_run_by_itself_and_is_rerun(
    models: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch
):
    jobs = [
        SweepJob(number, tuple(words), regimecast.compose(*words, "study=swept"), (words[0],))
        for number, words in enumerate(map(overrides, models))
    ]
    outcomes = Grid(jobs, SETTINGS).run({})
    assert [outcome.error for outcome in outcomes] == [None] * len(models)
    monkeypatch.setattr(job, "write_run_report", lambda run: run / "report.html")
    for model, outcome in zip(models, outcomes, strict=True):
        assert outcome.folder is not None
        alone = regimecast.run(*overrides(model), "study=alone").folder
        ours, theirs = (read_json(run / "manifest.json") for run in (outcome.folder, alone))
        assert ours["stages"] == theirs["stages"], model
        assert ours["identity"] == theirs["identity"]
        assert any(part != "file=model.json" for part in ours["parts"]["fold=0/model"])
        again = rerun(outcome.folder, checked=True)
        assert again.verification is not None
        assert again.verification.identical, again.verification.first
        assert (again.verification.beside, again.notes, again.distance) == ((), (), 0.0)
        stages = [stage.stage for stage in again.verification.stages]
        assert stages[:5] == ["raw", "bars", "features", "target", "samples"]
        assert stages[-3:] == ["predictions", "returns", "metrics"]
