"""Checks of splits: parts held apart by brute force, and intervals that hold what they declare."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where, same_bits
from regimecast.audit.perturbation import Kind, jitter
from regimecast.audit.subject import Subject
from regimecast.core.config import split_name
from regimecast.core.types import Samples
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.splits.base import Fold
from regimecast.splits.spans import Span, ticks

__all__ = ["IntervalCheck", "SplitCheck", "first_meeting"]

_PAIRS = 200_000_000
"""Pairs of intervals that are compared at most; beyond, those nearest to each other are."""
_FORGOTTEN = 0.05
"""How far bars before the declared interval may still move a column, as a share of what the same
jitter of all bars does to it. A recursive filter declares the bars until its first bar weighs below
1 %; its memory never ends."""
_ROUNDING = 1e-4
"""Share below which it is the rounding of a running sum."""
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
            check = _FoldCheck(ledger, component, subject.bars, samples, fold, number)
            check.parts()
            if bars == "auto":
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
            inside = parts[name][self.samples.origin[parts[name]] <= interval.end]
            inside = inside[self.samples.end[inside] >= interval.start]
            if len(inside):
                where = Where.rows(self.bars, self.samples.row[inside], interval.end, rule)
                self.ledger.find(
                    self.component, "train_interval", where,
                    f"origins of the {name} part lie where scalers and regimes are fitted",
                    count=len(inside),
                )  # fmt: skip
        early = self.samples.start[self.fold.train].min() < interval.start
        late = self.samples.end[self.fold.train].max() > interval.end
        if early or late:
            where = Where.rows(
                self.bars, self.samples.row[self.fold.train[-1:]], interval.end, rule
            )
            self.ledger.find(
                self.component, "train_interval", where, "does not hold the training samples"
            )
        self.ledger.passed(self.component, interval.end, rule, sum(map(len, parts.values())))

    def apart(self, embargo: Span) -> None:
        """No bar of a sample is read by one of a later part, nor within the embargo around it."""
        grid = np.unique(ticks(self.bars.time))
        for first, second in _EARLIER_AND_LATER:
            earlier, later = getattr(self.fold, first), getattr(self.fold, second)
            own = ticks(self.samples.start[earlier]), ticks(self.samples.end[earlier])
            rule = f"fold {self.number}: {first} against {second}"
            for margin, name in ((Span(), "interval"), (embargo, "embargo")):
                start = margin.before(ticks(self.samples.start[later]), grid)
                end = margin.after(ticks(self.samples.end[later]), grid)
                met, pairs = first_meeting(*own, start, end)
                cut = self.samples.start[later].min() if len(later) else self.bars.time[-1]
                self.ledger.passed(self.component, cut, rule, pairs)
                if met is not None:
                    i, j = int(earlier[met[0]]), int(later[met[1]])
                    where = Where.rows(self.bars, self.samples.row[[i]], cut, rule)
                    self.ledger.find(
                        self.component, name, where,
                        f"a {first} sample reads {_span(self.samples, i)}; a {second} sample reads "
                        f"{_span(self.samples, j)}",
                    )  # fmt: skip
                    break

    def labels(self) -> None:
        """With a purge in bars: labels of a part are complete before the next part's origins."""
        for first, second in _EARLIER_AND_LATER:
            earlier, later = getattr(self.fold, first), getattr(self.fold, second)
            if not len(earlier) or not len(later):
                continue
            border = self.samples.origin[later].min()
            over = earlier[self.samples.end[earlier] > border]
            rule = f"fold {self.number}: labels of {first} against {second}"
            self.ledger.passed(self.component, border, rule, len(earlier))
            if len(over):
                where = Where.rows(self.bars, self.samples.row[over], border, rule)
                detail = f"labels of {first} end after the first origin of {second}"
                self.ledger.find(self.component, "label", where, detail, count=len(over))


