"""A training that was cut off and resumed ends with the weights of one that was not, to the bit."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from regimecast.core.errors import ConfigError
from regimecast.losses.base import LossRegistry
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer
from tests.data.folds import build_fold, build_market
from tests.data.panels import random_panel

# Whoever resumes writes beside the checkpoints that are there.
pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty")

STEPS = 9  # per epoch of the fold below
SCHEDULES = {
    "none": None,
    "by step": {
        "_target_": "torch.optim.lr_scheduler.OneCycleLR",
        "max_lr": 0.01,
        "total_steps": None,
        "interval": "step",
    },
    "plateau": {
        "_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
        "patience": 0,
        "monitor": "train/loss",
    },
}


KEEP = {
    "_target_": "lightning.pytorch.callbacks.ModelCheckpoint",
    "every_n_train_steps": 1,
    "save_top_k": -1,
    "filename": "{step}",
}


class Careless(nn.Module):
    """A network with dropout, whose random numbers have to come back as well."""

    def __init__(self, channels: int, horizon: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(channels, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, horizon)
        )

    def forward(self, batch):
        return self.body(batch.past.mean(dim=1))[:, :, None]


class Killed(Callback):
    """Ends the process the hard way after so many steps."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.steps:
            os.kill(os.getpid(), signal.SIGKILL)


def data(placement: str = "memory"):
    module = build_fold(build_market(random_panel(260, 240)), batch_size=32)
    module.placement = placement
    return module


def trainer(folder: Path, *, schedule: str = "none", devices: int = 1) -> ModelTrainer:
    default = ModelTrainer.default()
    group = {"devices": devices, "strategy": "ddp"} if devices > 1 else {}
    return replace(
        default,
        trainer={**default.trainer, "accelerator": "cpu", "max_epochs": 3, **group},
        callbacks={**default.callbacks, "keep": KEEP},
        optimizer={**default.optimizer, "lr": 0.01},
        scheduler=SCHEDULES[schedule],
        folder=folder,
    )


def train(
    folder: Path,
    *,
    resume: Path | None = None,
    schedule: str = "none",
    devices: int = 1,
    seed: int = 0,
    **how,
):
    fold = data(**how)
    made = trainer(folder, schedule=schedule, devices=devices)
    loss = LossRegistry.create("huber", spec=fold.spec, delta=1.0)
    with seeded(seed):
        network = Careless(len(fold.spec.past), fold.spec.horizon)
        module = made.build_module(network, loss)
        report = made.fit_module(module, fold, resume=resume)
    return module.network.state_dict(), report


def train_until_killed(folder: Path, steps: int) -> None:
    made = ModelTrainer._callbacks
    ModelTrainer._callbacks = lambda self: [*made(self), Killed(steps)]
    train(folder)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_from_any_step_the_rest_is_the_same_to_the_bit(tmp_path, schedule):
    weights, report = train(tmp_path / "whole", schedule=schedule)
    assert report.epochs == 3
    for step in (4, STEPS + 1, 2 * STEPS - 1):
        # Other weights and random numbers than the first time: all has to come from the file.
        again, resumed = train(
            tmp_path / "whole",
            resume=tmp_path / "whole" / f"step={step}.ckpt",
            schedule=schedule,
            seed=5,
        )
        assert resumed.history == report.history, step
        assert (resumed.best_epoch, resumed.best_score) == (report.best_epoch, report.best_score)
        for name, value in weights.items():
            assert torch.equal(again[name], value), (step, name)


def test_from_the_end_of_an_epoch(tmp_path, monkeypatch):
    """Whole epochs come back whole; of one that lacks its end only, all but that end does."""
    weights, report = train(tmp_path / "whole")
    last = tmp_path / "whole" / f"step={STEPS}.ckpt"
    _, resumed = train(tmp_path / "whole", resume=last, seed=5)
    assert resumed.history == report.history[1:]

    monkeypatch.setitem(KEEP, "every_n_train_steps", None)
    monkeypatch.setitem(KEEP, "every_n_epochs", 1)
    train(tmp_path / "epochs")
    last = tmp_path / "epochs" / f"step={STEPS}.ckpt"
    again, resumed = train(tmp_path / "epochs", resume=last, seed=5)
    assert resumed.history == report.history
    assert all(torch.equal(again[name], value) for name, value in weights.items())


def test_after_the_process_was_killed(tmp_path):
    weights, report = train(tmp_path / "whole", placement="device")
    process = multiprocessing.get_context("spawn").Process(
        target=train_until_killed, args=(tmp_path / "cut", STEPS + 5)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    last = tmp_path / "cut" / f"step={STEPS + 5}.ckpt"
    again, resumed = train(tmp_path / "cut", resume=last, seed=5)
    assert resumed.history == report.history
    assert all(torch.equal(again[name], value) for name, value in weights.items())


@pytest.mark.slow
def test_processes_that_train_together_go_on_together(tmp_path):
    weights, report = train(tmp_path, devices=2)
    again, resumed = train(tmp_path, devices=2, resume=tmp_path / "step=7.ckpt", seed=5)
    assert resumed.history == report.history
    for name, value in weights.items():
        assert torch.equal(again[name], value), name


@pytest.mark.slow
def test_processes_that_train_together_go_on_from_our_own_checkpoint(tmp_path):
    weights, report = train(tmp_path, devices=2)
    (kept,) = tmp_path.glob("training-*.ckpt")
    again, resumed = train(tmp_path, devices=2, resume=kept, seed=5)
    assert resumed.history == report.history
    for name, value in weights.items():
        assert torch.equal(again[name], value), name


def test_a_file_that_cannot_be_resumed_from(tmp_path):
    with pytest.raises(ConfigError, match=r"resume=.*none\.ckpt cannot be read"):
        train(tmp_path, resume=tmp_path / "none.ckpt")
    other = tmp_path / "other.ckpt"
    torch.save({"state_dict": {}}, other)
    with pytest.raises(ConfigError, match="is no checkpoint of a training"):
        train(tmp_path, resume=other)
    older = {"epoch": 0, "taken": 0, "steps": 9, "random": {"cpu": None, "cuda": []}}
    loops = {"fit_loop": {"state_dict": {"combined_loader": [older]}}}
    torch.save({"loops": loops}, other)
    with pytest.raises(ConfigError, match="written by another version"):
        train(tmp_path, resume=other)
    now = older | {"random": []}
    loops = {"fit_loop": {"state_dict": {"combined_loader": [now]}}}
    torch.save({"loops": loops, "state_dict": {"network.body.0.weight": torch.zeros(2, 3)}}, other)
    with pytest.raises(
        ConfigError, match=r"another network: network\.body\.0\.bias has shape none"
    ):
        train(tmp_path, resume=other)
    other.write_bytes(b"text")
    with pytest.raises(ConfigError, match="is no checkpoint of a training"):
        train(tmp_path, resume=other)
