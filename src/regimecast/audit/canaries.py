"""Two canaries: what must be learned, and what cannot be.

**Oracle.** The target itself is planted as a past feature. Whoever is fed with the answer must give
it; a pipeline that does not loses features on the way, shifts them or hands them to the wrong
origin, and then a null result says nothing about the market. Two readers are asked:

- A ridge regression on the flat rows of the same data set. The answer is one of its columns, so
  that nothing but the pipeline stands between: its correlation with what happened, out of sample,
  must be at least 0.9.
- The configured model after brief training on the history and the oracle alone, so that only part
  of the answer can be asked for: a quarter of the way from its correlation without the oracle to 1,
  and at least 0.25. A network that time has run out for is no finding, as long as other answers
  move its forecasts: it is slow, not deaf.

**Shuffled bars.** Every asset's bars are drawn anew, with replacement (an order alone would end at
the old price, which the path before would tell), and prices are rebuilt, so that no past says
anything about a future, whatever the features. Features are computed by the pipeline, so
that one that looks ahead still knows the answer. The ridge must not forecast better than chance:
under the null its correlation r with n outcomes that share no bar has mean 0 and standard deviation
1 / sqrt(n) (the permutation distribution; Ojala & Garriga 2010, JMLR 11, 1833-1863), and the alarm
is raised at r sqrt(n) > 4.5, one-sided, which is chance in 3 of 1,000,000 audits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where, same_bits
from regimecast.audit.rehearsal import (
    Rehearsal,
    model_component,
    predict_near,
    rehearse,
    taught_fast,
)
from regimecast.audit.subject import Subject
from regimecast.core.errors import RegimecastError
from regimecast.core.types import ForecastKind, Task
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel, Role
from regimecast.models.neural import NeuralModel
from regimecast.splits.base import Fold

__all__ = ["canary_checks", "shuffled", "with_oracle"]

_ORACLE, _SHUFFLED = "oracle column", "shuffled bars"
_SURE, _WAY, _LEAST = 0.9, 0.25, 0.25
_ALARM = 4.5
_FEWEST = 30
"""Outcomes that share no bar, below which nothing is said about chance."""
_PENALTY = 0.02
"""Ridge penalty as a share of the variance of a standardised column."""
_EPOCHS = (2, 6, 24)
"""Epochs that a network is given, anew each time; more only where it has not learned by then."""
_SAMPLES = 2048
"""Samples that a model learns the answer from, at most."""
_SECONDS = 10.0
"""Time that it is given for all of them."""


@dataclass(frozen=True)
class _Skill:
    """How well something forecasts the test part."""

    correlation: float
    number: int
    """Outcomes, none of which shares a bar with another of its asset."""

    @property
    def z(self) -> float:
        """Correlation in standard deviations of its distribution by chance."""
        return self.correlation * self.number**0.5


def canary_checks(subject: Subject, trained: Rehearsal, fold: Fold) -> Iterator[Check | NotAudited]:
    """That a planted answer is learned and that shuffled bars cannot be.

    Args:
        subject: parts and data.
        trained: the model trained on the fold without the oracle.
        fold: one of the subject's.
    """
    ledger = Ledger("canaries")
    cut = subject.market.bars.time[-1]
    with ledger.attempt("pipeline", cut, _ORACLE):
        yield from _learns_oracle(ledger, subject, trained, fold)
    if subject.bars.has("close"):
        with ledger.attempt("pipeline", cut, _SHUFFLED):
            yield from _ignores_shuffled(ledger, subject)
    else:
        yield NotAudited("shuffled bars", "the series are no prices, which returns rebuild")
    yield from ledger.checks()


def with_oracle(market: MarketData, step: int, *, alone: bool) -> MarketData:
    """The market with the target of each origin among its past features, 0 where not complete.

    Args:
        market: as it is.
        step: step of a forecast that is planted; classes have one.
        alone: leave out all other features but the history.
    """
    target = market.target
    value = np.full(market.bars.n_rows, np.nan)
    if target.label is not None:
        value[target.complete] = target.label[target.complete]
    else:
        ahead = np.arange(market.bars.n_rows) + step
        known = np.flatnonzero(ahead <= market.last_row)
        start = target.series[known] if target.anchored else 0.0
        value[known] = (target.series[ahead[known]] - start) / target.scale[known]
    kept = 1 if alone else market.past.shape[1]
    past = np.column_stack([market.past[:, :kept], value.astype(np.float32)])
    spec = replace(market.spec, past=(*market.spec.past[:kept], "oracle"))
    return replace(market, past=past, spec=spec)


def shuffled(panel: Panel, rng: np.random.Generator) -> Panel:
    """The panel with the bars of every asset drawn anew, prices rebuilt from their returns.

    A bar keeps its shape against the close before it, its volume and all else that is not known
    beforehand; times stay where they are.
    """
    values = panel.values.copy()
    close = panel.index("close")
    prices = [panel.index(n) for n in ("open", "high", "low", "close") if panel.has(n)]
    drawn = [i for i, c in enumerate(panel.columns) if c.role not in (Role.KNOWN, Role.STATIC)]
    for asset in range(panel.n_assets):
        rows = panel.rows(asset)
        own = panel.values[rows]
        if len(own) < 2:
            continue
        order = rng.integers(1, len(own), size=len(own) - 1)
        moved = own[order]
        shape = moved[:, prices] / own[order - 1][:, [close]]
        growth = moved[:, close] / own[order - 1, close]
        level = own[0, close] * np.cumprod(np.append(1.0, growth[:-1]))
        moved[:, prices] = shape * level[:, None]
        values[rows][1:, drawn] = moved[:, drawn]
    return replace(panel, values=values)


def _learns_oracle(
    ledger: Ledger, subject: Subject, trained: Rehearsal, fold: Fold
) -> Iterator[NotAudited]:
    model = trained.model
    step = 1 if model.loss.kind is ForecastKind.POSITIONS else subject.market.spec.horizon
    market = with_oracle(subject.market, step, alone=False)
    data = next(subject.parts.modules(market, [fold]))
    _expect(ledger, "pipeline", subject, fold, _skill_of_ridge(data, step), _SURE)
    component = model_component(subject.parts)
    if not model.capabilities.past:
        yield NotAudited(f"oracle column for {component}", "it reads no past feature")
        return
    with ledger.attempt(component, subject.bars.time[-1], _ORACLE):
        without = _skill_of(trained, step).correlation
        market = with_oracle(subject.market, step, alone=True)
        least = max(without + _WAY * (1 - without), _LEAST)
        network = isinstance(model, NeuralModel)
        taught, skill, in_time = _teach(subject, market, fold, step, least, network)
        if not skill.correlation >= least and _is_deaf(subject, taught, fold):
            where = Where.nowhere(_first_test(subject, fold), _ORACLE)
            detail = "the forecast is the same to the bit with other answers among the inputs"
            ledger.find(component, "forecast with the answer among its inputs", where, detail)
        elif in_time or skill.correlation >= least:
            _expect(ledger, component, subject, fold, skill, least)
        else:
            yield NotAudited(
                f"oracle column for {component}",
                f"it had not learned the planted answer within {_SECONDS:.0f} s: correlation "
                f"{skill.correlation:.2f}, {least:.2f} expected",
            )


def _teach(
    subject: Subject, market: MarketData, fold: Fold, step: int, least: float, network: bool
) -> tuple[Rehearsal, _Skill, bool]:
    """The model trained on the oracle, what it learned, and whether it had time enough."""
    parts, stop = subject.parts, perf_counter() + _SECONDS
    for epochs in _EPOCHS if network else _EPOCHS[:1]:
        if network:
            parts = taught_fast(subject.parts, seconds=max(stop - perf_counter(), 0.1))
        taught = rehearse(parts, market, fold, epochs=epochs, samples=_SAMPLES)
        skill = _skill_of(taught, step)
        late = network and perf_counter() >= stop
        if late or skill.correlation >= least:
            break
    return taught, skill, not late


def _is_deaf(subject: Subject, taught: Rehearsal, fold: Fold) -> bool:
    """Whether not a bit of the model's first test forecasts moves where the answers are others."""
    market = taught.data.market
    past = market.past.copy()
    known = np.flatnonzero(np.isfinite(past[:, -1]))
    past[known, -1] = subject.generator(15).permutation(past[known, -1])
    before, after = (
        predict_near(subject.parts, taught.model, m, fold, _first_test(subject, fold)).values
        for m in (market, replace(market, past=past))
    )
    return bool(same_bits(before, after).all())


