from functools import partial

import pytest
import torch

from regimecast.core.config import config_folder, dotted_keys, instantiate, split_name
from regimecast.core.errors import ConfigError


def test_targets_outside_the_allow_list_are_refused():
    for target in ("os.system", "subprocess.run", "torch.load", "lightning.pytorch.Trainerx"):
        with pytest.raises(ConfigError, match="not allowed"):
            instantiate({"_target_": target}, key="callbacks.x")


def test_targets_that_do_not_exist_and_parameters_they_do_not_take():
    with pytest.raises(ConfigError, match="does not exist"):
        instantiate({"_target_": "torch.optim.AdamQ"}, key="optimizer")
    with pytest.raises(ConfigError, match=r"no parameter 'learning_rate'.*Allowed: .*lr"):
        instantiate({"_target_": "torch.optim.AdamW", "learning_rate": 1}, key="optimizer")
    with pytest.raises(ConfigError, match="'_target_' is missing"):
        instantiate({}, key="optimizer")


def test_partial_gives_a_factory():
    made = instantiate(
        {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.5}, key="optimizer"
    )
    assert isinstance(made, partial)
    assert made([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.5


def test_names_and_keys():
    assert split_name({"name": "a", "b": 1}, "model") == ("a", {"b": 1})
    with pytest.raises(ConfigError, match="'name' is missing"):
        split_name({"b": 1}, "model")
    assert dotted_keys({"a": {"b": 1}, "c": 2}) == ["a", "a.b", "c"]
    assert (config_folder() / "train.yaml").is_file()
