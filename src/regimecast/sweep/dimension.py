"""One thing that a search varies: a key of the config, or a group, and the values it may take."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import (
    ChoiceSweep,
    IntervalSweep,
    Override,
    RangeSweep,
)
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from regimecast.core.errors import ConfigError

__all__ = ["Dimension", "dimension"]

_TAGS = frozenset({"log", "int", "float"})
_WHOLE = re.compile(r"interval\(\s*[+-]?\d+\s*,\s*[+-]?\d+\s*\)")
"""An interval between whole numbers."""
_DIGITS = 4
"""Significant digits of a drawn number: more decide nothing, and have to be read and copied."""


@dataclass(frozen=True)
class Dimension:
    """A key and its values.

    Args:
        key: as in an override, such as ``optimizer.lr`` or ``model``.
        distribution: of the values, as Optuna has them; categories are an override's text.
        when: options of groups that must have been chosen for it to be there; always, if empty.
    """

    key: str
    distribution: BaseDistribution
    when: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """What Optuna calls it: two models may give one key other values each."""
        condition = ",".join(f"{group}={option}" for group, option in self.when)
        return f"{self.key}[{condition}]" if condition else self.key

    @property
    def choices(self) -> tuple[str, ...]:
        """Every value as an override's text.

        Raises:
            ConfigError: there are too many to be listed.
        """
        match self.distribution:
            case CategoricalDistribution():
                return tuple(str(choice) for choice in self.distribution.choices)
            case IntDistribution(low=low, high=high, step=step):
                return tuple(str(value) for value in range(low, high + 1, step))
            case FloatDistribution(low=low, high=high, step=float(step)):
                steps = round((high - low) / step)
                return tuple(_text(low + i * step) for i in range(steps + 1))
        raise ConfigError(
            f"{self.key}: a grid has no end of values in an interval; allowed: choice(…), range(…)"
        )

    @property
    def endless(self) -> bool:
        """Whether its values cannot be listed."""
        return isinstance(self.distribution, FloatDistribution) and self.distribution.step is None

    def suggest(self, trial: Any) -> str:
        """The value that Optuna gives a trial, as an override's text."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return str(trial.suggest_categorical(self.name, choices))
            case IntDistribution(low=low, high=high, log=log, step=step):
                return str(trial.suggest_int(self.name, low, high, log=log, step=step))
            case FloatDistribution(low=low, high=high, log=log, step=step):
                return self.text(trial.suggest_float(self.name, low, high, log=log, step=step))
        raise AssertionError(self.distribution)

    def text(self, value: Any) -> str:
        """A value of Optuna's as an override's text."""
        if isinstance(self.distribution, FloatDistribution):
            low, high = self.distribution.low, self.distribution.high
            return _text(min(max(float(f"{value:.{_DIGITS}g}"), low), high))
        return str(value)

    def describe(self) -> str:
        """Key, condition and values in Hydra's grammar, the same text for the same dimension."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                values = f"choice({','.join(map(str, choices))})"
            case IntDistribution(low=low, high=high, step=step) if step > 1:
                values = f"range({low},{high + 1},{step})"
            case FloatDistribution(low=low, high=high, step=float(step)):
                values = f"range({low!r},{high + step / 2:.12g},{step!r})"
            case IntDistribution(low=low, high=high) | FloatDistribution(low=low, high=high):
                values = f"interval({low!r},{high!r})"
            case _:
                raise AssertionError(self.distribution)
        log = getattr(self.distribution, "log", False)
        return f"{self.name}={f'tag(log,{values})' if log else values}"


def dimension(override: Override, *, when: Mapping[str, str] | None = None) -> Dimension:
    """The dimension that a sweep of Hydra's grammar describes.

    Raises:
        ConfigError: it cannot be searched over, or holds no value.
    """
    key, given = override.get_key_element(), override.input_line or override.get_key_element()
    condition = tuple((when or {}).items())
    value = override.value()
    if override.is_delete() or not override.is_sweep_override():
        raise ConfigError(
            f"{given!r} names one value; a search needs choice(…), range(…), interval(…) or "
            "tag(log, interval(…))"
        )
    tags = value.tags if isinstance(value, ChoiceSweep | RangeSweep | IntervalSweep) else set()
    if unknown := sorted(set(tags) - _TAGS):
        raise ConfigError(f"{given!r}: unknown tag {unknown[0]!r}; allowed: int, float, log")
    if isinstance(value, ChoiceSweep | RangeSweep) and value.shuffle:
        raise ConfigError(f"{given!r}: shuffle(…) means nothing here, a searcher has its own order")
    try:
        return Dimension(key, _distribution(override, value, tags), condition)
    except ValueError as error:
        raise ConfigError(f"{given!r}: {error}") from error


def _distribution(override: Override, value: Any, tags: set[str]) -> BaseDistribution:
    log = "log" in tags
    if isinstance(value, IntervalSweep):
        low, high = value.start, value.end
        assert low is not None
        assert high is not None
        # Hydra makes numbers with a point of both ends; what was written says what was meant.
        written = _WHOLE.search(override.input_line or "") is not None
        whole = "float" not in tags and (
            written or (isinstance(low, int) and isinstance(high, int))
        )
        if whole or "int" in tags:
            if low != int(low) or high != int(high):
                raise ValueError("the ends of an interval of whole numbers must be whole")
            return IntDistribution(int(low), int(high), log=log)
        return FloatDistribution(float(low), float(high), log=log)
    if isinstance(value, RangeSweep):
        values = list(value.range())
        if not values:
            raise ValueError("the range is empty")
        low, high = min(values), max(values)
        step = abs(value.step) if value.step else 1
        if all(isinstance(one, int) for one in values):
            return IntDistribution(int(low), int(high), log=log, step=int(step))
        low, high = (float(f"{end:.12g}") for end in (low, high))  # sums of steps
        return FloatDistribution(low, high, log=log, step=float(step))
    if log:
        raise ValueError("tag(log, …) is for range(…) and interval(…)")
    choices = list(dict.fromkeys(override.sweep_string_iterator()))
    if not choices:
        raise ValueError("there is nothing to choose from")
    return CategoricalDistribution(choices)


def _text(value: float) -> str:
    value = float(f"{value:.12g}")  # the sum of a range's steps
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
