"""Registries of components: lazy, strict, and open to outside packages.

A component is a class decorated with ``@XRegistry.register("name")`` in any module of the
registry's package. Names are found by reading the source text for that decorator, so that listing
them imports nothing and creating one imports only its own file; there is no list to keep by hand.
Outside packages add components through the entry-point group ``regimecast.<package>``.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
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
        package: dotted package whose modules hold the components, such as ``regimecast.models``.
        attribute: name of the registry object in the source, such as ``ModelRegistry``.
    """

    def __init__(self, kind: str, *, package: str, attribute: str) -> None:
        self.kind = kind
        self.package = package
        self._decorator = re.compile(
            rf"^@{attribute}\.register\(\s*[\"']([^\"']+)[\"']\s*\)", re.MULTILINE
        )
        self._classes: dict[str, type[T]] = {}

    def register(self, name: str) -> Callable[[type[T]], type[T]]:
        """Decorator that gives a class its name.

        Raises:
            ConfigError: the name is taken by another class.
        """

        def add(component: type[T]) -> type[T]:
            taken = self._classes.get(name)
            if taken is not None and taken.__qualname__ != component.__qualname__:
                raise ConfigError(
                    f"{self.kind} {name!r} is registered twice: "
                    f"{taken.__module__}.{taken.__qualname__} and "
                    f"{component.__module__}.{component.__qualname__}"
                )
            component.name = name  # type: ignore[attr-defined]  # every component base declares it
            self._classes[name] = component
            return component

        return add

    def available(self) -> tuple[str, ...]:
        """Every name, sorted; nothing is imported."""
        return tuple(sorted({*self._modules, *self._entry_points, *self._classes}))

    def get(self, name: str) -> type[T]:
        """Class of that name; imports only its own file.

        Raises:
            ConfigError: unknown name; the message lists the allowed ones.
        """
        if name not in self._classes:
            if name in self._modules:
                import_module(self._modules[name])
            elif name in self._entry_points:
                self._classes[name] = self._entry_points[name].load()
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
            for name in self._decorator.findall(path.read_text(encoding="utf-8")):
                modules[name] = f"{self.package}.{path.stem}"
        return modules

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.package)}
