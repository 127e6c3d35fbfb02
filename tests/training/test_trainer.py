"""The trainer on made-up windows: what it keeps, what it refuses and what it leaves behind."""

import logging
import math
import os
import random
import signal
import warnings
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from regimecast.core.errors import ConfigError
from regimecast.core.seeding import derive_seed
from regimecast.losses.huber import Huber
from regimecast.training.callbacks.best_weights import BestWeights
from regimecast.training.callbacks.non_finite import NonFiniteError
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer
from tests.synthetic import make_spec
from tests.synthetic_data import SyntheticData

SPEC = make_spec()


class Linear(nn.Module):
    """The smallest network that can learn the made-up windows."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(len(SPEC.past), SPEC.horizon)

    def forward(self, batch):
        return self.head(batch.past[:, -1])[:, :, None]


def default(**changes) -> ModelTrainer:
    trainer = ModelTrainer.default()
    config = {**trainer.trainer, "accelerator": "cpu", **changes.pop("trainer", {})}
    optimizer = {**trainer.optimizer, "lr": 0.05}
    return replace(trainer, **{"trainer": config, "optimizer": optimizer, **changes})


def fit(trainer, data=None):
    data = data or SyntheticData(SPEC)
    with seeded(trainer.seed):
        module = trainer.build_module(Linear(), Huber(spec=SPEC, delta=1.0))
        return module, trainer.fit_module(module, data)


def add(monkeypatch, callback):
    """A callback that no config could name."""
    made = ModelTrainer._callbacks
    monkeypatch.setattr(ModelTrainer, "_callbacks", lambda self: [*made(self), callback])


def loss_of(module, batch):
    with torch.no_grad():
        return float(module.reducer(module(batch), batch))


def test_history_holds_exact_means_over_each_epoch():
    data = SyntheticData(SPEC, validation=97)
    data.batches["validation"].mask[:5] = False
    trainer = default(trainer={"max_epochs": 3})
    module, report = fit(trainer, data)
    assert report.epochs == 3
    assert [row["epoch"] for row in report.history] == [0, 1, 2]
    assert {"epoch", "train/loss", "val/loss"} <= set(report.history[0])
    best = report.history[report.best_epoch]["val/loss"]
    # The last batch is smaller and one batch has masked cells: a mean of batch means is not this.
    assert best == pytest.approx(loss_of(module, data.batches["validation"]), rel=1e-5)
    assert report.best_score == best
    assert report.parameters == 15


def test_it_learns():
    _, report = fit(default(trainer={"max_epochs": 8}))
    assert report.best_score < 0.5 * report.history[0]["train/loss"]


class Sabotage(Callback):
    """Spoils the weights after an epoch, so that the last epoch cannot be the best."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch >= 2:
            with torch.no_grad():
                pl_module.network.head.weight.add_(50)


def test_early_stopping_ends_with_the_best_state(tmp_path, monkeypatch):
    trainer = default(folder=tmp_path)
    trainer = replace(trainer, optimizer={**trainer.optimizer, "lr": 1e-4})
    add(monkeypatch, Sabotage())
    data = SyntheticData(SPEC)
    module, report = fit(trainer, data)
    assert report.best_epoch == 1
    assert report.epochs == 1 + trainer.patience + 1
    assert loss_of(module, data.batches["validation"]) == pytest.approx(report.best_score)
    saved = load_file(tmp_path / "weights.safetensors")
    assert torch.equal(saved["network.head.weight"], module.network.head.weight)


def test_nothing_is_written_without_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(default(trainer={"max_epochs": 1}))
    assert list(tmp_path.iterdir()) == []


def test_no_warning_and_no_word_from_lightning(capfd, caplog):
    with warnings.catch_warnings(), caplog.at_level(logging.INFO):
        warnings.simplefilter("error")
        fit(default(trainer={"max_epochs": 1}))
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    assert caplog.text == ""
    assert logging.getLogger("lightning.pytorch").level == logging.INFO


def test_same_seed_same_bits():
    first, _ = fit(default(trainer={"max_epochs": 2}))
    second, _ = fit(default(trainer={"max_epochs": 2}))
    third, _ = fit(default(trainer={"max_epochs": 2}, seed=1))
    assert torch.equal(first.network.head.weight, second.network.head.weight)
    assert not torch.equal(first.network.head.weight, third.network.head.weight)


def test_seeding_leaves_no_trace_in_the_random_state():
    def draw():
        return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002

    with seeded(3):
        first = draw()
        with seeded(3):
            assert draw() == first
            draw()
        after = draw()
    with seeded(3):
        assert draw() == first
        assert draw() == after


def test_seeds_of_folds_differ_and_are_stable():
    assert derive_seed(7) == 7
    seeds = [derive_seed(7, fold) for fold in range(50)]
    assert len(set(seeds)) == 50
    assert seeds == [derive_seed(7, fold) for fold in range(50)]


