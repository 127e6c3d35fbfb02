"""What a tracker is. One .py with a tracker and one .yaml with its parameters add it.

The run folder is the record; a tracker mirrors it elsewhere. One tracker serves one run.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from regimecast.core.registry import Registry

__all__ = ["INTERRUPTED", "Tracker", "TrackerRegistry"]

INTERRUPTED = 130
"""Exit code of a run that Ctrl-C ended."""


class Tracker(ABC):
    """Mirror of one run in a tracking service or file."""

    name: ClassVar[str]
    tables: ClassVar[bool] = False
    """Whether it shows tables."""

    @abstractmethod
    def start(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        """Opens the run.

        Args:
            study: name of the group of jobs.
            job: name of this run within the study.
            config: resolved config.
            folder: run folder, where a local tracker may keep its files.
        """

    def resume(self, *, study: str, job: str, config: Mapping[str, Any], folder: Path) -> None:
        """Opens the run of an earlier attempt again, or a new one where that cannot be."""
        self.start(study=study, job=job, config=config, folder=folder)

    @property
    def place(self) -> int | None:
        """How far the log has come, for `rewind`; None where nothing can be taken back."""
        return None

    def rewind(self, place: int) -> None:  # noqa: B027  # most cannot
        """Drops what was logged after this place, and will be logged again."""

    @abstractmethod
    def log_metrics(self, metrics: Mapping[str, float], *, step: int | None = None) -> None:
        """Numbers of one step, or of the whole run where there is no step. NaN is left out."""

    @abstractmethod
    def log_files(self, paths: list[Path]) -> None:
        """Files of the finished run."""

    def log_table(self, name: str, frame: pd.DataFrame) -> None:  # noqa: B027  # most have none
        """A table, where the service shows such."""

    @abstractmethod
    def finish(self, exit_code: int) -> None:
        """Closes the run; any code but 0 marks it as failed, `INTERRUPTED` as stopped."""


TrackerRegistry: Registry[Tracker] = Registry(
    "tracker", Tracker, package="regimecast.tracking", attribute="TrackerRegistry"
)
"""Every tracker by name; see `Registry`."""
