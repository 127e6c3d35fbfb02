"""Going on from our own checkpoint: no end of an epoch is lost, and no wrong file is taken."""

import itertools
import multiprocessing
import os
import random
import signal
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import nn

from regimecast.core.errors import ConfigError, SpecError
from regimecast.core.files import read_json, write_json
from regimecast.core.random_state import random_state, set_random_state
from regimecast.losses.base import LossRegistry
from regimecast.training import checkpoints
from regimecast.training.callbacks import checkpoint
from regimecast.training.callbacks.checkpoint import TrainingCheckpoint
from regimecast.training.checkpoints import Checkpoints
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer
from tests.data.folds import build_fold, build_market
from tests.data.panels import random_panel

ONE_CYCLE = {
    "_target_": "torch.optim.lr_scheduler.OneCycleLR",
    "max_lr": 0.01,
    "total_steps": None,
    "interval": "step",
}
WAVE = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": None}
MILESTONES = {"_target_": "torch.optim.lr_scheduler.MultiStepLR", "milestones": [1, 2]}
# The loss falls: with mode=max every epoch is one without improvement.
PLATEAU = {
    "_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
    "mode": "max",
    "patience": 0,
    "monitor": "val/loss",
}


class CutError(Exception):
    """A training that somebody ended."""


class Watched(Callback):
    """Notes step, rate and loss of each training step, and ends training where it is told to."""

    def __init__(self, cut: tuple[str, int] | None) -> None:
        self.cut = cut
        self.seen: list[tuple[int, float, float]] = []

    def look(self, hook: str, trainer) -> None:
        if self.cut is not None and self.cut[0] == hook and trainer.global_step >= self.cut[1]:
            raise CutError

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.look("step", trainer)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.seen.append((trainer.global_step, rate, float(outputs["loss"])))

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.look("validation", trainer)

    def on_train_epoch_end(self, trainer, pl_module):
        self.look("end", trainer)

    def on_train_epoch_start(self, trainer, pl_module):
        self.look("begin", trainer)


