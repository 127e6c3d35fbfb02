"""What a run is made of, from its ``metrics.json`` or, if it ended before that, its config."""

from collections.abc import Mapping
from typing import Any

__all__ = ["is_fast_dev_run", "part_names"]


def part_names(
    group: str, metrics: Mapping[str, Any], config: Mapping[str, Any]
) -> tuple[str, ...]:
    """Names of a run's components of a group, or its ``seed``; empty where it is not known.

    Args:
        group: such as ``model`` or ``weighting``.
        metrics: content of ``metrics.json``, empty where there is none.
        config: content of ``config.yaml``, likewise.
    """
    value = metrics.get(group)
    if value is None or isinstance(value, Mapping):  # a section of that name
        value = config.get(group)
        if isinstance(value, Mapping):
            value = value.get("name") or list(value)
    if value is None or value == "":
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def is_fast_dev_run(config: Mapping[str, Any]) -> bool:
    """Whether training was a few batches long: ``trainer.fast_dev_run``, as ``debug=fast`` sets."""
    trainer = config.get("trainer")
    return isinstance(trainer, Mapping) and bool(trainer.get("fast_dev_run"))
