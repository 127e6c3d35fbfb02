"""Every packaged optimizer, schedule and trainer works, and schedules know how long training is."""

from dataclasses import replace

import pytest
import torch
from omegaconf import OmegaConf

from regimecast.core.config import config_folder
from regimecast.losses.huber import Huber
from regimecast.networks.lstm import LSTMNetwork
from regimecast.training.seeding import seeded
from regimecast.training.trainer import ModelTrainer
from tests.synthetic import make_spec
from tests.synthetic_data import SyntheticData

SPEC = make_spec(context_length=4)


def packaged(group: str, name: str) -> dict:
    return OmegaConf.to_container(OmegaConf.load(config_folder() / group / f"{name}.yaml"))


def names(group: str) -> list[str]:
    return sorted(path.stem for path in (config_folder() / group).glob("*.yaml"))


def run(trainer: ModelTrainer):
    config = {**trainer.trainer, "accelerator": "cpu", "max_epochs": 3}
    trainer = replace(trainer, trainer=config)
    with seeded(0):
        network = LSTMNetwork(spec=SPEC, n_outputs=1, hidden_size=4, layers=1, dropout=0.0)
        module = trainer.build_module(network, Huber(spec=SPEC, delta=1.0))
        report = trainer.fit_module(module, SyntheticData(SPEC, train=128, batch_size=32))
    return module, report


@pytest.mark.parametrize("name", names("optimizer"))
def test_optimizer(name):
    module, report = run(replace(ModelTrainer.default(), optimizer=packaged("optimizer", name)))
    assert report.epochs == 3
    assert module.optimizers(use_pl_optimizer=False).defaults["fused"] is True


def test_fused_is_left_alone_where_it_is_chosen_or_cannot_be():
    default = ModelTrainer.default()
    module, _ = run(replace(default, optimizer={**default.optimizer, "fused": False}))
    assert module.optimizers(use_pl_optimizer=False).defaults["fused"] is False


@pytest.mark.parametrize("name", names("scheduler"))
def test_scheduler(name):
    module, report = run(replace(ModelTrainer.default(), scheduler=packaged("scheduler", name)))
    assert report.epochs == 3
    rate = module.optimizers(use_pl_optimizer=False).param_groups[0]["lr"]
    # 3 epochs of 4 steps: a schedule that thought in other units would end elsewhere. One cycle
    # is at its lowest for the last step, and has been advanced once more after it.
    expected = {
        "none": 1e-3,
        "step": 1e-3,
        "plateau": 1e-3,
        "cosine": 1e-5,
        "one_cycle": 1.0658569e-4,
        "milestones": 1e-3,
    }
    assert rate == pytest.approx(expected[name], rel=1e-6)


def test_cosine_by_epoch_knows_the_number_of_epochs():
    cosine = {**packaged("scheduler", "cosine"), "interval": "epoch"}
    module, _ = run(replace(ModelTrainer.default(), scheduler=cosine))
    assert module.lr_schedulers().T_max == 3


@pytest.mark.parametrize("name", names("trainer"))
def test_trainer_config_is_accepted_by_lightning(name):
    config = packaged("trainer", name)
    config.pop("defaults", None)
    default = ModelTrainer.default()
    replace(default, trainer={**default.trainer, **config})


def test_gradients_of_masked_only_batches_do_not_break_training():
    data = SyntheticData(SPEC, train=64, batch_size=32)
    data.batches["train"].mask[:] = False
    trainer = ModelTrainer.default()
    trainer = replace(trainer, trainer={**trainer.trainer, "accelerator": "cpu", "max_epochs": 1})
    network = LSTMNetwork(spec=SPEC, n_outputs=1, hidden_size=4, layers=1, dropout=0.0)
    module = trainer.build_module(network, Huber(spec=SPEC, delta=1.0))
    before = [p.clone() for p in network.parameters()]
    trainer.fit_module(module, data)
    decay = 1 - 1e-3 * 1e-2
    for old, new in zip(before, network.parameters(), strict=True):
        torch.testing.assert_close(new, old * decay**2)
