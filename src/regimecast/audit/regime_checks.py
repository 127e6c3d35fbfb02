"""Check of regimes: codes known at each close, parameters of the training interval."""

import json

import numpy as np

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.perturbation import Kind
from regimecast.audit.subject import Subject
from regimecast.core.config import split_name

__all__ = ["RegimeCheck", "compare_state"]

_FOLDS = 2
_FITS = (Kind.NAN, Kind.NOISE, Kind.END)
"""What is enough to see whether a fit reads beyond its interval; fitting may take seconds."""


class RegimeCheck:
    """A regime code is the same to the bit whatever follows, and so is what training fits."""

    name = "regimes"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Codes at every cut; fitted parameters without the bars that training may not see."""
        ledger = Ledger(self.name)
        name, _ = split_name(subject.parts.config["regime"], "regime")
        component = f"regime/{name}"
        bars = subject.bars
        labeller = subject.parts.regime().fit(bars, subject.folds[0].train_interval)
        base = labeller.label(bars)
        for cut, kind, panel in subject.futures():
            with ledger.attempt(component, cut, kind):
                codes = labeller.label(panel)
                known = np.flatnonzero(bars.time <= cut)
                where = Where.rows(bars, known, cut, kind)
                ledger.compare(component, "code", base[known], codes[panel.time <= cut], where)
        for fold in subject.some_folds(_FOLDS):
            interval = fold.train_interval
            state = subject.parts.regime().fit(bars, interval).state()
            for kind in _FITS:
                with ledger.attempt(component, interval.end, kind):
                    panel = subject.unseen(fold, kind)
                    other = subject.parts.regime().fit(panel, interval).state()
                    compare_state(ledger, component, state, other, interval.end, kind)
        return ledger.checks(), []


def compare_state(
    ledger: Ledger,
    component: str,
    base: object,
    other: object,
    cut: np.datetime64,
    kind: str,
    path: str = "",
) -> None:
    """Notes each fitted parameter of nested plain values that is not the same to the bit."""
    if isinstance(base, dict) and isinstance(other, dict) and base.keys() == other.keys():
        for key in base:
            inner = f"{path}.{key}" if path else str(key)
            compare_state(ledger, component, base[key], other[key], cut, kind, inner)
        return
    before, after = (json.dumps(value, default=str) for value in (base, other))
    where = Where.nowhere(cut, kind)
    ledger.compare(component, f"fitted {path}", np.array([before]), np.array([after]), where)
