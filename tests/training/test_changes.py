"""Numbers of the optimizer that change on the way: checks, effect, and the same bits resumed."""

from dataclasses import replace
from shutil import copytree

import pytest
import torch
from lightning.pytorch import Callback

from regimecast.core.errors import ConfigError
from regimecast.losses.huber import Huber
from regimecast.training.changes import parse_changes
from regimecast.training.seeding import seeded
from tests.synthetic_data import SyntheticData
from tests.training.test_trainer import SPEC, Linear, add, default, fit

ADAMW = {"_target_": "torch.optim.AdamW", "lr": 1e-3, "betas": [0.9, 0.999], "fused": None}


def changed(*changes, **how):
    """A trainer of six epochs with these changes, (epoch, rate) each."""
    given = [{"epoch": epoch, "set": {"optimizer.lr": rate}} for epoch, rate in changes]
    return default(trainer={"max_epochs": 6}, changes=given, **how)


class Rates(Callback):
    """The learning rate of every epoch's first step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 0:
            self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def rates(trainer, monkeypatch):
    seen = Rates()
    with monkeypatch.context() as patch:
        add(patch, seen)
        fit(trainer)
    return seen.seen


def test_rate_is_set_at_the_start_of_each_epoch_that_says_so(monkeypatch):
    seen = rates(changed((2, 0.01), (4, 0.03)), monkeypatch)
    assert seen == [0.05, 0.05, 0.01, 0.01, 0.03, 0.03]


@pytest.mark.parametrize(
    "scheduler",
    [
        {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "gamma": 0.5},
        {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.8},
        {
            "_target_": "torch.optim.lr_scheduler.ReduceLROnPlateau",
            "patience": 0,
            "threshold": 1e9,
            "threshold_mode": "abs",
            "factor": 0.5,
            "monitor": "val/loss",
        },
        {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 6},
        {"_target_": "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts", "T_0": 4},
    ],
    ids=lambda config: config["_target_"].rpartition(".")[2],
)
def test_schedule_goes_on_from_where_it_is(scheduler, monkeypatch):
    plain = rates(changed(scheduler=scheduler), monkeypatch)
    seen = rates(changed((3, 0.025), scheduler=scheduler), monkeypatch)
    assert len(set(plain)) > 3
    assert seen == pytest.approx(plain[:3] + [rate / 2 for rate in plain[3:]])


def test_other_numbers_change_too(monkeypatch):
    plain, _ = fit(default(trainer={"max_epochs": 3}))
    given = [{"epoch": 1, "set": {"optimizer.weight_decay": 5.0}}]
    decayed, _ = fit(default(trainer={"max_epochs": 3}, changes=given))
    assert decayed.network.head.weight.norm() < plain.network.head.weight.norm()


def test_one_training_is_two_with_a_checkpoint_between_to_the_bit(tmp_path, monkeypatch):
    """What a population-based search does in two processes is one job's lineage."""
    schedule = {
        "_target_": "torch.optim.lr_scheduler.CosineAnnealingLR",
        "T_max": 24,
        "interval": "step",
    }

    class Ended(Exception):  # noqa: N818  # no error
        pass

    class End(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 3:
                raise Ended

    how = {"folder": tmp_path / "donor", "scheduler": schedule}
    with monkeypatch.context() as patch:
        add(patch, End())
        with pytest.raises(Ended):
            fit(changed((1, 0.02), **how))
    copytree(tmp_path / "donor", tmp_path / "copy")
    resumed = changed((1, 0.02), (3, 0.06), **{**how, "folder": tmp_path / "copy"}, resumes=True)
    with seeded(0):
        module = resumed.build_module(Linear(), Huber(spec=SPEC, delta=1.0))
        report = resumed.fit_module(module, SyntheticData(SPEC))
    whole, expected = fit(changed((1, 0.02), (3, 0.06), scheduler=schedule))
    other, _ = fit(changed((1, 0.02), scheduler=schedule))
    assert report.history == expected.history
    for name, value in whole.state_dict().items():
        assert torch.equal(value, module.state_dict()[name])
        assert not torch.equal(value, other.state_dict()[name])


def test_change_after_the_last_epoch_changes_nothing():
    assert parse_changes([], ADAMW, None) == ()
    plain, late = (fit(changed(*changes))[0].state_dict() for changes in ([], [(6, 0.5)]))
    assert all(torch.equal(plain[name], late[name]) for name in plain)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (3, r"changes=3 must be a list such as \[\{epoch: 20"),
        ("no", "must be a list"),
        ([{"epoch": 1}], r"changes\[0\]=.*must hold epoch and set"),
        ([{"epoch": 0, "set": {"optimizer.lr": 1}}], r"changes\[0\].epoch=0 must be .* above 0"),
        ([{"epoch": True, "set": {"optimizer.lr": 1}}], "epoch=True"),
        ([{"epoch": 1.5, "set": {"optimizer.lr": 1}}], "epoch=1.5"),
        (
            [{"epoch": 4, "set": {"optimizer.lr": 1}}, {"epoch": 4, "set": {"optimizer.lr": 2}}],
            r"changes\[1\].epoch=4 must be a whole number above 4",
        ),
        ([{"epoch": 1, "set": {}}], "must set something"),
        ([{"epoch": 1, "set": {"optimizer.rl": 1}}], "Did you mean 'optimizer.lr'"),
        ([{"epoch": 1, "set": {"model.dropout": 0.1}}], "cannot change on the way"),
        ([{"epoch": 1, "set": {"optimizer.betas": [0.8, 0.9]}}], "Allowed, the optimizer's"),
        ([{"epoch": 1, "set": {"optimizer.lr": "high"}}], "lr='high' must be a finite number"),
        ([{"epoch": 1, "set": {"optimizer.lr": float("nan")}}], "must be a finite number"),
    ],
)
def test_bad_changes_are_refused_by_name(given, said):
    with pytest.raises(ConfigError, match=said):
        parse_changes(given, ADAMW, None)


def test_trainer_checks_its_changes():
    with pytest.raises(ConfigError, match=r"Did you mean .optimizer\.lr."):
        replace(default(), changes=[{"epoch": 1, "set": {"optimizer.rl": 1}}])


def test_rate_of_a_schedule_that_has_its_own_is_refused():
    own = {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 0.1, "total_steps": 9}
    with pytest.raises(ConfigError, match="no effect with scheduler OneCycleLR"):
        changed((1, 0.1), scheduler=own)


def test_value_that_the_optimizer_refuses_is_said_before_training():
    with pytest.raises(ConfigError, match="Invalid learning rate"):
        changed((1, -0.1)).rehearse()
