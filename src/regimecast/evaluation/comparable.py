"""Which runs can be ranked together: those that forecast the same target of the same data."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.core.config import flat

__all__ = ["Kind", "kinds", "parse_config", "read_config"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The compiled loader is fifteen times as fast, which counts in a study of a thousand runs."""
_SECTION = re.compile(r"^(?=[A-Za-z_])", flags=re.MULTILINE)
"""Where a key of the top level begins."""


class Kind(NamedTuple):
    """What a run forecasts. An error of one kind says nothing about an error of another.

    `target` and `data` are names, with the settings in which runs under one name differ, such as
    ``forward_return(horizon=5)``. What is not known is empty.
    """

    task: str
    target: str
    data: str

    def __str__(self) -> str:
        """Such as ``forecast of forward_return on sp500``."""
        target = f" of {self.target}" if self.target else ""
        data = f" on {self.data}" if self.data else ""
        return f"{self.task or 'unknown'}{target}{data}"

    @property
    def order(self) -> tuple[tuple[bool, str], ...]:
        """Sort key: by name, the unknown last."""
        return tuple((not part, part) for part in self)


def parse_config(text: str) -> dict[str, Any]:
    """Content of a ``config.yaml``, empty where it cannot be read or is no mapping.

    Not to be changed: jobs of a study share the sections that they have in common, which are parsed
    once.
    """
    try:
        first, *sections = _SECTION.split(text)
        if not first.strip():
            parts = [_parsed(section) for section in sections]
            if all(isinstance(part, dict) for part in parts):
                return {key: value for part in parts for key, value in part.items()}
    except (yaml.YAMLError, ValueError):
        pass  # a section that cannot stand alone
    try:
        content = _parsed(text)
    except (yaml.YAMLError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Any:
    return yaml.load(text, Loader=_LOADER)  # noqa: S506  # either is a safe loader


def read_config(run: Path) -> dict[str, Any]:
    """Content of a run's ``config.yaml``, empty where it is missing or damaged."""
    try:
        return parse_config((run / "config.yaml").read_text("utf-8"))
    except (OSError, ValueError):
        return {}


def kinds(tasks: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> list[Kind]:
    """Kind of every run of a study.

    A run that broke off before it said what it forecasts is taken to be of the study's only kind,
    if there is only one.

    Args:
        tasks: task per run, empty where it is not known.
        configs: content of ``config.yaml`` per run, empty where it is not known.
    """
    targets = _only(_labels([config.get("target") for config in configs]))
    data = _only(_labels([config.get("data") for config in configs]))
    asked: dict[str, set[str]] = {}
    for task, target in zip(tasks, targets, strict=True):
        asked.setdefault(target, set()).update({task} - {""})
    return [
        Kind(task or (min(asked[target]) if len(asked[target]) == 1 else ""), target, source)
        for task, target, source in zip(tasks, targets, data, strict=True)
    ]


def _only(labels: list[str]) -> list[str]:
    """The labels, the unknown ones replaced where all known ones are the same."""
    known = set(labels) - {""}
    return [label or min(known) for label in labels] if len(known) == 1 else labels


def _labels(sections: Sequence[object]) -> list[str]:
    """Name of each component, with the settings in which those of one name differ."""
    given = [_settings(section) for section in sections]
    names = [settings.pop("name", "") for settings in given]
    alike: dict[str, list[dict[str, str]]] = {}
    for name, settings in zip(names, given, strict=True):
        alike.setdefault(name, []).append(settings)
    differing = {
        name: {key for key in set().union(*group) if len({own.get(key) for own in group}) > 1}
        for name, group in alike.items()
    }
    labels = []
    for name, settings in zip(names, given, strict=True):
        stated = ", ".join(f"{k}={value}" for k, value in settings.items() if k in differing[name])
        labels.append(f"{name}({stated})" if name and stated else name)
    return labels


def _settings(section: object) -> dict[str, str]:
    """Settings as text by dotted key."""
    if not isinstance(section, Mapping):
        return {}
    return {key: str(value) for key, value in flat(section).items()}
