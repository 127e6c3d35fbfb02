"""Configs that are put together quickly are what Hydra composes."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from regimecast.core.config import config_folder, plain
from regimecast.core.errors import ConfigError
from regimecast.sweep.composing import Composer


@pytest.fixture
def loader() -> Iterator[ConfigLoader]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        yield hydra.config_loader


@pytest.fixture
def config(loader: ConfigLoader) -> DictConfig:
    return loader.load_configuration("train", overrides=[], run_mode=RunMode.MULTIRUN)


def by_hydra(loader: ConfigLoader, config: DictConfig, overrides: list[str]) -> dict[str, Any]:
    composed = loader.load_sweep_config(config, overrides)
    with open_dict(composed):
        del composed["hydra"]
    return plain(composed)


GRID = {
    "model": ["lstm", "nhits"],
    "seed": ["1", "2"],
    "optimizer.lr": ["0.1", "1e-3"],
    "window.mapped_folder": ["null", "'a b'"],
    "loss.levels": ["[0.1,0.5,0.9]", "[0.5]"],
}


def test_every_job_of_a_grid_is_what_hydra_makes_of_it(loader: ConfigLoader, config: DictConfig):
    composer = Composer(loader, config)
    times, composed = [0], loader.load_sweep_config

    def counted(*arguments: Any) -> DictConfig:
        times[0] += 1
        return composed(*arguments)

    loader.load_sweep_config = counted  # type: ignore[method-assign]
    jobs = [
        ["study=s", *(f"{key}={value}" for key, value in zip(GRID, values, strict=True))]
        for values in itertools.product(*GRID.values())
    ]
    made = [composer.compose(job) for job in jobs]
    assert times[0] == 2  # one for each model
    loader.load_sweep_config = composed  # type: ignore[method-assign]
    for job, one in zip(jobs[::5], made[::5], strict=True):
        assert one == by_hydra(loader, config, job)
        assert repr(one) == repr(by_hydra(loader, config, job))  # 1 is not True, nor 1.0


@pytest.mark.parametrize(
    "jobs",
    [
        [["window.context_length=32"], ["window.context_length='${window.batch_size}'"]],
        [["+model.extra=1"], ["+model.extra=2"]],
        [["~window.clip"], ["seed=3"]],
        [["study=a", "runs=x"], ["study=b", "runs=x"]],
        [["window={context_length: 3}"], ["window={context_length: 4}"]],
        [["features=[calendar]"], ["features=[trend,calendar]"]],
        [["trainer.max_epochs=1", "sweep.jobs=2"], ["trainer.max_epochs=2", "sweep.jobs=3"]],
    ],
    ids=lambda jobs: " ".join(jobs[-1]),
)
def test_what_is_more_than_a_value_is_left_to_hydra(
    loader: ConfigLoader, config: DictConfig, jobs: list[list[str]]
):
    composer = Composer(loader, config)
    for job in jobs:
        named = ["study=s", *job]
        assert composer.compose(named) == by_hydra(loader, config, named)


def test_a_value_that_others_refer_to_changes_them_too(loader: ConfigLoader, config: DictConfig):
    with open_dict(config):
        config.window.batch_size = "${seed}"
    loader.load_sweep_config = lambda _, overrides: _merged(config, overrides)  # type: ignore[method-assign]
    composer = Composer(loader, config)
    assert composer.compose(["seed=5"])["window"]["batch_size"] == 5
    assert composer.compose(["seed=6"])["window"]["batch_size"] == 6


def _merged(config: DictConfig, overrides: list[str]) -> DictConfig:
    copied = config.copy()
    for override in overrides:
        key, _, value = override.partition("=")
        copied[key] = int(value)
    return copied


def test_configs_do_not_share_their_values(loader: ConfigLoader, config: DictConfig):
    composer = Composer(loader, config)
    one, two = (composer.compose([f"seed={seed}", "loss.levels=[0.5]"]) for seed in (1, 2))
    one["loss"]["levels"].append(1)
    one["model"]["name"] = "another"
    three = composer.compose(["seed=3", "loss.levels=[0.5]"])
    assert two["loss"]["levels"] == three["loss"]["levels"] == [0.5]
    assert three["model"]["name"] == two["model"]["name"] != "another"


def test_errors_are_hydras_own(loader: ConfigLoader, config: DictConfig):
    composer = Composer(loader, config)
    with pytest.raises(HydraException):
        composer.compose(["modle=lstm"])
    composer.compose(["model=lstm"])
    with pytest.raises(HydraException):
        composer.compose(["model=lstn"])
    with pytest.raises(ConfigError, match="must be given"):
        composer.compose(["data=csv"])
