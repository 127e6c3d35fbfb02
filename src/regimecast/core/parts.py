"""Parts from the groups of a resolved config: by name through a registry, or plain settings."""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, TypeVar

from regimecast.core.config import split_name
from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.registry import Registry
from regimecast.core.values import fitting

__all__ = ["check_keys", "component", "settings"]

T = TypeVar("T")


def component(registry: Registry[T], group: str, config: Mapping[str, Any]) -> T:
    """The component that a group names.

    Raises:
        ConfigError: unknown name; unknown, missing or wrong parameter.
    """
    name, params = split_name(fitting(group, config[group], Mapping[str, Any]), group)
    return registry.create(name, **params)


def settings(kind: type[T], group: str, config: Mapping[str, Any]) -> T:
    """A plain settings class from its group, every parameter given and no other.

    Raises:
        ConfigError: unknown, missing or wrong key.
    """
    parameters = signature(kind).parameters
    check_keys(group, config[group], tuple(parameters))
    return kind(
        **{
            key: fitting(f"{group}.{key}", value, parameters[key].annotation)
            for key, value in config[group].items()
        }
    )


def check_keys(group: str, given: Any, allowed: Sequence[str]) -> None:
    """Nothing, if a group has exactly these keys.

    Raises:
        ConfigError: a key is unknown or missing, or the group is no mapping.
    """
    fitting(group, given, Mapping[str, Any])
    for key in given:
        if key not in allowed:
            raise ConfigError(
                f"{group} has no key {key!r}.{did_you_mean(str(key), allowed)} "
                f"Allowed: {', '.join(allowed)}"
            )
    if missing := [key for key in allowed if key not in given]:
        raise ConfigError(f"{group} needs {', '.join(missing)}")
