"""A table on the terminal of how far a sweep is; nothing where there is no terminal."""

import logging
import sys
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.logging import RichHandler
from rich.table import Table
from rich.text import Text

from regimecast.sweep.status import SweepStatus

__all__ = ["LiveTable"]

_A_SECOND = 2
"""Pictures."""
_ROWS = 12
"""Running jobs that are shown."""


class LiveTable:
    """Context in which the table is on the terminal, below what the log says.

    Args:
        status: what to show.
    """

    def __init__(self, status: SweepStatus) -> None:
        self._status = status
        self._live: Live | None = None

    @staticmethod
    def wanted() -> bool:
        """Whether there is a terminal; jobs are to be quiet there."""
        return sys.stderr.isatty()

    def __enter__(self) -> "LiveTable":
        handlers = logging.getLogger("regimecast").handlers
        rich = [handler for handler in handlers if isinstance(handler, RichHandler)]
        if self.wanted() and rich:
            # On the log's own console, so that its lines go above the table.
            self._live = Live(
                get_renderable=self.table,
                console=rich[0].console,
                refresh_per_second=_A_SECOND,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def table(self) -> Group:
        """The picture of this moment."""
        status = self._status
        counts = status.counts
        total = "" if status.total is None else f" of {status.total}"
        said = [f"{counts['done']}{total} done"]
        said += [f"{counts[name]} {name}" for name in ("running", "pruned") if counts[name]]
        if failed := counts["failed"] + counts["interrupted"]:
            said.append(f"{failed} failed")
        if (best := status.best) is not None:
            said.append(f"best {best.objective:.5g} ({best.title})")
        said.append(duration(status.seconds))
        if (left := status.seconds_left) is not None:
            said.append(f"{duration(left)} left")
        table = Table(box=None, pad_edge=False)
        table.add_column("job", justify="right")
        table.add_column("", no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column("step", justify="right")
        table.add_column("validation", justify="right")
        running = [job for job in status.jobs.values() if job.status == "running"]
        for job in running[:_ROWS]:
            objective = "" if job.objective is None else f"{job.objective:.5g}"
            table.add_row(str(job.number), Text(job.title), str(job.step or ""), objective)
        if len(running) > _ROWS:
            table.add_row("", f"and {len(running) - _ROWS} more", "", "")
        return Group(table, Text(", ".join(said), style="bold"))


def duration(seconds: float) -> str:
    """A time as people say it: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
