from functools import partial

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from regimecast.core.config import config_folder, dotted_keys, instantiate, split_name
from regimecast.core.errors import ConfigError

OPTIMIZER = {"key": "optimizer", "base": Optimizer}


def test_targets_outside_the_allow_list_are_refused():
    for target in ("os.system", "subprocess.run", "torch.load", "lightning.pytorch.Trainerx"):
        with pytest.raises(ConfigError, match="not allowed"):
            instantiate({"_target_": target}, key="callbacks.x", base=object)


@pytest.mark.parametrize(
    ("target", "base"),
    [
        # Unpickles a file.
        ("lightning.pytorch.strategies.fsdp._lazy_load", Strategy),
        ("lightning.pytorch.strategies.fsdp.torch.load", Strategy),
        ("lightning.pytorch.callbacks.model_checkpoint.os.system", Callback),
        # Imported by an allowed module, not defined by it.
        ("lightning.pytorch.callbacks.model_checkpoint.deepcopy", Callback),
        ("lightning.pytorch.callbacks.model_checkpoint.Path", object),
        ("torch.optim.lr_scheduler.partial", object),
        ("regimecast.training.callbacks.best_weights.LightningModule", object),
        # A function, a value, and classes of another kind.
        ("regimecast.training.callbacks.best_weights.atomic_path", Callback),
        ("torch.optim.lr_scheduler.EPOCH_DEPRECATION_WARNING", LRScheduler),
        ("torch.optim.lr_scheduler.StepLR", Optimizer),
        ("torch.optim.AdamW", Callback),
        ("torch.optim.swa_utils.AveragedModel", Optimizer),
        ("lightning.pytorch.Trainer", Callback),
        # Private, empty and dotted away.
        ("torch.optim._adafactor.Adafactor", Optimizer),
        ("torch.optim.", Optimizer),
        ("torch.optim..AdamW", Optimizer),
        ("torch.optim.AdamW.step", Optimizer),
    ],
)
def test_only_classes_of_the_right_kind_can_be_made(target: str, base: type):
    with pytest.raises(ConfigError, match=r"x\._target_='"):
        instantiate({"_target_": target, "filename": "evil.pt"}, key="x", base=base)
    with pytest.raises(ConfigError, match=r"x\.part\._target_='"):
        instantiate(
            {"_target_": "torch.optim.SGD", "part": {"_target_": target}},
            key="x",
            base=Optimizer,
            parts={"part": base},
        )


def test_a_pickle_cannot_be_read_through_a_config(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save(Evil(), tmp_path / "evil.pt")
    config = {
        "_target_": "lightning.pytorch.strategies.fsdp._lazy_load",
        "filename": str(tmp_path / "evil.pt"),
    }
    with pytest.raises(ConfigError, match="not allowed"):
        instantiate(config, key="trainer.strategy", base=Strategy)
    assert not (tmp_path / "ran").exists()


def test_parts_are_made_where_they_are_expected_and_nowhere_else():
    profiler = {"_target_": "lightning.pytorch.profilers.SimpleProfiler"}
    config = {"_target_": "lightning.pytorch.Trainer", "_partial_": True, "profiler": profiler}
    made = instantiate(config, key="trainer", base=Trainer, parts={"profiler": Profiler})
    assert isinstance(made.keywords["profiler"], Profiler)
    with pytest.raises(ConfigError, match=r"trainer\.profiler\._target_=.*plain values"):
        instantiate(config, key="trainer", base=Trainer)
    with pytest.raises(ConfigError, match="is not a Strategy"):
        instantiate(config, key="trainer", base=Trainer, parts={"profiler": Strategy})


def test_targets_that_do_not_exist_and_parameters_they_do_not_take():
    with pytest.raises(ConfigError, match="does not exist"):
        instantiate({"_target_": "torch.optim.AdamQ"}, **OPTIMIZER)
    with pytest.raises(ConfigError, match=r"no parameter 'learning_rate'.*Allowed: .*lr"):
        instantiate({"_target_": "torch.optim.AdamW", "learning_rate": 1}, **OPTIMIZER)
    with pytest.raises(ConfigError, match="'_target_' is missing"):
        instantiate({}, **OPTIMIZER)


def test_partial_gives_a_factory():
    made = instantiate({"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.5}, **OPTIMIZER)
    assert isinstance(made, partial)
    assert made([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.5


def test_names_and_keys():
    assert split_name({"name": "a", "b": 1}, "model") == ("a", {"b": 1})
    with pytest.raises(ConfigError, match="'name' is missing"):
        split_name({"b": 1}, "model")
    assert dotted_keys({"a": {"b": 1}, "c": 2}) == ["a", "a.b", "c"]
    assert (config_folder() / "train.yaml").is_file()
