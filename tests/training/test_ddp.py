"""Two processes do what one does with batches twice as large, and hand all of it back."""

from dataclasses import replace

import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from regimecast.core.errors import ConfigError, Pruned
from regimecast.losses.base import LossRegistry
from regimecast.training.callbacks.non_finite import NonFiniteError
from regimecast.training.progress import RunProgress
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer
from tests.contracts.builders import CASES, Edited, build_data
from tests.training.test_progress import Heard
from tests.training.test_trainer import Linear

CASE = next(case for case in CASES if str(case) == "nlinear-forecast")
TWO = {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}


def trainer(**config) -> ModelTrainer:
    default = ModelTrainer.default()
    config = {**default.trainer, "accelerator": "cpu", "max_epochs": 2, **config}
    # Adam divides by the gradient's size and would hide a wrong one.
    sgd = {"_target_": "torch.optim.SGD", "lr": 0.05}
    return replace(default, trainer=config, optimizer=sgd)


@pytest.mark.slow
def test_two_processes_are_one_with_batches_twice_as_large(tmp_path):
    two = replace(trainer(**TWO), logger=CSVLogger(tmp_path, name="", version=""), folder=tmp_path)
    # Some cells are masked and some weights differ, unevenly between the processes.
    fits = {}
    for size, how in ((64, trainer()), (32, two)):
        plain = build_data(CASE.task)
        parts = {}
        for name in ("train", "validation"):
            base = plain.split(name)
            mask = base.targets()[1].copy()
            mask[::4] = False
            weight = torch.rand(len(base), generator=torch.Generator().manual_seed(1)).numpy()
            parts[name] = Edited(base, mask=mask, weight=weight)
        data = build_data(CASE.task, batch_size=size, **parts)
        model = CASE.make()
        fits[size] = model.fit(data, how), model, data
    (one, alone, _), (both, shared, data) = fits[64], fits[32]
    assert both.epochs == one.epochs == 2
    assert both.best_epoch == one.best_epoch
    assert both.best_score == pytest.approx(one.best_score, rel=1e-5)
    for row, expected in zip(both.history, one.history, strict=True):
        # A logger adds the learning rate.
        assert row == pytest.approx({**expected, "lr-SGD": 0.05}, rel=1e-5)
    for name, value in alone.network.state_dict().items():
        torch.testing.assert_close(shared.network.state_dict()[name], value, rtol=0, atol=1e-5)
    forecast = shared.predict(data, "test").values
    assert forecast == pytest.approx(alone.predict(data, "test").values, abs=1e-5)
    assert (tmp_path / "weights.safetensors").exists()
    logged = (tmp_path / "metrics.csv").read_text()
    for column in ("train/loss", "val/loss", "lr-SGD"):
        assert column in logged
    assert repr(both.history[1]["val/loss"]) in logged


@pytest.mark.slow
def test_an_error_in_a_process_is_raised_as_itself():
    base = build_data(CASE.task).split("train")
    target = base.targets()[0].copy()
    target[-1] = float("nan")
    data = build_data(CASE.task, train=Edited(base, target=target))
    loss = LossRegistry.create("huber", spec=data.spec, delta=1.0)
    with seeded(0):
        module = trainer().build_module(_linear(data.spec), loss)
    with pytest.raises(NonFiniteError, match=r"train/loss is nan at epoch 0") as caught:
        trainer(**TWO).fit_module(module, data)
    assert "on_before_backward" in caught.value.__notes__[0]


@pytest.mark.slow
def test_processes_report_through_the_one_that_waits():
    watch = Heard()
    how = replace(trainer(**TWO), progress=RunProgress(watch=watch).fold(0))
    report = how.train(CASE.make(), build_data(CASE.task))
    assert [p.current for p in watch.progress] == [row["val/loss"] for row in report.history]
    assert watch.progress[-1].objective == report.best_score

    watch = Heard(until=1)
    how = replace(trainer(**TWO), progress=RunProgress(watch=watch).fold(0))
    with pytest.raises(Pruned):
        how.train(CASE.make(), build_data(CASE.task))
    assert len(watch.progress) == 1


def _linear(spec):
    network = Linear()
    network.head = torch.nn.Linear(len(spec.past), spec.horizon)
    return network


@pytest.mark.parametrize("strategy", ["ddp_spawn", "fsdp"])
def test_strategies_that_launch_or_split_are_refused(strategy):
    with pytest.raises(ConfigError, match=f"trainer.strategy='{strategy}'.*Allowed: auto, ddp"):
        trainer(strategy=strategy)
    with pytest.raises(ConfigError, match=r"trainer\.num_nodes=2"):
        trainer(num_nodes=2)


def test_a_checkpoint_of_one_failing_process_is_refused():
    keep = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", "save_on_exception": True}
    how = trainer(**TWO)
    how = replace(how, callbacks={**how.callbacks, "keep": keep})
    with pytest.raises(ConfigError, match=r"ModelCheckpoint.*save_on_exception=false"):
        CASE.make().fit(build_data(CASE.task), how)


def test_one_device_needs_no_process_of_its_own():
    model = CASE.make()
    model.fit(build_data(CASE.task), trainer(devices=1, strategy="ddp", max_epochs=1))
    assert not torch.distributed.is_initialized()