class Careless(nn.Module):
    """A network that draws from torch and numpy (Python's own is drawn from by beartype too)."""

    def __init__(self, channels: int, horizon: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(channels, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Linear(8, horizon)
        )

    def forward(self, batch):
        said = self.body(batch.past.mean(dim=1))[:, :, None]
        if self.training:
            said = said * (1 + 0.01 * np.random.normal())  # noqa: NPY002
        return said


def trainer(folder: Path, *, every_n_steps=None, scheduler=None, callbacks=None, **changes):
    default = ModelTrainer.default()
    keep = {**default.callbacks["checkpoint"], "every_n_steps": every_n_steps}
    return replace(
        default,
        trainer={**default.trainer, "accelerator": "cpu", "max_epochs": 4, **changes},
        callbacks={**default.callbacks, "checkpoint": keep, **(callbacks or {})},
        optimizer={**default.optimizer, "lr": 0.01},
        scheduler=scheduler,
        folder=folder,
        origin={"config": "a", "fold": 0},
    )


@cache
def market():
    return build_market(random_panel(260, 240))


def train(made: ModelTrainer, monkeypatch, *, cut=None, resumes=False, seed=0):
    """Weights, report and what was seen of each step; None where it was cut."""
    watched = Watched(cut)
    callbacks = ModelTrainer._callbacks
    fold = build_fold(market(), batch_size=32)
    loss = LossRegistry.create("huber", spec=fold.spec, delta=1.0)
    with monkeypatch.context() as patch, seeded(seed):
        patch.setattr(ModelTrainer, "_callbacks", lambda self: [*callbacks(self), watched])
        module = made.build_module(Careless(len(fold.spec.past), fold.spec.horizon), loss)
        try:
            report = replace(made, resumes=resumes).fit_module(module, fold)
        except CutError:
            return None, None, watched.seen
    return module.network.state_dict(), report, watched.seen


def check_same(whole, resumed):
    weights, report, seen = whole
    again, after, later = resumed
    assert after is not None
    assert later == seen[len(seen) - len(later) :]
    assert after.history == report.history
    assert (after.epochs, after.best_epoch, after.best_score) == (
        report.epochs,
        report.best_epoch,
        report.best_score,
    )
    assert all(torch.equal(again[name], value) for name, value in weights.items())


WAYS = {
    "plain": {},
    "rate by step": {"scheduler": ONE_CYCLE},
    "rate by epoch": {"scheduler": WAVE},
    "milestones": {"scheduler": MILESTONES},
    "plateau": {"scheduler": PLATEAU},
    # Of epoch 2 the metric is that of epoch 1, the last one that was validated.
    "rare validation": {"scheduler": {**PLATEAU, "frequency": 3}, "check_val_every_n_epoch": 2},
    "frequent validation": {"val_check_interval": 0.34, "scheduler": PLATEAU},
    "accumulated": {"accumulate_grad_batches": 2},
    "by steps": {"max_epochs": -1, "max_steps": 30, "scheduler": PLATEAU},
    # Told to stop after the second epoch, and to go on to the third.
    "at least": {
        "min_epochs": 3,
        "check_val_every_n_epoch": 2,
        "callbacks": {
            "early_stopping": {
                "_target_": "lightning.pytorch.callbacks.EarlyStopping",
                "monitor": "val/loss",
                "stopping_threshold": 1e9,
            }
        },
    },
    "part of an epoch": {"limit_train_batches": 0.5},
}
CUTS = [
    ("validation", 2, None),
    ("step", 2.5, None),
    ("end", 2, 2),
    ("step", 1.9, 2),
    ("begin", 3, None),
    ("end", 3, None),
]
"""Where, after how many epochs' steps, and with a checkpoint after every how many steps."""


@pytest.mark.parametrize("way", WAYS)
def test_whenever_it_is_cut_the_rest_is_the_same_to_the_bit(tmp_path, monkeypatch, way):
    whole = train(trainer(tmp_path / "whole", **WAYS[way]), monkeypatch)
    steps = {"accumulated": 5, "part of an epoch": 4}.get(way, 9)
    number = list(WAYS).index(way)
    for hook, epochs, every in CUTS if way == "plain" else CUTS[number % 2 :: 2]:
        made = trainer(tmp_path / f"{hook}{epochs}", every_n_steps=every, **WAYS[way])
        cut = hook, int(epochs * steps)
        assert train(made, monkeypatch, cut=cut)[0] is None, cut
        # Other weights and random numbers than the first time: all comes from the file.
        check_same(whole, train(made, monkeypatch, resumes=True, seed=5))


def test_resumed_twice_it_is_still_the_same(tmp_path, monkeypatch):
    whole = train(trainer(tmp_path / "whole"), monkeypatch)
    made = trainer(tmp_path / "cut", every_n_steps=4)
    for number, step in enumerate((11, 12, 30)):
        cut = train(made, monkeypatch, cut=("step", step), resumes=number > 0, seed=number)
        assert cut[0] is None
    check_same(whole, train(made, monkeypatch, resumes=True, seed=5))


def stopped(folder: Path, monkeypatch, **how) -> ModelTrainer:
    """A training that was cut off in its third epoch."""
    made = trainer(folder, **how)
    assert train(made, monkeypatch, cut=("step", 22))[0] is None
    return made


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*training-*"))


def test_one_checkpoint_is_kept_and_all_are_removed(tmp_path, monkeypatch):
    made = stopped(tmp_path, monkeypatch)
    assert kept(tmp_path) == ["training-00000018.ckpt", "training-00000018.json"]
    about = read_json(tmp_path / "training-00000018.json")
    assert (about["step"], about["epochs"], about["begun"]) == (18, 2, 2)
    (tmp_path / ".training-00000020.ckpt.abcdefgh.ckpt").write_bytes(b"half")
    made.checkpoints.remove()
    assert kept(tmp_path) == []


def test_without_a_folder_or_the_callback_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(replace(trainer(tmp_path), folder=None), monkeypatch)
    train(trainer(tmp_path, callbacks={"checkpoint": None}), monkeypatch)
    assert kept(tmp_path) == []
    made = trainer(tmp_path, callbacks={"checkpoint": None})
    assert train(made, monkeypatch, resumes=True)[1].epochs == 4  # from the beginning


@pytest.mark.parametrize("moment", ["saving", "hashing", "telling", "tidying"])
def test_killed_while_it_writes_a_checkpoint(tmp_path, monkeypatch, moment):
    whole = train(trainer(tmp_path / "whole"), monkeypatch)
    made = trainer(tmp_path / "cut")
    process = multiprocessing.get_context("fork").Process(
        target=killed_in, args=(made, monkeypatch, moment)
    )
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    step = 18 if moment == "tidying" else 9
    assert made.checkpoints.newest() == tmp_path / "cut" / f"training-{step:08d}.ckpt"
    check_same(whole, train(made, monkeypatch, resumes=True, seed=5))
    made.checkpoints.remove()
    assert kept(tmp_path / "cut") == []


def killed_in(made: ModelTrainer, monkeypatch, moment: str) -> None:
    """Dies at a moment of the second checkpoint, the first after which one is removed."""
    owner, name, call = {
        "saving": (Trainer, "save_checkpoint", 2),
        "hashing": (checkpoints, "hash_file", 2),
        "telling": (checkpoints, "write_json", 2),
        "tidying": (checkpoints, "_remove", 1),
    }[moment]
    do, calls = getattr(owner, name), []

    def or_die(*arguments, **named):
        calls.append(1)
        if len(calls) == call:
            if moment == "saving":
                Path(arguments[1]).write_bytes(b"PK half a file")
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*arguments, **named)

    monkeypatch.setattr(owner, name, or_die)
    train(made, monkeypatch)


