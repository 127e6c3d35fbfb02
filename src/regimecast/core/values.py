"""Values of a config against the annotations of what they are for."""

from collections.abc import Collection, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from regimecast.core.errors import ConfigError

__all__ = ["fitting"]

_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
    Any: "values",
}


class _MismatchError(Exception):
    """A value is not what its annotation says."""


def fitting(key: str, value: Any, annotation: Any) -> Any:
    """The value as its annotation wants it: a whole number becomes a float where one is asked for.

    Numbers, text, lists, mappings, literals and their unions are checked. Other annotations are for
    what code passes, and whatever comes is theirs.

    Args:
        key: where it stands in the config, for the message.
        value: plain Python value.
        annotation: of the parameter that takes it.

    Raises:
        ConfigError: it is something else.
    """
    try:
        return _fit(value, annotation)
    except _MismatchError:
        raise ConfigError(f"{key}={value!r} must be {_describe(annotation)}") from None


def _fit(value: Any, annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return _fit_one_of(value, arguments)
    if origin is Literal:
        return _require(value, value in arguments)
    if annotation is float:
        return float(
            _require(value, isinstance(value, int | float) and not isinstance(value, bool))
        )
    if annotation is Any:
        return value
    if annotation in _NAMES:
        return _require(value, type(value) is annotation)
    if not isinstance(origin, type):
        return value
    if issubclass(origin, Mapping):
        _require(value, isinstance(value, Mapping))
        return {k: _fit(v, arguments[1]) for k, v in value.items()}
    if issubclass(origin, Collection):
        _require(value, isinstance(value, list | tuple))
        if origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
            return value
        return type(value)(_fit(item, arguments[0]) for item in value)
    return value


def _fit_one_of(value: Any, annotations: Sequence[Any]) -> Any:
    """Exact types first, so that ``float | int`` leaves a whole number what it is."""
    for annotation in sorted(annotations, key=lambda a: type(value) is not a):
        if isinstance(annotation, type) and annotation not in _NAMES:
            if isinstance(value, annotation):
                return value
            continue
        try:
            return _fit(value, annotation)
        except _MismatchError:
            continue
    raise _MismatchError


def _require(value: Any, fits: bool) -> Any:
    if not fits:
        raise _MismatchError
    return value


def _describe(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return " or ".join(_describe(argument) for argument in arguments)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"a mapping of {_describe(arguments[1])}"
    if isinstance(origin, type) and issubclass(origin, Collection):
        return f"a list of {_describe(arguments[0])}"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))
