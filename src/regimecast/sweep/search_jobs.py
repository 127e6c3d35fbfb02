"""The jobs of a search: from a point of the space to a config that Hydra composed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import filter_overrides
from omegaconf import OmegaConf

from regimecast.core.config import study_folder
from regimecast.core.hydra_errors import hydra_explained
from regimecast.sweep.bars import BarsHashes
from regimecast.sweep.composing import Composer
from regimecast.sweep.jobs import SweepJob
from regimecast.sweep.space import Point, Space
from regimecast.sweep.study import Asked
from regimecast.tracking.identity import job_identity

__all__ = ["SearchJobs", "search_node", "search_study", "shared_config"]

Corners = list[list[tuple[tuple[str, ...], dict[str, Any]]]]
"""Overrides and configs of a space's corners, by branch."""

_NOT_OF_JOB = ("sweep=", "sweep.", "+sweep.", "++sweep.")
"""Overrides that say how the search goes."""


class SearchJobs:
    """Makes the jobs of a search.

    Args:
        config: of the search, composed by Hydra without what is swept.
        loader: Hydra's.
        space: what is searched.
    """

    def __init__(self, config: Any, loader: Any, space: Space) -> None:
        self._space = space
        self._composer = Composer(loader, config)
        self._bars = BarsHashes()
        # The study's default name is a time stamp; all jobs share the first one.
        self._study = f"study='{config.study}'"

    def corners(self) -> Corners:
        """Overrides and configs of the corners of the space, by branch; a slip costs nothing yet.

        Raises:
            ConfigError: a key or an option does not exist, or a value cannot be.
        """
        return [
            [(self._space.overrides(point), self._config(point)) for point in branch]
            for branch in self._space.corners()
        ]

    def bars(self, corners: Corners) -> list[str]:
        """Content hashes of the bars that jobs of the space see."""
        configs = [config for branch in corners for _, config in branch]
        return sorted({self._bars.of(config) for config in configs})

    def job(self, asked: Asked) -> SweepJob:
        """The job of a trial.

        Raises:
            ConfigError: a key or an option does not exist, or a value is missing.
        """
        config = self._config(asked.point)
        return SweepJob(
            asked.number,
            self.overrides(asked.point),
            config,
            self._space.overrides(asked.point),
            job_identity(config, self._bars.of(config)),
        )

    def changed(self, job: SweepJob, number: int, changes: Sequence[Mapping[str, Any]]) -> SweepJob:
        """A job with numbers of the optimizer that change on the way.

        Args:
            job: the same without changes.
            number: its own.
            changes: see `parse_changes`.
        """
        text = f"changes={_grammar(list(changes))}"
        config = {**job.config, "changes": list(changes)}
        return SweepJob(
            number,
            (*job.overrides, text),
            config,
            (*job.distinct, text),
            job_identity(config, self._bars.of(config)),
        )

    def overrides(self, point: Point) -> tuple[str, ...]:
        """What the user would give to run a point by itself."""
        given = filter_overrides([*self._space.fixed, *self._space.overrides(point)])
        return tuple(override for override in given if not override.startswith(_NOT_OF_JOB))

    def _config(self, point: Point) -> dict[str, Any]:
        overrides = [*self._space.fixed, *self._space.overrides(point)]
        with hydra_explained(overrides):
            return self._composer.compose([*overrides, self._study])


def _grammar(value: Any) -> str:
    """Plain values as an override has them."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_grammar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_grammar, value)) + "]"
    return repr(value)


def shared_config(config: Any) -> dict[str, Any]:
    """What all jobs of a search have, plain values; what must be given may still be missing."""
    kept = [str(key) for key in config if key not in ("hydra", "sweep")]
    values = OmegaConf.to_container(OmegaConf.masked_copy(config, kept), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def search_study(config: Any) -> Path:
    """Folder of the study.

    Raises:
        ConfigError: it would be outside the folder of all studies.
    """
    return study_folder({"runs": config.runs, "study": config.study})


def search_node(config: Any) -> Mapping[str, Any]:
    """The ``sweep`` node, plain values."""
    values = OmegaConf.to_container(config.sweep, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}
