"""Check of splits: parts held apart by brute force, and fits where no other part is read."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.subject import Subject
from regimecast.core.config import split_name
from regimecast.core.types import Interval, Samples
from regimecast.data.panel import Panel
from regimecast.splits.base import Fold
from regimecast.splits.spans import Span, ticks

__all__ = ["SplitCheck", "first_meeting"]

_PAIRS = 200_000_000
"""Pairs of intervals that are compared at most; beyond, those nearest to each other are."""
_EARLIER_AND_LATER = (("train", "validation"), ("train", "test"), ("validation", "test"))
"""Every part with every later one."""


class SplitCheck:
    """No bar that a training sample reads is read by a sample of a later part, on any asset."""

    name = "split"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Every pair of samples of two parts of every fold, one by one."""
        ledger = Ledger(self.name)
        name, params = split_name(subject.parts.config["split"], "split")
        component = f"split/{name}"
        samples = subject.market.samples(complete=True)
        bars = params.get("purge", "auto")
        embargo = Span.parse(params.get("embargo", 0), key="split.embargo")
        for number, fold in enumerate(subject.folds):
            check = _FoldCheck(
                ledger, component, subject.bars, samples, fold, number, bars == "auto"
            )
            check.parts()
            if check.windows_apart:
                check.apart(embargo)
            else:
                check.labels()
        notes = []
        if bars != "auto":
            why = f"split.purge={bars} lets windows look back over a border; labels were checked"
            notes.append(NotAudited("bars shared by the windows of two parts", why))
        return ledger.checks(), notes


