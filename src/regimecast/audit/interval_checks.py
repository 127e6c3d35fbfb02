"""Check of the intervals that samples declare: purging stands on them."""

import numpy as np
from jaxtyping import Float, Shaped

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where, same_bits
from regimecast.audit.perturbation import Kind, jitter
from regimecast.audit.subject import Subject
from regimecast.core.types import Samples
from regimecast.data.market import MarketData

__all__ = ["IntervalCheck"]

_FORGOTTEN = 0.05
"""How far bars before the declared interval may still move a column, as a share of what the same
jitter of all bars does to it. A recursive filter declares the bars until its first bar weighs below
1 %; its memory never ends."""
_ROUNDING = 1e-4
"""Share below which it is the rounding of a running sum."""


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
