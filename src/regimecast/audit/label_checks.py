"""Check of targets: what a label says it knew when it was complete, and its units at each close."""

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where, same_bits
from regimecast.audit.perturbation import Kind
from regimecast.audit.subject import Subject
from regimecast.core.config import split_name
from regimecast.core.errors import LeakageError
from regimecast.core.types import Task
from regimecast.data.panel import Panel
from regimecast.labels.base import TargetSeries

__all__ = ["TargetCheck"]


class TargetCheck:
    """A label that is complete at a cut is the same to the bit, whatever follows the cut."""

    name = "labels"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Scale and history of every row, label of every origin that says it is complete."""
        ledger = Ledger(self.name)
        name, _ = split_name(subject.parts.config["target"], "target")
        component = f"target/{name}"
        rule, bars = subject.parts.target, subject.bars
        base = rule.compute(bars)
        reacted = False
        for cut, kind, panel in subject.futures(cuts=self._cuts(subject, base)):
            with ledger.attempt(component, cut, kind):
                other = rule.compute(panel)
                self._compare(ledger, component, bars, base, panel, other, cut, kind)
                if kind is Kind.NOISE:
                    reacted |= not same_bits(base.series, other.series).all()
        if not reacted:
            ledger.find(
                component, "series", Where.nowhere(subject.cuts[-1], Kind.NOISE),
                "replaced bars change nothing even after the cut: these are other bars' values",
            )  # fmt: skip
        self._fitted_until(subject, ledger, component)
        return ledger.checks(), []

    def _cuts(self, subject: Subject, base: TargetSeries) -> list[np.datetime64]:
        """The subject's cuts, and as many at which a random label says that it ends."""
        time = subject.bars.time
        last = base.end_row[base.complete & (base.end_row < len(time) - 1)]
        if not len(last):
            return list(subject.cuts)
        chosen = subject.generator(1).choice(last, size=min(len(subject.cuts), len(last)))
        return sorted({*subject.cuts, *time[chosen]})

    def _compare(
        self,
        ledger: Ledger,
        component: str,
        bars: Panel,
        base: TargetSeries,
        panel: Panel,
        other: TargetSeries,
        cut: np.datetime64,
        kind: Kind,
    ) -> None:
        known = np.flatnonzero(bars.time <= cut)
        after = np.flatnonzero(panel.time <= cut)
        where = Where.rows(bars, known, cut, kind)
        for name in ("series", "scale"):
            before_values, after_values = getattr(base, name)[known], getattr(other, name)[after]
            ledger.compare(component, name, before_values, after_values, where)
        complete = _complete_by(bars, base, cut)[known]
        there = _complete_by(panel, other, cut)[after]
        ledger.compare(component, "complete", complete, there, where)
        both = complete & there
        where = Where.rows(bars, known[both], cut, kind)
        for name, before, now in (
            ("end", _end_time(bars, base), _end_time(panel, other)),
            ("label", _value(base), _value(other)),
        ):
            ledger.compare(component, name, before[known][both], now[after][both], where)

    def _fitted_until(self, subject: Subject, ledger: Ledger, component: str) -> None:
        """A target whose settings were searched for says up to where: before what judges them."""
        until = subject.parts.target.fitted_until
        if until is None:
            return
        samples = subject.market.samples(complete=True)
        for number, fold in enumerate(subject.folds):
            ledger.passed(component, until, "fitted interval", 1)
            try:
                fold.check_after(until, samples, what=f"fold {number}: the target")
            except LeakageError as error:
                where = Where.nowhere(until, "fitted interval")
                ledger.find(component, "settings", where, str(error))


def _complete_by(
    panel: Panel, series: TargetSeries, cut: np.datetime64
) -> Shaped[np.ndarray, " R"]:
    return np.asarray(series.complete & (_end_time(panel, series) <= cut))


def _end_time(panel: Panel, series: TargetSeries) -> Shaped[np.ndarray, " R"]:
    """Time of the last bar each label says it reads; far in the future where it is not complete."""
    never = pd.Timestamp.max.to_datetime64().astype("datetime64[ns]")
    return np.where(series.end_row >= 0, panel.time[series.end_row], never)


def _value(series: TargetSeries) -> Shaped[np.ndarray, "R H"]:
    """The target of every row as a dataset gathers it; steps past the last row repeat it."""
    if series.task is Task.CLASSIFICATION:
        assert series.label is not None
        return series.label[:, None]
    row = np.arange(len(series.series))
    steps = np.minimum(row[:, None] + np.arange(1, series.horizon + 1), len(row) - 1)
    path = series.series[steps]
    if series.anchored:
        path = path - series.series[:, None]
    return path / series.scale[:, None]
