"""The validation objective of a run as it goes, in ``progress.csv`` and to whoever watches."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite, isnan, nan
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

from regimecast.core.errors import ConfigError
from regimecast.core.files import write_text
from regimecast.training.watch import Progress, Watch

__all__ = [
    "FILENAME",
    "FoldProgress",
    "Recorded",
    "Relayed",
    "RelayedReports",
    "Reports",
    "RunProgress",
    "read_progress",
]

FILENAME = "progress.csv"
"""In the run folder; see `read_progress`."""

_NO_SAMPLES = "the fold has no validation samples"
_HEADER = "step,fold,epoch,objective,current,best,seconds\n"


@dataclass(frozen=True)
class Recorded:
    """A row of ``progress.csv``."""

    progress: Progress
    best: float
    """Best value so far of the row's own fold."""
    seconds: float
    """Of work on the run until then, that of earlier attempts included."""

    def line(self) -> str:
        """The row as it stands in the file; numbers are read back to the bit."""
        told = self.progress
        values = told.step, told.fold, told.epoch, told.objective, told.current, self.best
        return f"{','.join(map(repr, values))},{self.seconds:.3f}\n"

    @classmethod
    def parse(cls, line: str) -> "Recorded":
        """The row of a line.

        Raises:
            ValueError: it is none.
        """
        step, fold, epoch, objective, current, best, seconds = line.split(",")
        progress = Progress(int(step), int(fold), int(epoch), float(objective), float(current))
        return cls(progress, float(best), float(seconds))


def read_progress(path: Path) -> list[Recorded]:
    """Rows of a run's ``progress.csv``; none where there is no such file.

    From the first line on that a kill, a full disk or a power cut has broken, be it the header, the
    rest is left out.

    Raises:
        ConfigError: it is another file.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    header, *lines = text.split("\n")[:-1] or [""]  # what follows the last break is none
    if not header or "\0" in header:  # blocks that were never written are read as zeros
        return []
    if f"{header}\n" != _HEADER:
        raise ConfigError(f"{path} is not the progress of a run: it begins with {header!r}")
    rows: list[Recorded] = []
    with suppress(ValueError):
        for line in lines:
            rows.append(Recorded.parse(line))  # noqa: PERF401  # those before a broken one stay
    return rows


@runtime_checkable
class Reports(Protocol):
    """Where a model says how it does on the validation part of its fold."""

    def record(self, epoch: int, value: float, best: float | None = None) -> None:
        """Writes a report down.

        Args:
            epoch: see `Progress`.
            value: objective of this epoch.
            best: the fold's best so far; the least of its values where left out.
        """

    def announce(self) -> None:
        """Tells what was recorded since the last time; returns when training may go on.

        Raises:
            Pruned: it shall not.
        """

    def restore(self, reported: Sequence[tuple[int, float]]) -> None:
        """Goes on after these reports of the fold, which count as announced.

        Args:
            reported: epoch and value of each; what else an earlier attempt wrote is dropped.
        """


class RunProgress:
    """Reports of all folds of a run.

    Args:
        path: file that each report is appended to, which may hold those of an earlier attempt; None
            keeps them in memory.
        watch: who is told; None is nobody.
        epochs: most that a fold may take, so that the same step is the same place in every job,
            wherever early stopping has ended its folds; None counts reports.
    """

    def __init__(
        self, path: Path | None = None, watch: Watch | None = None, *, epochs: int | None = None
    ) -> None:
        self.watch = watch
        self._epochs = epochs
        self.rows: list[Recorded] = [] if path is None else read_progress(path)
        self._path = path
        self._began = perf_counter()
        self._before = self.rows[-1].seconds if self.rows else 0.0
        self._in_file = False

    def fold(self, number: int) -> "FoldProgress":
        """Where the model of a fold reports; folds are trained in order."""
        return FoldProgress(self, number)

    def check_possible(self, samples: Sequence[int]) -> None:
        """Nothing, if every fold has validation samples or nobody watches.

        Raises:
            ConfigError: a search would wait for an objective that never comes.
        """
        for number, count in enumerate(samples):
            self.fold(number).check_possible(None if count else _NO_SAMPLES)

    @property
    def objective(self) -> float | None:
        """Mean of the folds' best values; None before any report."""
        return self.rows[-1].progress.objective if self.rows else None

    def keep(self, rows: int) -> None:
        """Drops all but the first so many rows."""
        del self.rows[rows:]
        if self._path is not None and (self.rows or self._path.exists()):
            write_text(self._path, _HEADER + "".join(row.line() for row in self.rows))
            self._in_file = True

    def add(self, fold: int, epoch: int, value: float, best: float) -> Progress:
        """A further report, written down."""
        bests = {row.progress.fold: row.best for row in self.rows} | {fold: best}
        objective = sum(bests.values()) / len(bests)
        step = 1 + (self.rows[-1].progress.step if self.rows else 0)
        if self._epochs is not None:
            step = max(step, fold * self._epochs + epoch + 1)
        progress = Progress(step, fold, epoch, objective, value)
        row = Recorded(progress, best, self._before + perf_counter() - self._began)
        self.rows.append(row)
        if self._path is not None:
            text = row.line() if self._in_file else _HEADER + row.line()
            self._in_file = True
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
        return progress