@pytest.mark.parametrize("clip", [1.0, None])
def test_mixed_precision_trains_and_keeps_its_weights_in_full(clip):
    trainer = default(
        trainer={"max_epochs": 2, "precision": "bf16-mixed", "gradient_clip_val": clip}
    )
    module, report = fit(trainer)
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    first, last = report.history[0]["train/loss"], report.history[-1]["train/loss"]
    assert last < first


def test_one_trainer_trains_twice_from_scratch():
    trainer = default(trainer={"max_epochs": 2})
    assert fit(trainer)[1].history == fit(trainer)[1].history


@pytest.mark.parametrize(
    ("tensor", "named"),
    [("past", r"past channel .* at row \d+, in the window"), ("target", r"target of .*, step \d+")],
)
def test_a_loss_that_is_not_finite_stops_and_names_the_tensor(tensor, named):
    data = SyntheticData(SPEC)
    values = getattr(data.batches["train"], tensor)
    values.view(-1)[values.numel() - 1] = float("nan")
    with pytest.raises(NonFiniteError, match=rf"train/loss is nan at epoch 0, step \d+: {named}"):
        fit(default(), data)


class Explode(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        pl_module.network.head.bias.data[0] = float("inf")


def test_exploded_weights_are_named(monkeypatch):
    add(monkeypatch, Explode())
    message = r"epoch 1, step 4: parameter network\.head\.bias \(lower the .* holds 1 of 3"
    with pytest.raises(NonFiniteError, match=message):
        fit(default())


def test_the_last_good_weights_are_named(monkeypatch, tmp_path):
    add(monkeypatch, Explode())
    with pytest.raises(NonFiniteError, match=r"; the best weights so far are in .*safetensors$"):
        fit(replace(default(), folder=tmp_path))
    assert (tmp_path / "weights.safetensors").exists()


def test_a_validation_loss_that_is_not_finite_stops():
    data = SyntheticData(SPEC)
    data.batches["validation"].past[0, -1, 0] = float("inf")
    with pytest.raises(NonFiniteError, match=r"val/loss is \w+ at epoch 0"):
        fit(default(), data)


def test_masked_cells_change_nothing():
    def weights(poison):
        data = SyntheticData(SPEC)
        batch = data.batches["train"]
        batch.mask[::3] = False
        batch.target[::3] = poison
        batch.weight[::3] = 1 + poison
        return fit(default(trainer={"max_epochs": 2}), data)[0].network.head.weight

    assert torch.equal(weights(0.0), weights(1e6))


def test_weight_zero_on_a_regime_trains_as_if_it_were_not_there():
    data = SyntheticData(SPEC)
    crash = data.batches["train"]
    crash.target[::2] += 100
    crash.weight[::2] = 0
    module, _ = fit(default(trainer={"max_epochs": 8}), data)
    assert loss_of(module, data.batches["test"]) < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"callbacks": {"stop": {"_target_": "lightning.pytorch.callbacks.EarlyStopping",
                                 "monitor": "val_loss"}}}, "val_loss.*Did you mean 'val/loss'"),
        ({"callbacks": {"stop": {"_target_": "os.system", "command": "true"}}}, "not allowed"),
        ({"optimizer": {"_target_": "torch.optim.AdamW", "learning_rate": 1.0}}, "learning_rate"),
        ({"trainer": {"max_epoch": 1}}, "Did you mean 'max_epochs'"),
        ({"scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1,
                        "interval": "day"}}, "interval='day'"),
        ({"scheduler": {"_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
                        "monitor": "val/mae"}}, "val/mae"),
    ],
)  # fmt: skip
def test_bad_config_fails_when_the_trainer_is_made(change, message):
    with pytest.raises(ConfigError, match=message):
        default(**change)


def test_null_callbacks_are_left_out():
    trainer = default()
    assert trainer.patience == 4
    without = replace(trainer, callbacks={**trainer.callbacks, "early_stopping": None})
    assert without.patience is None
    assert not any(isinstance(c, EarlyStopping) for c in without._callbacks())


def test_a_fold_without_validation_is_refused_unless_nothing_watches_it():
    data = SyntheticData(SPEC, validation=0)
    with pytest.raises(ConfigError, match=r"EarlyStopping watches 'val/loss'"):
        fit(default(), data)
    trainer = default(trainer={"max_epochs": 2})
    best = {**trainer.callbacks["best_weights"], "monitor": "train/loss"}
    callbacks = {**trainer.callbacks, "early_stopping": None, "best_weights": best}
    _, report = fit(replace(trainer, callbacks=callbacks), data)
    assert report.best_epoch == 1
    assert "val/loss" not in report.history[0]


class PressCtrlC(Callback):
    def on_train_batch_end(self, *_):
        os.kill(os.getpid(), signal.SIGINT)


def test_keyboard_interrupt_comes_through_and_still_works_afterwards(monkeypatch):
    before = signal.getsignal(signal.SIGINT)
    add(monkeypatch, PressCtrlC())
    with pytest.raises(KeyboardInterrupt):
        fit(default())
    assert signal.getsignal(signal.SIGINT) is before


