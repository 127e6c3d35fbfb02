"""Run folders of jobs that a search has ended say so, whoever was killed meanwhile."""

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from regimecast.core.errors import BusyError
from regimecast.sweep.jobs import ENDED, SweepJob, find_job
from regimecast.sweep.study import Search
from regimecast.tracking.folder import end_dead, read_status
from regimecast.tracking.ledger import Ledger
from regimecast.tracking.open_trial import record_ended

__all__ = ["CLOSING_SECONDS", "close_pruned", "wait_until_closed"]

CLOSING_SECONDS = 30.0
"""Time that a stopped search gives its jobs to close their folders."""
_LOOK_AGAIN = 0.05


def wait_until_closed(jobs: Sequence[SweepJob]) -> None:
    """Returns when the folders of jobs that were stopped say so, or time is up."""
    deadline = time.monotonic() + CLOSING_SECONDS
    for job in jobs:
        while time.monotonic() < deadline and job.identity is not None:
            found = find_job(job.study, job.identity)
            if found is None or found[1] != "running":
                break
            time.sleep(_LOOK_AGAIN)


def close_pruned(search: Search, ledger: Path) -> None:
    """Says of jobs that were cut that they were, where their process was killed before it could.

    A search tells Optuna of a cut first: it is never taken back.

    Args:
        search: nobody else works on.
        ledger: folder where its trials are recorded.
    """
    late = False
    for told in search.told():
        folder = Path(told.facts.get("folder") or "")
        if told.status != "pruned" or not (folder / "manifest.json").is_file():
            continue
        if read_status(folder) not in ENDED:
            with suppress(BusyError):  # it is about to say so itself
                end_dead(folder, "pruned", f"after step {told.facts.get('steps')}")
                late = True
    if late:
        record_ended(Ledger(ledger))
