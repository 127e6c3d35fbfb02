"""Registries of components: lazy, strict, and open to outside packages.

A component is a class decorated with ``@XRegistry.register("name")`` in any module of the
registry's package. Names are found by reading the source text for that decorator, so that listing
them imports nothing and creating one imports only its own file; there is no list to keep by hand.
Outside packages add components through the entry-point group ``regimecast.<package>``. A name is
for one class: a second one is an error wherever it comes from.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.values import fitting

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of component and how to make them.

    Args:
        kind: what a user calls it and the name of its config group, such as ``model``.
        base: class that every component derives from.
        package: dotted package whose modules hold the components, such as ``regimecast.models``.
        attribute: name of the registry object in the source, such as ``ModelRegistry``.
    """

    def __init__(self, kind: str, base: type[Any], *, package: str, attribute: str) -> None:
        self.kind = kind
        self.base = base
        self.package = package
        self._decorator = re.compile(
            rf"^@{attribute}\.register\(\s*[\"']([^\"']+)[\"']\s*\)", re.MULTILINE
        )
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Decorator that gives a class its name.

        Raises:
            ConfigError: the name is taken by another class, or the class is of another base.
        """

        def add(component: type[T]) -> type[T]:
            if not (inspect.isclass(component) and issubclass(component, self.base)):
                raise ConfigError(
                    f"{self.kind} {name!r} must be a subclass of {_path(self.base)}; "
                    f"{component!r} is none"
                )
            taken = self._classes.get(name)
            if taken is not None and _path(taken) != _path(component):
                raise self._registered_twice(name, _path(taken), _path(component))
            component.name = name  # type: ignore[attr-defined]  # every component base declares it
            self._classes[name] = component
            return component

        return add

    def available(self) -> tuple[str, ...]:
        """Every name, sorted; nothing is imported.

        Raises:
            ConfigError: two modules or packages register one name.
        """
        return tuple(sorted({*self._modules, *self._entry_points, *self._classes}))

    def get(self, name: str) -> type[T]:
        """Class of that name; imports only its own file.

        Raises:
            ConfigError: unknown name, and the message lists the allowed ones; or two modules or
                packages register one name.
        """
        if name not in self._classes:
            outside = self._entry_points
            if name in self._modules:
                import_module(self._modules[name])
            elif name in outside:
                self.register(name)(outside[name].load())
            else:
                raise ConfigError(
                    f"unknown {self.kind} {name!r}.{did_you_mean(name, self.available())} "
                    f"Available: {', '.join(self.available())}"
                )
        return self._classes[name]

    def create(self, name: str, /, **params: Any) -> T:
        """A component of that name.

        Raises:
            ConfigError: unknown name, unknown or missing parameter, or a value of another type.
        """
        component = self.get(name)
        return component(**self.check(name, params))

    def parameters(self, name: str) -> Mapping[str, inspect.Parameter]:
        """Constructor parameters of a component, ``self`` left out."""
        return inspect.signature(self.get(name)).parameters

    def check(
        self, name: str, params: Mapping[str, Any], *, given: Sequence[str] = ()
    ) -> dict[str, Any]:
        """The parameters as the constructor wants them; see `fitting`.

        Args:
            name: the component.
            params: parameters by name.
            given: parameters that the code adds later and a config may not hold.

        Raises:
            ConfigError: they are not exactly those the constructor takes, or of another type.
        """
        parameters = self.parameters(name)
        allowed = {key: value for key, value in parameters.items() if key not in given}
        for key in params:
            if key not in allowed:
                raise ConfigError(
                    f"{self.kind} {name!r} has no parameter {key!r} (value {params[key]!r})."
                    f"{did_you_mean(key, allowed)} Allowed: {', '.join(allowed) or 'none'}"
                )
        missing = [
            key
            for key, parameter in allowed.items()
            if parameter.default is parameter.empty and key not in params
        ]
        if missing:
            raise ConfigError(f"{self.kind} {name!r} needs {', '.join(missing)}")
        return {
            key: fitting(f"{self.kind} {name!r}: {key}", value, allowed[key].annotation)
            for key, value in params.items()
        }

    @cached_property
    def _modules(self) -> dict[str, str]:
        """Module of each built-in name, from the source text."""
        origin = import_module(self.package).__file__
        assert origin is not None
        modules: dict[str, str] = {}
        for path in sorted(Path(origin).parent.glob("*.py")):
            module = f"{self.package}.{path.stem}"
            for name in self._decorator.findall(path.read_text(encoding="utf-8")):
                if name in modules:
                    raise self._registered_twice(name, modules[name], module)
                modules[name] = module
        return modules

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        """Entry point of each name from outside packages."""
        points: dict[str, EntryPoint] = {}
        for point in _installed().select(group=self.package):
            first = self._modules.get(point.name) or getattr(points.get(point.name), "value", None)
            if first not in (None, point.value):
                raise self._registered_twice(point.name, first, f"entry point {point.value}")
            points[point.name] = point
        return points

    def _registered_twice(self, name: str, first: str, second: str) -> ConfigError:
        return ConfigError(f"{self.kind} {name!r} is registered twice: by {first} and {second}")


def _path(component: type[Any]) -> str:
    return f"{component.__module__}.{component.__qualname__}"


@cache
def _installed() -> Any:
    """Entry points of every installed package (their class depends on Python's version).

    Reading them takes a while, so that it is done once for all registries.
    """
    return entry_points()
