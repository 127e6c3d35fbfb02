import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from regimecast.core import registry as registry_module
from regimecast.core.errors import ConfigError
from regimecast.core.registry import Registry
from regimecast.losses.base import LossRegistry
from regimecast.models.base import ModelRegistry


def test_unknown_name_lists_what_exists_and_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown model 'nhitz'.*Did you mean 'nhits'.*lightgbm"):
        ModelRegistry.get("nhitz")


def test_unknown_and_missing_parameters_are_named():
    with pytest.raises(ConfigError, match=r"no parameter 'delt'.*Did you mean 'delta'"):
        LossRegistry.create("huber", spec=None, delt=1.0)
    with pytest.raises(ConfigError, match="needs delta"):
        LossRegistry.create("huber", spec=None)


def test_a_name_cannot_be_taken_twice():
    registry: Registry[object] = Registry(
        "thing", object, package="regimecast.losses", attribute="Nothing"
    )

    @registry.register("one")
    class First:
        pass

    with pytest.raises(ConfigError, match="registered twice"):

        @registry.register("one")
        class Second:
            pass

    assert registry.get("one") is First
    assert registry.available() == ("one",)


class Base:
    """What things are."""


class Thing(Base):
    """A thing."""


class Other(Base):
    """Another thing."""


def things(package: str = "regimecast.losses") -> Registry[Base]:
    return Registry("thing", Base, package=package, attribute="ThingRegistry")


def test_only_subclasses_of_the_base_can_be_registered():
    registry = things()
    with pytest.raises(ConfigError, match=r"thing 'a' must be a subclass of .*\.Base; .*Mapping"):
        registry.register("a")(registry_module.Mapping)
    assert registry.register("a")(Thing) is Thing
    with pytest.raises(ConfigError, match=r"subclass of .*BaseTimeSeriesModel"):
        ModelRegistry.register("wrong_kind")(LossRegistry.get("huber"))
    assert "wrong_kind" not in ModelRegistry.available()


def test_two_modules_with_one_name_are_an_error(tmp_path: Path, monkeypatch):
    package = tmp_path / "some_things"
    package.mkdir()
    (package / "__init__.py").touch()
    for module in ("one", "two"):
        (package / f"{module}.py").write_text('@ThingRegistry.register("same")\nclass A: ...\n')
    monkeypatch.syspath_prepend(tmp_path)
    for look in (Registry.available, lambda registry: registry.get("same")):
        with pytest.raises(ConfigError, match=r"some_things\.one and some_things\.two"):
            look(things("some_things"))


def outside(monkeypatch, *points: tuple[str, str]) -> None:
    """Makes these names and classes the entry points of every registry's package."""
    made = [EntryPoint(name, value, "regimecast.losses") for name, value in points]
    monkeypatch.setattr(registry_module, "_installed", lambda: EntryPoints(made))


def test_outside_packages_add_components(monkeypatch):
    outside(monkeypatch, ("thing", f"{__name__}:Thing"), ("stray", f"{__name__}:Path"))
    registry = things()
    assert registry.available() == ("stray", "thing")
    assert registry.get("thing") is Thing
    assert Thing.name == "thing"
    with pytest.raises(ConfigError, match=r"'stray' must be a subclass of .*\.Base"):
        registry.get("stray")


def test_outside_packages_cannot_take_a_name(monkeypatch):
    losses: Registry[Base] = Registry(
        "loss", Base, package="regimecast.losses", attribute="LossRegistry"
    )
    outside(monkeypatch, ("huber", f"{__name__}:Thing"))
    for look in (Registry.available, lambda registry: registry.get("huber")):
        with pytest.raises(
            ConfigError, match=r"'huber' .*regimecast\.losses\.huber and entry point .*:Thing"
        ):
            look(losses)
    outside(monkeypatch, ("a", f"{__name__}:Thing"), ("a", f"{__name__}:Other"))
    with pytest.raises(ConfigError, match=r":Thing and entry point .*:Other"):
        things().get("a")


def test_naming_a_model_imports_only_its_own_file():
    code = (
        "import sys; from regimecast.models.base import ModelRegistry;"
        "ModelRegistry.get('nhits');"
        "loaded = [m for m in sys.modules if m.startswith('regimecast.models.')];"
        "assert 'regimecast.models.nhits' in loaded, loaded;"
        "assert 'regimecast.models.lightgbm' not in loaded, loaded;"
        "heavy = {'neuralforecast', 'lightgbm', 'xgboost', 'catboost', 'sklearn'};"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
