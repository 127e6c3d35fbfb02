"""Check of judgement: what a position earns was decided before, and filled after its decision.

A position that is decided at the close of t may earn from bar t + 1 on. Hence returns up to t must
be the same to the bit when the decisions from t on are turned around, or when bars after t are
replaced; and a strategy's decisions up to t when bars after t are replaced.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from regimecast.audit.findings import Check
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.perturbation import Kind
from regimecast.audit.predictions import test_cuts
from regimecast.audit.rehearsal import Rehearsal
from regimecast.audit.subject import Subject
from regimecast.data.panel import Panel
from regimecast.evaluation.backtest import BacktestResult, backtest
from regimecast.splits.base import Fold

__all__ = ["Fill", "fill_checks"]

_COLUMNS = ("net", "gross", "turnover", "exposure")
_TURNED = "later positions turned around"
_TRADED = (Kind.NOISE, Kind.FLIP, Kind.BLOCK)
"""Futures that can be traded at; a backtest refuses prices that are not there."""

Fill: TypeAlias = Callable[..., BacktestResult]
"""What turns positions into returns, with the signature of `evaluation.backtest.backtest`."""


def fill_checks(
    subject: Subject, trained: Rehearsal, fold: Fold, *, cuts: int, fill: Fill = backtest
) -> Iterator[Check]:
    """The strategy's decisions and their returns up to cuts inside the test part.

    Args:
        subject: parts and data.
        trained: a model trained on the fold.
        fold: one of the subject's.
        cuts: how many times inside the test part.
        fill: what is checked.
    """
    ledger = Ledger("fills")
    forecast = trained.model.predict(trained.data, "test")
    bars, parts = subject.bars, subject.parts
    row = subject.market.samples(complete=True).row[fold.test]
    position = subject.generator(13).choice([-1.0, -0.5, 0.5, 1.0], size=len(row))
    strategy = f"strategy/{parts.strategy.name}"
    per_year = bars.bars_per_year
    decided = parts.strategy.positions(forecast, bars, bars_per_year=per_year)

    def returns(positions: Float[np.ndarray, " N"], panel: Panel) -> BacktestResult:
        return fill(positions, row, panel, cost=parts.cost, bars_per_year=per_year, hold=1)

    base = returns(position, bars)
    for cut in test_cuts(subject, fold, cuts):
        made = bars.time[row] <= cut
        turned = np.where(bars.time[row] >= cut, -position, position)
        with ledger.attempt("backtest", cut, _TURNED):
            _compare(ledger, base, returns(turned, bars), cut, _TURNED)
        for kind in _TRADED:
            panel = subject.perturbed(cut, kind)
            with ledger.attempt("backtest", cut, kind):
                _compare(ledger, base, returns(position, panel), cut, kind)
            with ledger.attempt(strategy, cut, kind):
                other = parts.strategy.positions(forecast, panel, bars_per_year=per_year)
                where = Where.rows(bars, row[made], cut, kind)
                ledger.compare(strategy, "position", decided[made], other[made], where)
    yield from ledger.checks()


def _compare(
    ledger: Ledger, base: BacktestResult, other: BacktestResult, cut: np.datetime64, kind: str
) -> None:
    before, after = base.time <= cut, other.time <= cut
    where = Where(
        ("portfolio",), np.zeros(int(before.sum()), dtype=np.int64), base.time[before], cut, kind
    )
    ledger.compare("backtest", "time", base.time[before], other.time[after], where)
    if before.sum() != after.sum():
        return
    for column in _COLUMNS:
        pair = getattr(base, column)[before], getattr(other, column)[after]
        ledger.compare("backtest", column, *pair, where)
