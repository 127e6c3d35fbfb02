"""Where a step's time goes: parts add up, and a slow part shows as itself."""

import json
import time
from dataclasses import replace

import pytest
import torch
from lightning.pytorch.profilers import Profiler

from regimecast.core.config import instantiate
from regimecast.core.errors import ConfigError
from regimecast.losses.huber import Huber
from regimecast.training.step_profile import PARTS, StepProfile, profile_table
from tests.synthetic_data import SyntheticData
from tests.training.test_trainer import SPEC, Linear, default, fit

PROFILER = {"_target_": "regimecast.training.step_profile.StepProfile", "skip": 1}
SLOW = 0.1


def profile(tmp_path, data=None, network=Linear, **trainer):
    config = {"max_epochs": 2, "profiler": PROFILER, **trainer}
    made = default(trainer=config, folder=tmp_path)
    module = made.build_module(network(), Huber(spec=SPEC, delta=1.0))
    made.fit_module(module, data or SyntheticData(SPEC))
    return json.loads((tmp_path / "profile.json").read_text())


def test_parts_add_up_to_the_step(tmp_path):
    found = profile(tmp_path)
    assert found["steps"] == 2 * 4 - 1
    assert tuple(found["parts"]) == PARTS
    assert sum(part["share"] for part in found["parts"].values()) == pytest.approx(1)
    assert sum(part["ms"] for part in found["parts"].values()) == pytest.approx(found["step_ms"])
    assert all(part["ms"] >= 0 for part in found["parts"].values())
    for busy in ("data", "forward", "loss", "backward", "optimizer"):
        assert found["parts"][busy]["ms"] > 0


class SlowGather(SyntheticData):
    def split(self, name):
        dataset = super().split(name)
        gather = dataset.gather
        dataset.gather = lambda positions: (time.sleep(SLOW), gather(positions))[1]
        return dataset


@pytest.mark.parametrize("placement", ["memory", "device"])
def test_a_slow_gather_shows_as_data(tmp_path, placement):
    data = SlowGather(SPEC)
    data.placement = placement
    found = profile(tmp_path, data)
    assert found["parts"]["data"]["ms"] >= 1e3 * SLOW
    assert found["data_share"] == found["parts"]["data"]["share"] > 0.3
    assert found["parts"]["transfer"]["ms"] < 1e3 * SLOW


class SlowForward(Linear):
    def forward(self, batch):
        time.sleep(SLOW)
        return super().forward(batch)


def test_a_slow_network_shows_as_forward_and_validation_as_nothing(tmp_path):
    found = profile(tmp_path, network=SlowForward)
    assert found["parts"]["forward"]["ms"] >= 1e3 * SLOW
    assert found["parts"]["loss"]["ms"] < 1e3 * SLOW
    # Validation, of two batches an epoch, is in no step.
    assert found["parts"]["callbacks and rest"]["ms"] < 1e3 * SLOW


def test_the_table_names_every_part_and_the_share_of_the_data(tmp_path, caplog):
    with caplog.at_level("INFO", logger="regimecast"):
        found = profile(tmp_path)
    assert profile_table(found) in caplog.text
    for part in PARTS:
        assert f"\n{part} " in caplog.text
    assert f"data share of a step: {found['data_share']:.1%}" in caplog.text


def test_fewer_steps_than_are_left_out_count_all_the_same(tmp_path):
    profiler = {**PROFILER, "skip": 100}
    assert profile(tmp_path, profiler=profiler)["steps"] == 8


def test_nothing_finished_says_so():
    profiler = StepProfile(skip=0)
    assert profile_table(profiler.result()) == "no step was finished"


def test_a_negative_number_of_steps_is_refused():
    with pytest.raises(ConfigError, match="skip=-1"):
        instantiate({**PROFILER, "skip": -1}, key="trainer.profiler", base=Profiler)


def test_being_watched_changes_no_number(tmp_path):
    plain, expected = fit(default(trainer={"max_epochs": 2}))
    made = default(trainer={"max_epochs": 2, "profiler": PROFILER})
    watched, report = fit(replace(made, folder=tmp_path))
    assert report.history == expected.history
    assert torch.equal(watched.network.head.weight, plain.network.head.weight)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_utilisation_is_reported_or_why_not(tmp_path):
    found = profile(tmp_path, accelerator="gpu", max_epochs=12)
    assert found["device"] == "cuda"
    assert (found["gpu_utilisation"] is None) != (found["gpu_utilisation_unknown"] is None)