@dataclass(frozen=True, eq=False)
class _FoldCheck:
    """The checks of one fold."""

    ledger: Ledger
    component: str
    bars: Panel
    samples: Samples
    fold: Fold
    number: int
    windows_apart: bool
    """Whether no bar may be read by two parts; else labels are kept apart."""

    def parts(self) -> None:
        """Parts are disjoint, and fitting happens where no later sample's label is read."""
        rule = f"fold {self.number}: parts"
        interval = self.fold.train_interval
        parts = {
            "train": self.fold.train,
            "validation": self.fold.validation,
            "test": self.fold.test,
        }
        for first, second in _EARLIER_AND_LATER:
            shared = np.intersect1d(parts[first], parts[second])
            if len(shared):
                where = Where.rows(self.bars, self.samples.row[shared], interval.end, rule)
                self.ledger.find(self.component, f"{first} and {second}", where, "share samples")
        for name in ("validation", "test"):
            inside = parts[name][self._fitted_on(parts[name])]
            if len(inside):
                where = Where.rows(self.bars, self.samples.row[inside], interval.end, rule)
                self.ledger.find(
                    self.component, "train_interval", where,
                    f"origins of the {name} part lie where scalers and regimes are fitted",
                    count=len(inside),
                )  # fmt: skip
        outside = ~interval.contains(self.samples.end[self.fold.train])
        if self.windows_apart or self.fold.chronological:
            outside |= ~interval.contains(self.samples.start[self.fold.train])
        if outside.any():
            where = Where.rows(
                self.bars, self.samples.row[self.fold.train[-1:]], interval.end, rule
            )
            self.ledger.find(
                self.component, "train_interval", where, "does not hold the training samples"
            )
        self.ledger.passed(self.component, interval.end, rule, sum(map(len, parts.values())))

    def _fitted_on(self, part: Int[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
        """True for samples of a later part of whose label training may have learnt."""
        origin, end = self.samples.origin[part], self.samples.end[part]
        interval = self.fold.train_interval
        if isinstance(interval, Interval):
            return (origin <= interval.end) & (end >= interval.start)
        # A label begins after its origin, and that is where the bars of training may end.
        inside = np.zeros(len(part), dtype=bool)
        for one in interval.parts:
            inside |= (origin < one.end) & (end >= one.start)
        return inside

    def apart(self, embargo: Span) -> None:
        """No bar of a sample is read by one of a later part, nor within the embargo around it."""
        grid = np.unique(ticks(self.bars.time))
        for first, second in _EARLIER_AND_LATER:
            rule = f"fold {self.number}: {first} against {second}"
            for border in self._borders(first, second):
                self._apart(border, embargo, grid, rule)

    def _borders(self, first: str, second: str) -> Iterator["_Border"]:
        """Every run of the second part's origins against what of the first is on either side."""
        mine, theirs = getattr(self.fold, first), getattr(self.fold, second)
        times, place = np.unique(self.samples.origin, return_inverse=True)
        run = np.zeros(len(times), dtype=np.int64)
        run[np.unique(place[theirs])] = 1
        number = np.cumsum(np.diff(run, prepend=0) == 1)  # of the run that began last
        for one in np.unique(number[place[theirs]]):
            block = theirs[number[place[theirs]] == one]
            before = place[mine] < place[block].min()
            if before.any():
                yield _Border(first, mine[before], second, block)
            if not before.all():
                yield _Border(second, block, first, mine[~before])

    def _apart(
        self, border: "_Border", embargo: Span, grid: Int[np.ndarray, " T"], rule: str
    ) -> None:
        earlier, later = border.earlier, border.later
        own = ticks(self.samples.start[earlier]), ticks(self.samples.end[earlier])
        for margin, name in ((Span(), "interval"), (embargo, "embargo")):
            start = margin.before(ticks(self.samples.start[later]), grid)
            end = margin.after(ticks(self.samples.end[later]), grid)
            met, pairs = first_meeting(*own, start, end)
            cut = self.samples.start[later].min()
            self.ledger.passed(self.component, cut, rule, pairs)
            if met is not None:
                i, j = int(earlier[met[0]]), int(later[met[1]])
                where = Where.rows(self.bars, self.samples.row[[i]], cut, rule)
                self.ledger.find(
                    self.component, name, where,
                    f"a {border.before} sample reads {_span(self.samples, i)}; a {border.after} "
                    f"sample reads {_span(self.samples, j)}",
                )  # fmt: skip
                break

    def labels(self) -> None:
        """With a purge in bars: labels of a part are complete before the next part's origins."""
        for first, second in _EARLIER_AND_LATER:
            rule = f"fold {self.number}: labels of {first} against {second}"
            for border in self._borders(first, second):
                begin = self.samples.origin[border.later].min()
                over = border.earlier[self.samples.end[border.earlier] > begin]
                self.ledger.passed(self.component, begin, rule, len(border.earlier))
                if len(over):
                    where = Where.rows(self.bars, self.samples.row[over], begin, rule)
                    detail = (
                        f"labels of {border.before} end after the first origin of {border.after}"
                    )
                    self.ledger.find(self.component, "label", where, detail, count=len(over))


@dataclass(frozen=True, eq=False)
class _Border:
    """Samples of two parts on either side of a border in time."""

    before: str
    """Name of the part whose samples come first."""
    earlier: Int[np.ndarray, " N"]
    after: str
    later: Int[np.ndarray, " M"]


def first_meeting(
    start: Int[np.ndarray, " N"],
    end: Int[np.ndarray, " N"],
    later_start: Int[np.ndarray, " M"],
    later_end: Int[np.ndarray, " M"],
) -> tuple[tuple[int, int] | None, int]:
    """Positions of the first two closed intervals that meet, and how many pairs were compared.

    Every pair is compared on its own, which is slow and plain: the oracle for the sorted search of
    `splits.purging`. Above a limit only the intervals nearest to the other part are compared.
    """
    mine = _nearest(np.arange(len(start)), end, len(later_start), last=True)
    theirs = _nearest(np.arange(len(later_start)), later_start, len(mine), last=False)
    pairs = len(mine) * len(theirs)
    block = max(1, 20_000_000 // max(1, len(theirs)))
    for first in range(0, len(mine), block):
        part = mine[first : first + block]
        meets: Bool[np.ndarray, "B M"] = (start[part][:, None] <= later_end[theirs]) & (
            end[part][:, None] >= later_start[theirs]
        )
        if meets.any():
            i, j = np.unravel_index(int(np.argmax(meets)), meets.shape)
            return (int(part[i]), int(theirs[j])), pairs
    return None, pairs


def _nearest(
    index: Int[np.ndarray, " N"], key: Int[np.ndarray, " N"], others: int, *, last: bool
) -> Int[np.ndarray, " M"]:
    """All, or as many as the limit of pairs allows, from the end that faces the other part."""
    most = max(1000, _PAIRS // max(1, others))
    if len(index) <= most:
        return index
    order = np.argsort(key, kind="stable")
    return np.sort(order[-most:] if last else order[:most])


def _span(samples: Samples, index: int) -> str:
    start, end = (str(t[index])[:16] for t in (samples.start, samples.end))
    return f"{start} to {end}"