def test_a_changed_byte_is_noticed(tmp_path, monkeypatch):
    made = stopped(tmp_path, monkeypatch)
    path = tmp_path / "training-00000018.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        SpecError, match=r"00018\.ckpt is not the file that was .* delete training-"
    ):
        train(made, monkeypatch, resumes=True)
    path.unlink()
    with pytest.raises(SpecError, match=r"00018\.ckpt is missing"):
        train(made, monkeypatch, resumes=True)
    (tmp_path / "training-00000018.json").write_text("{")
    with pytest.raises(SpecError, match=r"00018\.json is damaged"):
        train(made, monkeypatch, resumes=True)
    made.checkpoints.remove()
    assert train(made, monkeypatch, resumes=True)[1].epochs == 4


@pytest.mark.parametrize("left", [0, 0.5], ids=["empty", "half"])
def test_one_that_a_power_cut_has_left_short_is_trained_again(tmp_path, monkeypatch, caplog, left):
    whole = train(trainer(tmp_path / "whole"), monkeypatch)
    made = stopped(tmp_path / "cut", monkeypatch)
    path = tmp_path / "cut" / "training-00000018.ckpt"
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content))])
    check_same(whole, train(made, monkeypatch, resumes=True))
    assert "training-00000018.ckpt is cut short, as after a power cut (" in caplog.text


def test_the_one_before_is_gone_on_from_where_it_is_left(tmp_path):
    kept_both = Checkpoints(tmp_path, {})
    for step in (9, 18):
        with kept_both.writing(step=step, epochs=step // 9, begun=step // 9) as path:
            path.write_bytes(b"content")
        if step == 9:
            earlier = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    for name, content in earlier.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "training-00000018.ckpt").write_bytes(b"cont")
    assert kept_both.newest() == tmp_path / "training-00000009.ckpt"
    assert kept(tmp_path) == sorted(earlier)


def test_the_disk_holds_a_checkpoint_before_those_before_it_go(tmp_path, monkeypatch):
    done, sync, remove = [], os.fsync, checkpoints._remove

    def synced(number):
        done.append(Path(f"/proc/self/fd/{number}").readlink().suffix)
        sync(number)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(checkpoints, "_remove", lambda path: done.append("removed") or remove(path))
    for step in (9, 18):
        with Checkpoints(tmp_path, {}).writing(step=step, epochs=1, begun=1) as path:
            path.write_bytes(b"content")
    assert done == [".ckpt", ".json", ".ckpt", ".json", "removed"]


