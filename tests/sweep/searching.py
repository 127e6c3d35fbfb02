"""Spaces and settings of searches, without a command line."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from regimecast.core.config import config_folder
from regimecast.sweep.dimension import Dimension, dimension
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Space

_PARSER = OverridesParser.create()


def swept(text: str, **when: str) -> Dimension:
    """The dimension of an override such as ``a=choice(1,2)``."""
    return dimension(_PARSER.parse_override(text), when=when)


def space(*texts: str) -> Space:
    return Space((), tuple(swept(text) for text in texts))


def settings(**changes: Any) -> SearchSettings:
    """The packaged settings, some of them changed."""
    node = OmegaConf.load(config_folder() / "sweep" / "common" / "tune.yaml")["sweep"]
    values = OmegaConf.to_container(node)
    assert isinstance(values, dict)
    return SearchSettings.from_config({**values, **changes})


def named(name: str) -> SearchSettings:
    """Settings of ``sweep=<name>``."""
    folder = config_folder() / "sweep"
    file = OmegaConf.load(folder / f"{name}.yaml")
    parents = [OmegaConf.load(folder / f"{parent}.yaml") for parent in file.defaults]
    return settings(**OmegaConf.to_container(OmegaConf.merge(*parents, file)["sweep"]))