def _ignores_shuffled(ledger: Ledger, subject: Subject) -> Iterator[NotAudited]:
    """Whether features that saw only chance forecast better than chance."""
    try:
        market = subject.parts.market(shuffled(subject.bars, subject.generator(14)))
        fold = subject.parts.splitter.split(market.samples(complete=True))[0]
    except RegimecastError as error:
        yield NotAudited("shuffled bars", f"the parts refuse them: {error}")
        return
    data = next(subject.parts.modules(market, [fold]))
    skill = _skill_of_ridge(data, 1)
    cut = data.samples.origin[fold.test].min()
    if skill.number < _FEWEST:
        why = f"{skill.number} test outcomes share no bar; {_FEWEST} are needed"
        yield NotAudited("shuffled bars", why)
        return
    ledger.passed("pipeline", cut, _SHUFFLED, skill.number)
    if skill.z > _ALARM:
        where = Where.nowhere(cut, _SHUFFLED)
        ledger.find(
            "pipeline", "forecast of shuffled bars", where,
            f"correlation {skill.correlation:.3f} with {skill.number} outcomes that nothing known "
            f"can tell: {skill.z:.1f} standard deviations, allowed {_ALARM}",
        )  # fmt: skip


def _expect(
    ledger: Ledger, component: str, subject: Subject, fold: Fold, skill: _Skill, least: float
) -> None:
    cut = _first_test(subject, fold)
    ledger.passed(component, cut, _ORACLE, skill.number)
    if not skill.correlation >= least:
        ledger.find(
            component, "forecast with the answer among its inputs", Where.nowhere(cut, _ORACLE),
            f"correlation {skill.correlation:.3f} with {skill.number} outcomes, at least "
            f"{least:.3f} expected: features do not reach it, or training is too short",
        )  # fmt: skip