def test_seconds_are_those_of_all_attempts(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        ticks = itertools.count(0, 1000)
        patch.setattr(checkpoint, "perf_counter", lambda: float(next(ticks)))
        made = stopped(tmp_path, monkeypatch)
    assert train(made, monkeypatch, resumes=True)[1].seconds > 1000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": {"config": "b", "fold": 0}}, "another training: config is 'a' there and 'b'"),
        ({"origin": {"config": "a", "fold": 1}}, "another training: fold is 0 there and 1 here"),
        ({"seed": 7}, "another training: seed is 0 there and 7 here"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, monkeypatch, changes, message):
    made = stopped(tmp_path, monkeypatch)
    with pytest.raises(SpecError, match=message):
        train(replace(made, **changes), monkeypatch, resumes=True)


def test_a_checkpoint_of_other_packages_is_refused(tmp_path, monkeypatch):
    made = stopped(tmp_path, monkeypatch)
    about = tmp_path / "training-00000018.json"
    content = read_json(about)
    write_json(about, {**content, "packages": {**content["packages"], "torch": "1.0"}})
    with pytest.raises(SpecError, match=r"written by torch 1\.0 \(here "):
        train(made, monkeypatch, resumes=True)
    write_json(about, {**content, "format": 0})
    with pytest.raises(SpecError, match=r"another version of regimecast \(format 0\)"):
        train(made, monkeypatch, resumes=True)


def test_a_checkpoint_of_another_network_is_refused(tmp_path, monkeypatch):
    made = stopped(tmp_path, monkeypatch)
    monkeypatch.setattr(nn, "Dropout", lambda share: nn.Linear(8, 8))
    with pytest.raises(ConfigError, match="is of another network"):
        train(made, monkeypatch, resumes=True)


def test_changes_may_differ_only_where_they_have_not_begun(tmp_path):
    slower = {"epoch": 1, "set": {"optimizer.lr": 1e-3}}
    faster = {"epoch": 2, "set": {"optimizer.lr": 1e-1}}
    about = {"step": 18, "epochs": 2, "begun": 2}
    with Checkpoints(tmp_path, {"changes": [slower]}).writing(**about) as path:
        path.write_bytes(b"content")
    assert Checkpoints(tmp_path, {"changes": [slower, faster]}).newest() is not None
    for changes in ([], [faster], [{**slower, "epoch": 0}]):
        with pytest.raises(SpecError, match="changes before epoch 2"):
            Checkpoints(tmp_path, {"changes": changes}).newest()


def test_what_cannot_be_read_back_is_said_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(Watched, "state_dict", lambda self: {"odd": Path()})
    with pytest.raises(ConfigError, match=r"cannot be read back: it holds .*Path"):
        train(trainer(tmp_path), monkeypatch)


def test_chance_comes_back_from_every_source():
    def draw():
        return random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(()).item()  # noqa: NPY002

    with seeded(3):
        np.random.normal()  # noqa: NPY002  # it keeps the second of two
        state = random_state()
        first = draw()
        draw()
        set_random_state(state)
        assert draw() == first


@pytest.mark.parametrize(("there", "said"), [(0, ""), (2, "state of 2 GPUs is not restored")])
def test_chance_of_gpus_that_are_not_here_is_told(monkeypatch, caplog, there, said):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda states: pytest.fail("restored"))
    with seeded(3):
        set_random_state({**random_state(), "cuda": [torch.get_rng_state()] * there})
    assert said in caplog.text
    assert bool(caplog.text) == bool(said)


def test_a_number_of_steps_below_1_is_refused():
    with pytest.raises(ConfigError, match="every_n_steps=0; allowed: 1 or more, or null"):
        TrainingCheckpoint(every_n_steps=0)
