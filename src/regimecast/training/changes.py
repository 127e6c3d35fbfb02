"""Settings of the optimizer that change on the way, as a population-based search changes them.

    changes:
      - epoch: 20
        set: {optimizer.lr: 3.0e-4}

The lineage of such a search is then in the config of its job, which repeats it in one training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from regimecast.core.errors import ConfigError, did_you_mean

__all__ = ["Change", "parse_changes"]

_GROUP = "optimizer."
_OWN_RATES = ("OneCycleLR", "CyclicLR")
"""Schedules that hold rates of their own and never look at the optimizer's."""


@dataclass(frozen=True)
class Change:
    """What is set at the start of an epoch, in every fold."""

    epoch: int
    values: Mapping[str, float]
    """By the optimizer's own names, such as ``lr``."""


def parse_changes(
    given: Any, optimizer: Mapping[str, Any], scheduler: Mapping[str, Any] | None
) -> tuple[Change, ...]:
    """The changes of a config, in order of time.

    Args:
        given: the key ``changes``: mappings with ``epoch`` and ``set``.
        optimizer: config of the optimizer, whose numbers may change.
        scheduler: config of the schedule.

    Raises:
        ConfigError: a change is no such mapping, its epoch does not follow the one before, or it
            sets what is no number of the optimizer.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise ConfigError(f"changes={given!r} must be a list such as {_EXAMPLE}, or []")
    changes: list[Change] = []
    for number, one in enumerate(given):
        key = f"changes[{number}]"
        if not isinstance(one, Mapping) or set(one) != {"epoch", "set"}:
            raise ConfigError(f"{key}={one!r} must hold epoch and set, such as {_EXAMPLE}")
        after = changes[-1].epoch if changes else 0
        epoch = one["epoch"]
        if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch <= after:
            raise ConfigError(
                f"{key}.epoch={epoch!r} must be a whole number above {after}: epochs count from 0, "
                "where the config itself holds, and changes are in order of time"
            )
        changes.append(Change(epoch, _values(one["set"], f"{key}.set", optimizer, scheduler)))
    return tuple(changes)


_EXAMPLE = "[{epoch: 20, set: {optimizer.lr: 3.0e-4}}]"


def _values(
    given: Any, key: str, optimizer: Mapping[str, Any], scheduler: Mapping[str, Any] | None
) -> dict[str, float]:
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(f"{key}={given!r} must set something, such as {{optimizer.lr: 3.0e-4}}")
    allowed = [f"{_GROUP}{name}" for name, value in optimizer.items() if _is_number(value)]
    values = {}
    for name, value in given.items():
        if name not in allowed:
            raise ConfigError(
                f"{key}: {name!r} cannot change on the way.{did_you_mean(str(name), allowed)} "
                f"Allowed, the optimizer's numbers: {', '.join(allowed)}"
            )
        if not _is_number(value):
            raise ConfigError(f"{key}: {name}={value!r} must be a finite number")
        schedule = str((scheduler or {}).get("_target_")).rpartition(".")[2]
        if name == f"{_GROUP}lr" and schedule in _OWN_RATES:
            raise ConfigError(
                f"{key}: {name} has no effect with scheduler {schedule}, which holds rates of its "
                "own; allowed: another schedule"
            )
        values[name.removeprefix(_GROUP)] = float(value)
    return values


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
