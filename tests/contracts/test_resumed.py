"""Every registered network that was stopped at any step and goes on ends with the same weights."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from lightning.pytorch import Callback

from regimecast.core.hashing import hash_file
from regimecast.models.neural import NeuralModel
from regimecast.training.trainer import ModelTrainer
from tests.contracts.builders import CASES, Case, build_data, quick_trainer

NETWORKS = [case for case in CASES if issubclass(case.kind, NeuralModel)]
EPOCHS, STEPS = 3, 4  # per epoch, with the batches below


class StoppedError(Exception):
    """A training that somebody ended."""


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            raise StoppedError


def trained(case: Case, made: ModelTrainer) -> tuple[str, list[dict[str, float]]]:
    """Hash of the saved weights of a fresh model, and its losses."""
    model = case.make()
    report = model.fit(build_data(case.task, batch_size=64), made)
    assert made.folder is not None
    model.save(made.folder)
    return hash_file(made.folder / "weights.safetensors"), report.history


@pytest.mark.parametrize("case", NETWORKS, ids=str)
def test_a_network_that_was_stopped_goes_on_to_the_same_weights(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(str(case))
    made = quick_trainer(epochs=EPOCHS)
    keep = {**made.callbacks["checkpoint"], "every_n_steps": chance.choice([None, 1, 3])}
    made = replace(made, callbacks={**made.callbacks, "checkpoint": keep})
    whole = trained(case, replace(made, folder=tmp_path / "whole"))
    stopped = replace(made, folder=tmp_path / "stopped")
    callbacks = ModelTrainer._callbacks
    stop = StopAt(chance.randrange(STEPS + 1, EPOCHS * STEPS))
    with monkeypatch.context() as patch:
        patch.setattr(ModelTrainer, "_callbacks", lambda self: [*callbacks(self), stop])
        with pytest.raises(StoppedError):
            trained(case, stopped)
    assert trained(case, replace(stopped, resumes=True)) == whole
