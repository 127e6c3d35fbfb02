"""A component is one .py and one .yaml: what is registered, what is packaged and what is taken."""

from importlib import import_module
from pathlib import Path

import pytest

from regimecast.core.config import config_folder
from regimecast.core.registry import Registry
from regimecast.data.sources.base import SourceRegistry
from regimecast.evaluation.conformal.base import ConformalRegistry
from regimecast.evaluation.strategies.base import StrategyRegistry
from regimecast.features.base import FeatureRegistry
from regimecast.labels.base import TargetRegistry
from regimecast.losses.base import LossRegistry
from regimecast.models.base import ModelRegistry
from regimecast.regimes.base import RegimeRegistry
from regimecast.splits.base import SplitRegistry
from regimecast.tracking.base import TrackerRegistry
from regimecast.weighting.base import SamplingRegistry, WeightingRegistry
from tests.contracts.builders import packaged

REGISTRIES: dict[str, Registry] = {
    registry.kind: registry
    for registry in (
        ConformalRegistry,
        FeatureRegistry,
        LossRegistry,
        ModelRegistry,
        RegimeRegistry,
        SamplingRegistry,
        SourceRegistry,
        SplitRegistry,
        StrategyRegistry,
        TargetRegistry,
        TrackerRegistry,
        WeightingRegistry,
    )
}

SEVERAL = {"features", "weighting"}
"""Groups of which a config takes several, so that a yaml is one key with the parameters."""

GIVEN = {"spec", "loss"}
"""Parameters that come from the data and from a group of their own."""

COMPONENTS = [
    (kind, name) for kind, registry in REGISTRIES.items() for name in registry.available()
]


@pytest.mark.parametrize("kind", REGISTRIES)
def test_names_read_from_the_source_are_those_that_importing_registers(kind: str) -> None:
    registry = REGISTRIES[kind]
    scanned = set(registry.available())
    package = import_module(registry.package)
    assert package.__file__ is not None
    for path in Path(package.__file__).parent.glob("*.py"):
        import_module(f"{registry.package}.{path.stem}".removesuffix(".__init__"))
    assert set(registry._classes) == scanned
    for name in scanned:
        assert registry.get(name).name == name


@pytest.mark.parametrize(("kind", "name"), COMPONENTS)
def test_the_yaml_holds_the_whole_signature(kind: str, name: str) -> None:
    """Every parameter but those that code gives, none beside them, and no default in code."""
    config = packaged(kind, name)
    if kind in SEVERAL:
        assert list(config) == [name]
        config = config[name]
    else:
        assert next(iter(config)) == "name"
        assert config.pop("name") == name
    parameters = REGISTRIES[kind].parameters(name)
    assert set(config) == set(parameters) - GIVEN
    for parameter in parameters.values():
        assert parameter.default is parameter.empty
        assert parameter.kind is parameter.KEYWORD_ONLY


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_yaml_names_a_component(kind: str) -> None:
    """Also those that are a second choice of a component's parameters."""
    for path in (config_folder() / kind).glob("*.yaml"):
        config = packaged(kind, path.stem)
        if "defaults" in config:  # a set of several
            chosen = set(config["defaults"]) - {"_self_"}
            assert chosen <= set(REGISTRIES[kind].available()), path
            assert set(config) - {"defaults"} <= chosen, path
            continue
        names = list(config) if kind in SEVERAL else [config["name"]]
        assert set(names) <= set(REGISTRIES[kind].available()), path
