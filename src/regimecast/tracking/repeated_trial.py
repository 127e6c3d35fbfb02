"""A trial that is run again: it stays the one that the ledger has."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from regimecast.tracking.open_trial import OpenTrial

__all__ = ["Repeat", "RepeatedTrial", "is_repeated"]


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Which run a job repeats.

    Args:
        run: its folder.
        job: the name that the new folder is to have.
        trial: its trial, if this is the same one: same config, data and code. None for a trial of
            its own.
        threads: of torch.
    """

    run: Path
    job: str
    trial: str | None
    threads: int | None

    def entries(self) -> dict[str, Any]:
        """What the run's ``manifest.json`` says from the start."""
        about = {"run": str(self.run.resolve()), "counted": self.trial is None}
        return {"rerun_of": about} | ({} if self.trial is None else {"trial": {"id": self.trial}})


def is_repeated(manifest: Mapping[str, Any]) -> bool:
    """Whether a run of this manifest is a trial that the ledger has already."""
    return not manifest.get("rerun_of", {}).get("counted", True)


class RepeatedTrial(OpenTrial):
    """Adds nothing to the ledger."""

    @override
    def begin(self) -> dict[str, Any]:
        """What the run's manifest says about the trial."""
        run = Path(self._known["run"])
        return {"id": self.name, "ledger": os.path.relpath(self.ledger.folder.resolve(), run)}

    @override
    def judged_on(self, data: str, bars_per_year: float) -> None:
        """Nothing: the ledger knows."""

    @override
    def close(self) -> None:
        """Nothing: it is recorded."""