def _first_test(subject: Subject, fold: Fold) -> np.datetime64:
    first: np.datetime64 = subject.market.samples(complete=True).origin[fold.test].min()
    return first


def _skill_of(trained: Rehearsal, step: int) -> _Skill:
    """Skill of a trained model, in original units."""
    point = trained.model.predict(trained.data, "test").point()[:, step - 1]
    happened = trained.data.outcomes("test").values[:, step - 1]
    return _skill(trained.data, point.astype(np.float64), happened.astype(np.float64), step)


def _skill_of_ridge(data: FinancialDataModule, step: int) -> _Skill:
    """Skill of a ridge regression on the origin's bar and a few before it."""
    length = data.spec.context_length
    lags = [lag for lag in (0, 1, 2, 5) if lag < length]
    train, test = data.split("train").arrays(lags), data.split("test").arrays(lags)
    known = train.mask[:, step - 1]
    y = train.target[known, step - 1].astype(np.float64)
    x = train.x[known].astype(np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread == 0] = np.inf
    x = (x - mean) / spread
    gram = x.T @ x / len(x) + _PENALTY * np.eye(x.shape[1])
    beta = np.linalg.solve(gram, x.T @ (y - y.mean()) / len(x))
    point = ((test.x - mean) / spread) @ beta
    return _skill(data, point, test.target[:, step - 1].astype(np.float64), step)


def _skill(
    data: FinancialDataModule,
    point: Float[np.ndarray, " N"],
    happened: Float[np.ndarray, " N"],
    step: int,
) -> _Skill:
    """Correlation over test outcomes of which no two share a bar."""
    dataset = data.split("test")
    samples, (_, mask) = dataset.samples, dataset.targets()
    end = samples.end_row if data.spec.task is Task.CLASSIFICATION else samples.row + step
    chosen = _apart(samples.row, end) & mask[:, step - 1]
    a, b = point[chosen], happened[chosen]
    if len(a) < 2 or a.std() == 0 or b.std() == 0:
        return _Skill(0.0, len(a))
    return _Skill(float(np.corrcoef(a, b)[0, 1]), len(a))


def _apart(row: Int[np.ndarray, " N"], end: Int[np.ndarray, " N"]) -> Bool[np.ndarray, " N"]:
    """True for origins, taken one after another, that come when the last one's outcome is known."""
    chosen = np.zeros(len(row), dtype=bool)
    last = -1
    for index in np.argsort(row, kind="stable").tolist():
        if row[index] >= last:
            chosen[index] = True
            last = int(end[index])
    return chosen
