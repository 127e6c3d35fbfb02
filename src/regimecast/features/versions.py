"""Versions of features: what their values depend on beside the bars.

The code of a family is its module, every module of this package that it takes something from, the
blocks that it is computed in, and the calendars, so that a change of a shared kernel, of the length
of a block or of its warm-up is a new version too.
"""

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import talib

from regimecast.core.hashing import hash_json
from regimecast.features import blocks
from regimecast.features.base import Feature, FeatureFamily

__all__ = ["code_of", "feature_version"]

_HASHED = (f"{__package__}.", "regimecast.data.calendars")
"""Modules whose code makes a version: this package, and the calendars that it asks."""


def feature_version(family: FeatureFamily, parameters: Mapping[str, Any], feature: Feature) -> str:
    """SHA-256 of a feature's code, its family's parameters and its declaration.

    Two features of one version give the same values on the same bars. A parameter of a sibling
    changes the version as well: which parameters a column reads is the family's own affair.
    """
    return hash_json(
        {
            "code": code_of(type(family)),
            "parameters": dict(parameters),
            "feature": asdict(feature),
        }
    )


@cache
def code_of(family: type[FeatureFamily]) -> str:
    """SHA-256 of the source of a family's module, of those it uses, and of TA-Lib's version."""
    module = inspect.getmodule(family)
    assert module is not None
    used: dict[str, str] = {}
    _collect(module, used)
    _collect(blocks, used)
    return hash_json({"sources": used, "talib": [talib.__version__, talib.__ta_version__.decode()]})


def _collect(module: ModuleType, used: dict[str, str]) -> None:
    used[module.__name__] = inspect.getsource(module)
    for value in vars(module).values():
        name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        if isinstance(name, str) and name.startswith(_HASHED) and name not in used:
            _collect(import_module(name), used)