def test_loggers_receive_metrics_and_learning_rates(tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    fit(default(trainer={"max_epochs": 2}, logger=logger))
    rows = (tmp_path / "metrics.csv").read_text()
    for column in ("train/loss", "val/loss", "lr-AdamW"):
        assert column in rows


def test_lightnings_own_checkpoints_can_be_added(tmp_path):
    trainer = default(trainer={"max_epochs": 1}, folder=tmp_path)
    own = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "save_last": True}
    trainer = replace(trainer, callbacks={**trainer.callbacks, "resume": own})
    assert any(isinstance(c, ModelCheckpoint) for c in trainer._callbacks())
    fit(trainer)
    assert (tmp_path / "last.ckpt").exists()


def test_lightnings_own_checkpoints_never_go_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint"}
    trainer = default(trainer={"max_epochs": 1}, logger=CSVLogger(tmp_path / "logs"))
    trainer = replace(trainer, callbacks={**trainer.callbacks, "resume": own})
    with pytest.raises(ConfigError, match="ModelCheckpoint has nowhere to write"):
        fit(trainer)
    folder = tmp_path / "fold"
    fit(replace(trainer, folder=folder))
    assert {path.suffix for path in folder.iterdir()} == {".ckpt", ".safetensors"}
    assert not list(tmp_path.glob("logs/**/*.ckpt"))


class Look(Callback):
    """Sees what a killed process would leave behind."""

    def __init__(self, path):
        self.path, self.epochs = path, []

    def on_train_epoch_end(self, trainer, pl_module):
        with safe_open(self.path, framework="pt") as file:
            self.epochs.append(int(file.metadata()["epoch"]))


def test_the_best_weights_so_far_are_on_disk(tmp_path, monkeypatch):
    look = Look(tmp_path / "weights.safetensors")
    trainer = default(folder=tmp_path)
    add(monkeypatch, look)
    add(monkeypatch, Sabotage())
    fit(replace(trainer, optimizer={**trainer.optimizer, "lr": 1e-4}))
    assert look.epochs == [0, 1, 1, 1, 1, 1]
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith("training-")]
    assert left == ["weights.safetensors"]


def test_weights_of_an_epoch_with_nan_give_way_to_the_first_with_a_number():
    callback = BestWeights(monitor="val/loss", mode="min", filename="weights.safetensors")
    scores = [math.nan, math.nan, 2.0, math.nan, 1.0, 3.0]
    kept = []
    for epoch, score in enumerate(scores):
        metrics = {"val/loss": torch.tensor(score)}
        trainer = Mock(spec=Trainer, callback_metrics=metrics, current_epoch=epoch)
        callback.on_train_epoch_end(trainer, LightningModule())
        kept.append(callback.epoch)
    assert kept == [0, 0, 2, 2, 4, 4]


def test_epochs_without_validation_are_not_judged():
    _, report = fit(default(trainer={"max_epochs": 5, "check_val_every_n_epoch": 2}))
    assert report.best_epoch in (1, 3)
    assert ["val/loss" in row for row in report.history] == [False, True, False, True, False]
    never = default(trainer={"max_epochs": 1, "check_val_every_n_epoch": 2})
    _, report = fit(never)
    assert (report.epochs, report.best_epoch, report.best_score) == (1, None, None)


@pytest.mark.parametrize("none", [0, 0.0])
def test_validation_left_out_is_like_a_fold_without(none):
    trainer = default(trainer={"max_epochs": 2, "limit_val_batches": none})
    with pytest.raises(ConfigError, match=r"watches 'val/loss', but trainer\.limit_val_batches=0"):
        fit(trainer)
    best = {**trainer.callbacks["best_weights"], "monitor": "train/loss"}
    callbacks = {**trainer.callbacks, "early_stopping": None, "best_weights": best}
    _, report = fit(replace(trainer, callbacks=callbacks))
    assert report.best_epoch == 1


@pytest.mark.parametrize(
    ("setting", "value"), [("limit_train_batches", 0), ("max_epochs", 0), ("max_steps", 0)]
)
def test_training_that_makes_no_step_is_an_error(setting, value):
    with pytest.raises(ConfigError, match=rf"no training step .*trainer\.{setting}=0"):
        fit(default(trainer={setting: value}))


def test_what_lightning_refuses_is_a_config_error():
    with pytest.raises(ConfigError, match=r"trainer: .*limit_val_batches"):
        fit(default(trainer={"limit_val_batches": 0.001}))


def test_fast_dev_run_runs():
    _, report = fit(default(trainer={"fast_dev_run": True}))
    assert report.epochs == 1


class Model:
    """What `ModelTrainer` needs to know of a model."""

    def fit(self, data, trainer=None):
        return fit(trainer, data)[1]


def test_train_hands_itself_to_the_model():
    report = default(trainer={"max_epochs": 1}).train(Model(), SyntheticData(SPEC))
    assert report.epochs == 1
