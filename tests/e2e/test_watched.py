"""Whoever watches a run hears its validation objective and may end it; nothing else changes."""

import json
from pathlib import Path

import pytest

from regimecast.core.errors import ConfigError, Pruned
from regimecast.core.hashing import hash_file
from regimecast.experiment import compose, execute
from regimecast.training.progress import FILENAME, read_progress
from tests.e2e.command import TINY, run_folders
from tests.training.test_progress import Heard

THREE = (*TINY, "trainer.max_epochs=3")
FOLDS = (*TINY, "split=walk_forward", "split.folds=2", "split.test=60", "split.validation=60")


def watched(*overrides: str, watch: Heard | None = None):
    return execute(compose(*overrides), overrides=overrides, watch=watch)


@pytest.mark.parametrize("model", ["lstm", "lightgbm", "random_forest", "naive"])
def test_every_kind_of_model_reports_and_is_the_same_unwatched(folder, model):
    watch = Heard()
    found = watched(*THREE, f"model={model}", watch=watch)
    alone = watched(*THREE, f"model={model}", "study=alone")
    assert watch.progress
    section = found.metrics["validation"]
    assert section["val/loss"] == watch.progress[-1].objective == found.score
    assert {"validation/crps", "validation/mae", "validation/sharpe", "validation/turnover"} <= {
        *section
    }
    for run in (found, alone):
        read = [row.progress for row in read_progress(run.folder / FILENAME)]
        assert read == watch.progress
    assert {**section, "seconds": 0} == {**alone.metrics["validation"], "seconds": 0}
    predictions = [hash_file(run.folder / "predictions.parquet") for run in (found, alone)]
    assert predictions[0] == predictions[1]


def test_steps_count_through_all_folds(folder):
    watch = Heard()
    found = watched(*FOLDS, watch=watch)
    assert [(p.step, p.fold, p.epoch) for p in watch.progress] == [(1, 0, 0), (2, 1, 0)]
    first, second = (p.current for p in watch.progress)
    assert watch.progress[-1].objective == (first + second) / 2
    assert found.metrics["validation"]["val/loss"] == (first + second) / 2


def test_pruned_run_leaves_what_it_has(folder):
    watch = Heard(until=2)
    with pytest.raises(Pruned):
        watched(*THREE, watch=watch)
    (run,) = run_folders(Path("runs/study"))
    assert json.loads((run / "manifest.json").read_text())["status"] == "pruned"
    assert len(read_progress(run / FILENAME)) == 2


def test_search_without_validation_ends_before_training(folder):
    without = (
        *TINY,
        "trainer.limit_val_batches=0",
        "callbacks.early_stopping=null",
        "callbacks.best_weights=null",
    )
    with pytest.raises(ConfigError, match="fold 0: there is no validation objective to report"):
        watched(*without, watch=Heard())
    found = watched(*without, "study=alone")
    assert found.metrics["validation"]["val/loss"] is None
    assert not (found.folder / FILENAME).exists()
