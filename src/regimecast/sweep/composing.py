"""Configs of a sweep's jobs, composed by Hydra where they differ in more than plain values.

Hydra takes a seventh of a second for a config, which is minutes for a sweep of a thousand jobs.
Jobs that choose the same options differ in values alone, and those can be put into the config of
the first of them, unless some other value refers to them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import Container, OmegaConf, open_dict

from regimecast.core.config import plain

__all__ = ["Composer"]

_PLAIN = (bool, int, float, str, type(None))


class Composer:
    """Makes configs of jobs from their overrides.

    Args:
        loader: Hydra's.
        config: the sweep's own, composed by Hydra without what is swept.
    """

    def __init__(self, loader: ConfigLoader, config: Any) -> None:
        self._loader = loader
        self._config = config
        self._templates: dict[tuple[str, ...], _Template] = {}
        parser = OverridesParser.create(config_loader=loader)
        self._parse = lru_cache(None)(parser.parse_override)
        self._is_group = lru_cache(None)(lambda key: bool(loader.get_group_options(key)))

    def compose(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Resolved config of a job, as plain values; the same as if Hydra had composed it.

        Raises:
            HydraException: an override does not parse or names something unknown.
            ConfigError: a value that has to be given is missing.
        """
        parsed = [self._parse(override) for override in overrides]
        values = {o.key_or_group: o.value() for o in parsed if self._is_value(o)}
        shape = tuple(o.key_or_group if self._is_value(o) else str(o.input_line) for o in parsed)
        template = self._templates.get(shape)
        if template is None:
            composed = self._composed(overrides)
            config = plain(composed)
            words = frozenset(_words_referred_to(composed))
            self._templates[shape] = _Template(_copied(config), values, words)
            return config
        changed = {
            key: value for key, value in values.items() if repr(value) != repr(template.values[key])
        }
        if not all(template.takes(key) for key in changed):
            return plain(self._composed(overrides))
        return template.with_values(changed)

    def _composed(self, overrides: Sequence[str]) -> Any:
        config = self._loader.load_sweep_config(self._config, list(overrides))
        with open_dict(config):
            del config["hydra"]
        return config

    def _is_value(self, override: Override) -> bool:
        """Whether it sets a plain value of a key, and nothing can hang on it."""
        if override.is_add() or override.is_force_add() or override.is_delete():
            return False
        if override.package is not None or self._is_group(override.key_or_group):
            return False
        value = override.value()
        items = value if isinstance(value, list) else [value]
        return all(isinstance(item, _PLAIN) and not _refers(item) for item in items)


@dataclass(frozen=True)
class _Template:
    """Config of the first job with some options, and the values that it set."""

    config: dict[str, Any]
    values: dict[str, Any]
    referred: frozenset[str]
    """Words of keys that some value refers to."""

    def takes(self, key: str) -> bool:
        """Whether a value can be put there: there is one, and no other refers to it."""
        *parents, last = key.split(".")
        node: Any = self.config
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        known = isinstance(node, dict) and last in node and not isinstance(node[last], dict)
        return known and self.referred.isdisjoint((*parents, last))

    def with_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """The config with other values."""
        config: dict[str, Any] = _copied(self.config)
        for key, value in values.items():
            *parents, last = key.split(".")
            node = config
            for parent in parents:
                node = node[parent]
            node[last] = _copied(value)
        return config


def _copied(value: Any) -> Any:
    """Plain values once more; `copy.deepcopy` takes ten times as long."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _refers(value: Any) -> bool:
    return isinstance(value, str) and ("${" in value or value == "???")


def _words_referred_to(config: Container) -> set[str]:
    """Every word of every reference between values."""
    texts: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                look(item)
        elif isinstance(value, list):
            for item in value:
                look(item)
        elif _refers(value):
            texts.append(value)

    look(OmegaConf.to_container(config, resolve=False))
    return {word for text in texts for word in re.findall(r"\w+", text)}
