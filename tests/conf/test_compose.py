"""Every yaml composes, and says exactly what its component takes.

A component is in these tests by being in its registry or by having a yaml: a new pair needs no
edit here.
"""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from regimecast.assembly import TOP_LEVEL, Assembly
from regimecast.core.config import ALLOWED_TARGETS, config_folder, plain
from regimecast.core.errors import ConfigError
from regimecast.core.registry import Registry
from regimecast.data.cleaning import CleaningSettings
from regimecast.data.sources.base import SourceRegistry
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.strategies.base import StrategyRegistry
from regimecast.features.base import FeatureRegistry
from regimecast.features.cache import FeatureCacheSettings
from regimecast.labels.base import TargetRegistry
from regimecast.losses.base import LossRegistry
from regimecast.models.base import ModelRegistry
from regimecast.regimes.base import RegimeRegistry
from regimecast.splits.base import SplitRegistry
from regimecast.tracking.base import TrackerRegistry
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry

ONE: dict[str, Registry[Any]] = {
    "data": SourceRegistry,
    "target": TargetRegistry,
    "regime": RegimeRegistry,
    "sampling": SamplingRegistry,
    "split": SplitRegistry,
    "model": ModelRegistry,
    "loss": LossRegistry,
    "tracker": TrackerRegistry,
    "strategy": StrategyRegistry,
    "conformal": ConformalRegistry,
}
"""Groups of which one is chosen, by name."""

MANY: dict[str, Registry[Any]] = {"features": FeatureRegistry, "weighting": WeightingRegistry}
"""Groups of which several are chosen."""

SETTINGS = {
    "cleaning": CleaningSettings,
    "cost": CostModel,
    "feature_cache": FeatureCacheSettings,
    "gate": Gate,
}
"""Groups that are profiles of one plain class."""

THIRD_PARTY = {"optimizer", "scheduler", "trainer", "callbacks"}
WHOLE = {"experiment", "debug", "sweep"}
"""Groups whose options change several others."""

GIVEN = {"spec", "loss"}
"""Parameters that the code adds, not the config."""


def content(path: Path) -> dict[str, Any]:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(config, dict)
    return config


YAMLS = sorted(config_folder().glob("*/*.yaml"))
SETS = [path for path in YAMLS if path.parent.name in MANY and "defaults" in content(path)]
"""Choices of several components of a group, with parameters of their own."""

COMPONENTS = [path for path in YAMLS if path.parent.name in {**ONE, **MANY} and path not in SETS]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def composed(*overrides: str) -> dict[str, Any]:
    """The config, with a value for what has to be given."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("train", overrides=list(overrides))
    for key in OmegaConf.missing_keys(config):
        OmegaConf.update(config, key, "select 1")  # may be a query
    return plain(config)


def parameters(path: Path) -> tuple[dict[str, Any], dict[str, inspect.Parameter]]:
    """What a component's yaml holds and what its constructor takes."""
    group, config = path.parent.name, content(path)
    if group in MANY:
        assert list(config) == [path.stem], "one top-level key, the name"
        config = config[path.stem]
    else:
        assert next(iter(config)) == "name"
        assert config.pop("name") == path.stem
    taken = {**ONE, **MANY}[group].parameters(path.stem)
    return config, {key: value for key, value in taken.items() if key not in GIVEN}


def test_every_group_is_known_here():
    groups = {path.parent.name for path in YAMLS}
    assert groups == {*ONE, *MANY, *SETTINGS, *THIRD_PARTY, *WHOLE}


@pytest.mark.parametrize("group", [*ONE, *MANY])
def test_every_name_has_a_yaml_and_every_yaml_a_name(group: str):
    yamls = {path.stem for path in YAMLS if path.parent.name == group and path not in SETS}
    assert yamls == set({**ONE, **MANY}[group].available())


CLASSES = ("target=triple_barrier", "loss=cross_entropy")
GOES_WITH = {
    "loss/cross_entropy": CLASSES[:1],
    "model/logistic": CLASSES,
    "model/mlp": ("loss=huber",),
    "model/svm": CLASSES,
    "strategy/class_probability": CLASSES,
    "target/triple_barrier": CLASSES[1:],
    "split/borders": ("split.train=100", "split.validation=50"),
}
"""Options that do not fit the defaults of other groups, and what they need."""


@pytest.mark.parametrize("path", YAMLS, ids=name_of)
def test_it_composes_into_parts(path: Path):
    group = path.parent.name
    option = f"[{path.stem}]" if group in MANY and path not in SETS else path.stem
    config = composed(f"{group}={option}", *GOES_WITH.get(f"{group}/{path.stem}", ()))
    # Hydra leaves out a group of which none is chosen, as an experiment without features does.
    assert {*config, "features"} == set(TOP_LEVEL)
    assembly = Assembly.from_config(config, trains=False)  # a GPU need not be here
    assert assembly.config == {"features": {}, **config}
    if group in ONE:
        assert config[group]["name"] == path.stem
    if path in SETS:
        assert list(config[group]) == content(path)["defaults"][:-1]
    elif group in MANY:
        assert list(config[group]) == [path.stem]


@pytest.mark.parametrize("path", COMPONENTS, ids=name_of)
def test_its_yaml_holds_the_full_signature_and_the_constructor_no_defaults(path: Path):
    config, taken = parameters(path)
    assert list(config) == list(taken)
    for key, parameter in taken.items():
        assert parameter.default is parameter.empty, f"{key} has a default in code too"
        assert parameter.kind is parameter.KEYWORD_ONLY, key


@pytest.mark.parametrize(
    "path", [path for path in YAMLS if path.parent.name in SETTINGS], ids=name_of
)
def test_settings_hold_the_full_signature(path: Path):
    taken = inspect.signature(SETTINGS[path.parent.name]).parameters
    assert list(content(path)) == list(taken)
    assert all(parameter.default is parameter.empty for parameter in taken.values())


@pytest.mark.parametrize(
    "path", [path for path in YAMLS if path.parent.name in THIRD_PARTY], ids=name_of
)
def test_targets_are_allowed_ones(path: Path):
    def targets(value: Any) -> list[str]:
        if not isinstance(value, dict):
            return []
        own = [value["_target_"]] if value.get("_target_") else []
        return own + [target for item in value.values() for target in targets(item)]

    group = path.parent.name
    for target in targets(composed(f"{group}={path.stem}")[group]):
        assert target.startswith(ALLOWED_TARGETS), target


def test_the_primary_config_is_what_a_config_may_hold():
    assert set(composed()) == set(TOP_LEVEL)
    with pytest.raises(ConfigError, match=r"config has no key 'modle'\. Did you mean 'model'\?"):
        Assembly.from_config({**composed(), "modle": {}})


def test_a_key_that_a_yaml_brings_along_is_an_error(tmp_path: Path):
    """Hydra itself merges unknown keys of a yaml without a word."""
    (tmp_path / "model").mkdir()
    text = (config_folder() / "model" / "lstm.yaml").read_text() + "hiden_size: 3\n"
    (tmp_path / "model" / "mine.yaml").write_text(text)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose("train", overrides=["model=mine", f"hydra.searchpath=[file://{tmp_path}]"])
    with pytest.raises(ConfigError, match=r"no parameter 'hiden_size'.*'hidden_size'"):
        Assembly.from_config(plain(config))


def test_the_sweep_folder_uses_plain_keys():
    text = (config_folder() / "train.yaml").read_text()
    assert "${hydra:" not in text
