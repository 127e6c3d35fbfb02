"""What can be known of a search's jobs before data are read or anything is trained."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from regimecast.assembly import Assembly
from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.evaluation.validation import validation_names

__all__ = ["rehearse"]

_log = logging.getLogger(__name__)


def rehearse(
    branches: Iterable[Sequence[tuple[Sequence[str], Mapping[str, Any]]]],
    objectives: Mapping[str, str],
) -> None:
    """Nothing, if jobs can be made and report the objectives; a warning for some that cannot be.

    Two ends of a space that do not go together may be all right with what is between them.

    Args:
        branches: corners of the space by what else is there, such as the model: the overrides of
            each and its config.
        objectives: of the search.

    Raises:
        ConfigError: no corner of a branch can be made, or one would not report an objective.
    """
    for branch in branches:
        refused = []
        for overrides, config in branch:
            try:
                assembly = Assembly.from_config(config, trains=False)
            except ConfigError as error:
                refused.append(f"{' '.join(overrides) or 'defaults'}: {error}")
                continue
            _check_reported(assembly, objectives)
        if refused and len(refused) == len(branch):
            raise ConfigError(refused[0])
        for text in refused:
            _log.warning("such a job would fail: %s", text)


def _check_reported(assembly: Assembly, objectives: Mapping[str, str]) -> None:
    loss = assembly.rehearsed_model().loss
    reported = validation_names(
        loss.kind, loss.levels, assembly.target.horizon, strategy=assembly.trading
    )
    for name in objectives:
        if name not in reported:
            raise ConfigError(
                f"sweep.objectives names {name!r}, which no job with "
                f"target={assembly.target.name} and model={assembly.config['model']['name']} "
                f"reports.{did_you_mean(name, reported)} Allowed: {', '.join(reported)}"
            )