class IntervalCheck:
    """A sample reads nothing outside the interval `[start, end]` that it declares.

    This is what purging stands on. A sample's interval begins at the window's first bar less the
    *longest* lookback of all features and of the target's scale, so a feature that looks back
    further than it declares is found where it looks back further than that.
    """

    name = "intervals"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Windows and targets of the samples that begin or end at a cut, all else replaced."""
        ledger = Ledger(self.name)
        samples = subject.market.samples(complete=True)
        memory: dict[str, float] = {}
        whole = np.ones(subject.bars.n_rows, dtype=bool)
        shaken = subject.market.on(jitter(subject.bars, whole, subject.generator(9)))
        for cut in _edges(subject, samples.start, 6):
            with ledger.attempt("interval", cut, "bars before"):
                self._before(ledger, subject, samples, cut, shaken, memory)
        for cut in _edges(subject, samples.end, 7):
            with ledger.attempt("interval", cut, "bars after"):
                self._after(ledger, subject, samples, cut)
        moved = {name: share for name, share in memory.items() if share > _ROUNDING}
        if not moved:
            return ledger.checks(), []
        note = NotAudited(
            f"what {len(moved)} columns still hold of bars before the declared lookback",
            f"these move {', '.join(sorted(moved))} by up to {max(moved.values()):.1%} of what all "
            f"bars do, within the {_FORGOTTEN:.0%} allowed for the memory of a recursive filter",
        )
        return ledger.checks(), [note]

    def _before(
        self,
        ledger: Ledger,
        subject: Subject,
        samples: Samples,
        cut: np.datetime64,
        shaken: MarketData,
        memory: dict[str, float],
    ) -> None:
        """Shakes older bars; notes in `memory` what they move a little, findings for the rest.

        `shaken` has all bars shaken. What that does to a column on the bars of the interval is the
        measure, for it is as local as the window: a spread over all history grows with it.
        """
        bars, market = subject.bars, subject.market
        other = market.on(jitter(bars, bars.time < cut, subject.generator(8)))
        own = samples.row[samples.start == cut]
        rows = (own[:, None] + np.arange(1 - market.spec.context_length, 1)).reshape(-1)
        reach = market.lookback + market.spec.context_length
        near = (own[:, None] + np.arange(1 - reach, 1)).reshape(-1)
        columns = {
            f"past/{name}": (market.past[:, i], other.past[:, i], shaken.past[:, i], rows)
            for i, name in enumerate(market.spec.past[1:], start=1)
        }
        scales = (m.target.scale for m in (market, other, shaken))
        columns["scale"] = (*scales, own)
        for name, (before, after, whole, read) in columns.items():
            share = _memory(before[read], after[read], whole[near] - before[near])
            if 0 < share <= _FORGOTTEN:
                memory[name] = max(share, memory.get(name, 0.0))
                ledger.passed("interval", cut, "bars before", len(read))
            else:
                where = Where.rows(bars, read, cut, "bars before")
                ledger.compare("interval", name, before[read], after[read], where)

    def _after(
        self,
        ledger: Ledger,
        subject: Subject,
        samples: Samples,
        cut: np.datetime64,
    ) -> None:
        market = subject.market
        other = market.on(subject.perturbed(cut, Kind.NOISE))
        own = samples.row[samples.end == cut]
        where = Where.rows(subject.bars, own, cut, "bars after")
        spec = market.spec
        if market.target.label is not None and other.target.label is not None:
            before, after = market.target.label[own], other.target.label[own]
        else:
            steps = own[:, None] + np.arange(0, spec.horizon + 1)
            before, after = market.target.series[steps], other.target.series[steps]
        ledger.compare("interval", "target", before, after, where)
        ledger.compare("interval", "past", market.past[own], other.past[own], where)


def _edges(
    subject: Subject, time: Shaped[np.ndarray, " N"], stream: int
) -> Shaped[np.ndarray, " M"]:
    """Some of the times at which samples begin or end."""
    return np.unique(subject.generator(stream).choice(time, size=len(subject.cuts)))


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


def _memory(
    before: Float[np.ndarray, " N"],
    after: Float[np.ndarray, " N"],
    usual: Float[np.ndarray, " M"],
) -> float:
    """Largest difference as a share of usual ones; infinite where a value came or went."""
    finite = np.isfinite(before)
    if (finite != np.isfinite(after)).any():
        return np.inf
    if not finite.any() or same_bits(before, after).all():
        return 0.0
    known = usual[np.isfinite(usual)].astype(np.float64)
    size = float(np.sqrt(np.mean(known**2))) if len(known) else 0.0
    largest = float(np.abs(before[finite] - after[finite]).max())
    return largest / size if size > 0 else np.inf


def _span(samples: Samples, index: int) -> str:
    start, end = (str(t[index])[:16] for t in (samples.start, samples.end))
    return f"{start} to {end}"
