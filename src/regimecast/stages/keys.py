"""Keys of stages: what decides their artifacts, as one hash.

The code of a stage is its module, every module that one imports, and theirs in turn, within the
same package; the same of the components that its config names. Imports are read from the source
text, so that one inside a function counts too and nothing is run to find it.
"""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from regimecast.core.hashing import hash_file, hash_json
from regimecast.stages.base import Stage

__all__ = ["StageKey", "code_hash", "packages"]

_PACKAGES = (
    "exchange_calendars", "numba", "numpy", "optuna", "pandas", "pyarrow", "scipy", "TA-Lib",
)  # fmt: skip
"""Packages whose version can change an artifact."""
_CONTRACTS = ("regimecast.stages.base", "regimecast.core.registry")
"""Modules that every stage imports and that compute nothing: not followed."""


@dataclass(frozen=True)
class StageKey:
    """What the artifacts of a stage depend on."""

    config: Mapping[str, Any]
    code: str
    """SHA-256; see `code_hash`."""
    inputs: Mapping[str, Mapping[str, str]]
    """SHA-256 of the artifacts of each stage that it needs."""
    outside: Mapping[str, str] | None
    """See `Stage.outside`."""

    @property
    def value(self) -> str | None:
        """SHA-256 over all of it; None where what lies outside is unknown."""
        if self.outside is None:
            return None
        return hash_json(
            {
                "config": self.config,
                "code": self.code,
                "inputs": {name: dict(files) for name, files in self.inputs.items()},
                "outside": dict(self.outside),
            }
        )

    def changes(self, recorded: Mapping[str, Any]) -> list[str]:
        """What differs from an earlier key's record, in words."""
        changed = [
            f"config {name}"
            for name in self.config
            if recorded.get("config", {}).get(name) != self.config[name]
        ]
        if recorded.get("code") != self.code:
            changed.append("code")
        changed += [
            f"output of {name}"
            for name, files in self.inputs.items()
            if recorded.get("inputs", {}).get(name) != dict(files)
        ]
        before, here = recorded.get("outside") or {}, self.outside or {}
        return changed + [n for n in {**before, **here} if before.get(n) != here.get(n)]


def code_hash(stage: Stage) -> str:
    """SHA-256 of the sources that a stage runs, and of the versions of the packages below them."""
    modules = [part.__module__ for part in (type(stage), *stage.components)]
    sources = {name: hash_file(path) for name, path in _reached(modules).items()}
    return hash_json({"sources": sources, "packages": packages()})


@cache
def packages() -> dict[str, str]:
    """Versions of the packages that count."""
    return {name: version(name) for name in _PACKAGES}


def _reached(modules: Iterable[str]) -> dict[str, Path]:
    """Files of modules and of everything they import within their own packages, by module."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or (path := _file(name)) is None:
            continue
        found[name] = path
        if name not in _CONTRACTS:
            root = name.partition(".")[0]
            waiting += [other for other in _imports(path) if other.partition(".")[0] == root]
    return found


@cache
def _file(module: str) -> Path | None:
    """Source file of a module; None where the name is no module's, or the module has no file."""
    root, *parts = module.split(".")
    try:
        spec = find_spec(root)
    except ValueError:  # ``__main__`` has no spec
        return None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    if not parts:
        return Path(spec.origin)
    place = Path(spec.origin).parent.joinpath(*parts)
    found = (place.with_suffix(".py"), place / "__init__.py")
    return next((path for path in found if path.is_file()), None)


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Modules that a file may import: ``from a import b`` names both ``a`` and ``a.b``."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(names))
