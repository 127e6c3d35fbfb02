"""The code of a stage is what it really runs."""

import sys
from pathlib import Path

import pytest

from regimecast.stages import keys
from regimecast.stages.base import StageRegistry, values_at
from regimecast.stages.keys import StageKey, code_hash
from tests.stages.conftest import Config


def _modules(name: str, config: Config) -> set[str]:
    stage = StageRegistry.create(name, config=values_at(config, StageRegistry.get(name).reads))
    return set(keys._reached([part.__module__ for part in (type(stage), *stage.components)]))


def test_code_follows_imports_and_the_components_of_the_config(config: Config) -> None:
    features = _modules("features", config)
    assert {"regimecast.features.momentum", "regimecast.features.rolling"} <= features
    assert "regimecast.features.candles" not in features  # not chosen
    label = _modules("label", config)
    assert {"regimecast.labels.barriers", "regimecast.labels.barrier_target"} <= label
    assert "regimecast.splits.purging" in _modules("splits", config)
    for name in StageRegistry.available():
        modules = _modules(name, config)
        assert not {
            m for m in modules if m.startswith(("regimecast.models", "regimecast.training"))
        }
        assert "regimecast.stages.base" in modules


def test_a_change_in_a_module_two_imports_away_is_another_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: Config
) -> None:
    package = tmp_path / "madeup"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "far.py").write_text("VALUE = 1\n")
    (package / "near.py").write_text("def value():\n    from madeup import far\n    return far\n")
    (package / "top.py").write_text("import madeup.near\nimport numpy\nclass Part: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def hashed() -> tuple[set[str], str]:
        keys._file.cache_clear()
        keys._imports.cache_clear()
        stage = StageRegistry.create("clean", config={"cleaning": config["cleaning"]})
        part = type("Part", (), {"__module__": "madeup.top"})
        monkeypatch.setattr(type(stage), "components", (part,))
        return set(keys._reached(["madeup.top"])), code_hash(stage)

    modules, first = hashed()
    assert modules == {"madeup.top", "madeup.near", "madeup.far", "madeup"}
    assert "madeup.far" not in sys.modules  # nothing was run to find it
    assert hashed()[1] == first
    (package / "far.py").write_text("VALUE = 2\n")
    assert hashed()[1] != first


def test_changes_are_named() -> None:
    key = StageKey({"a": 1, "b": 2}, "code", {"clean": {"x": "1"}}, {"bars.csv": "1"})
    recorded = dict(vars(key))
    assert key.changes(recorded) == []
    assert key.changes(recorded | {"config": {"a": 1, "b": 3}}) == ["config b"]
    assert key.changes(recorded | {"code": "other"}) == ["code"]
    assert key.changes(recorded | {"inputs": {"clean": {"x": "2"}}}) == ["output of clean"]
    assert key.changes(recorded | {"outside": {"old.csv": "1"}}) == ["old.csv", "bars.csv"]
    assert StageKey({}, "code", {}, None).value is None


def test_values_at_paths() -> None:
    config = {"window": {"context_length": 8, "clip": 1.0}, "seed": 3}
    assert values_at(config, ["window.context_length", "features"]) == {
        "window": {"context_length": 8},
        "features": {},
    }