class FoldProgress:
    """Reports of one fold; those of an earlier attempt at it count only once they are restored."""

    def __init__(self, run: RunProgress, number: int) -> None:
        self._run = run
        self._number = number
        self._begun = False
        self._pending: list[Progress] = []

    def record(self, epoch: int, value: float, best: float | None = None) -> None:
        """See `Reports`."""
        self._pending.append(self._add(epoch, value, best))

    def announce(self) -> None:
        """See `Reports`."""
        while self._pending:
            progress = self._pending.pop(0)
            if self._run.watch is not None:
                self._run.watch.report(progress)

    def restore(self, reported: Sequence[tuple[int, float]]) -> None:
        """See `Reports`."""
        told = [(row.progress.epoch, row.progress.current) for row in self._rows]
        same = next(
            (n for n, pair in enumerate(zip(told, reported, strict=False)) if pair[0] != pair[1]),
            min(len(told), len(reported)),
        )
        self._begin(same)
        for epoch, value in reported[same:]:
            self._add(epoch, value, None)

    def _add(self, epoch: int, value: float, best: float | None) -> Progress:
        self._begin()
        if best is None:
            values = [row.progress.current for row in self._rows] + [value]
            best = min((v for v in values if not isnan(v)), default=nan)
        return self._run.add(self._number, epoch, value, best)

    def check_possible(self, lack: str | None) -> None:
        """Nothing, if there will be something to report or nobody watches.

        Args:
            lack: why nothing is validated; None where something is.

        Raises:
            ConfigError: a search would wait for an objective that never comes.
        """
        if lack and self._run.watch is not None:
            raise ConfigError(
                f"fold {self._number}: there is no validation objective to report, since {lack}. "
                "Allowed in a search: a split with a validation part, and validation in training"
            )

    def check_made(self) -> None:
        """Nothing, if something was reported or nobody watches.

        Raises:
            ConfigError: training is over, and whoever watches has heard nothing.
        """
        none = "no epoch was validated, or none with a number for a loss"
        self.check_possible(none if self.best is None else None)

    @property
    def best(self) -> float | None:
        """Best value; None where nothing was reported, or no number."""
        rows = self._rows if self._begun else []
        return rows[-1].best if rows and isfinite(rows[-1].best) else None

    @property
    def _rows(self) -> list[Recorded]:
        return [row for row in self._run.rows if row.progress.fold == self._number]

    def _begin(self, reports: int = 0) -> None:
        """Drops what an earlier attempt reported of this fold but the first so many."""
        if not self._begun:
            earlier = sum(row.progress.fold < self._number for row in self._run.rows)
            self._run.keep(earlier + reports)
            self._begun = True


class RelayedReports:
    """Reports of a training process, for the process that waits for it; see `in_processes`.

    Nobody waits for an answer: whoever stops the run ends the process.

    Args:
        tell: sends a message.
    """

    def __init__(self, tell: Callable[[Any], None]) -> None:
        self._tell = tell

    def record(self, epoch: int, value: float, best: float | None = None) -> None:
        """See `Reports`."""
        self._tell(Relayed("record", (epoch, value, best)))

    def announce(self) -> None:
        """See `Reports`."""
        self._tell(Relayed("announce"))

    def restore(self, reported: Sequence[tuple[int, float]]) -> None:
        """See `Reports`."""
        self._tell(Relayed("restore", (reported,)))


@dataclass(frozen=True)
class Relayed:
    """A call of `Reports` in another process."""

    name: str
    arguments: Sequence[Any] = ()

    def repeat(self, reports: Reports) -> None:
        """Makes the call."""
        getattr(reports, self.name)(*self.arguments)
