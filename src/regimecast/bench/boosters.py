"""Boosters over all steps: rows binned once for all of them, beside a data set for each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from jaxtyping import Float

from regimecast.bench.fold import ASSETS, BARS, CONTEXT, HORIZON, Workbench
from regimecast.bench.machine import Machine
from regimecast.bench.memory import most_private
from regimecast.bench.plain_boosters import PLAIN, Forecaster, PlainRows
from regimecast.bench.results import BenchReport, Ratio, Sample
from regimecast.bench.timing import in_new_process, take_turns
from regimecast.models.lagged import LagTable
from regimecast.models.tabular import TabularModel

__all__ = ["memory_of", "run"]

FEW_ASSETS, FEW_BARS = 3, 1_000
ROUNDS = 10
LEVELS = (0.1, 0.5, 0.9)
TOLERANCE = 1e-3
"""Share by which the losses of two ways may differ; libraries sketch bins of blocks and of a whole
matrix a little differently."""
_FOLD = (
    "loss=quantile",
    f"loss.levels={list(LEVELS)}".replace(" ", ""),
    "window.asset_identity=true",
)
_TITLES = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "catboost": "CatBoost"}
_OURS, _PLAIN = "`regimecast`", "plain"
MOST = 5
"""Repetitions at most: a turn takes half a minute."""
_ABOUT = """One fold of {assets} series of {bars:,} bars, context {context}, {train:,} training and
{validation:,} validation rows of {width} columns or more (the channels at the model's default
lags, the asset), horizon {horizon}, {levels} quantile levels, {rounds} rounds watched on
validation. *regimecast*: `fit` of the model with its defaults, from windows to boosters.
*Plain*: the lag matrix as one array, then for every step a data set of the library
(`lightgbm.Dataset`, `xgboost.QuantileDMatrix`, `catboost.Pool`) with the labels of that step, the
same parameters, the same rows; LightGBM's serves all levels of its step. Both forecast the same:
their losses on a small fold are checked against each other. Processor time of one thread.
What is saved lies outside the rounds, so that the ratio of times falls as they grow. *Memory*: the
most private memory during the fit, less what there was before it with libraries and windows; each
in a process of its own. The plain way keeps the matrix."""


@dataclass(frozen=True, eq=False)
class _Contest:
    """One library on one fold, both ways."""

    name: str
    bench: Workbench

    @classmethod
    def of(cls, name: str, bench: Workbench) -> "_Contest":
        rounds = [f"model.rounds={ROUNDS}", f"model.patience={ROUNDS}"]
        return cls(name, bench.with_model([f"model={name}", *_FOLD, *rounds]))

    def ours(self) -> TabularModel:
        """The fitted model."""
        model = self._model()
        model.fit(self.bench.data)
        return model

    def plain(self) -> Forecaster:
        """What forecasts new rows, fitted plainly."""
        train, validation = (self._table(part) for part in ("train", "validation"))
        rows = PlainRows(
            train.whole(),
            self.bench.data.split("train").targets()[0],
            validation.whole(),
            self.bench.data.split("validation").targets()[0],
            tuple(train.categories),
        )
        return PLAIN[self.name](rows, self.bench.parts.config["model"], LEVELS)

    def fit(self, way: str) -> object:
        """What one of the two ways made."""
        return self.ours() if way == _OURS else self.plain()

    def check(self) -> None:
        """Raises `AssertionError` where the two ways do not forecast equally well."""
        test = self.bench.data.split("test")
        target = test.targets()[0]
        ours = self.ours().predict(self.bench.data, "test").values / test.scale[:, :, None]
        plain = np.sort(self.plain()(self._table("test").whole()), axis=2)
        losses = [_pinball(target, values) for values in (ours, plain)]
        if abs(losses[0] / losses[1] - 1) > TOLERANCE:
            raise AssertionError(f"{self.name}: losses {losses} of the two ways are not the same")

    def _model(self) -> TabularModel:
        model = self.bench.parts.model(self.bench.data)
        assert isinstance(model, TabularModel)
        return model

    def _table(self, part: str) -> LagTable:
        return self._model().rows(self.bench.data.split(part))

    @property
    def width(self) -> int:
        """Columns of a row."""
        return self._table("train").width


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of seconds and of memory, plain over ours, for each library."""
    assets, bars = (FEW_ASSETS, FEW_BARS) if quick else (ASSETS, BARS)
    few = Workbench.of(FEW_BARS, *_FOLD, assets=FEW_ASSETS)
    for name in PLAIN:
        _Contest.of(name, few).check()
    bench = few if quick else Workbench.of(bars, *_FOLD, assets=assets)
    contests = [_Contest.of(name, bench) for name in PLAIN]
    calls: dict[str, Callable[[], object]] = {
        f"{contest.name} {way}": partial(contest.fit, way)
        for contest in contests
        for way in (_OURS, _PLAIN)
    }
    seconds = take_turns(calls, repetitions=min(repetitions, MOST), clock="processor")
    ratios = []
    for name in PLAIN:
        ours, plain = (seconds[f"{name} {way}"] for way in (_OURS, _PLAIN))
        saved = f"{plain.median - ours.median:.2g} s saved in a fold"
        ratios.append(_ratio(f"{_TITLES[name]}: time of a fit", ours, plain, notes=saved))
    for name in PLAIN:
        ours, plain = (
            Sample(way, (float(in_new_process(memory_of, name, way, assets, bars)),), "B")
            for way in (_OURS, _PLAIN)
        )
        ratios.append(_ratio(f"{_TITLES[name]}: memory of a fit", ours, plain))
    return BenchReport(
        name="boosters",
        title="Boosters over all steps",
        about=_ABOUT.format(
            assets=assets,
            bars=bars,
            context=CONTEXT,
            horizon=HORIZON,
            rounds=ROUNDS,
            levels=len(LEVELS),
            train=len(bench.data.split("train")),
            validation=len(bench.data.split("validation")),
            width=min(contest.width for contest in contests),
        ),
        ratios=ratios,
        machine=Machine.this(*PLAIN),
        quick=quick,
    )


def memory_of(name: str, way: str, assets: int, bars: int) -> int:
    """Most private bytes that a fit of that library adds to this process."""
    few = _Contest.of(name, Workbench.of(FEW_BARS, *_FOLD, assets=FEW_ASSETS))
    contest = _Contest.of(name, Workbench.of(bars, *_FOLD, assets=assets))
    few.fit(way)
    with most_private() as found:
        kept = contest.fit(way)
    assert kept is not None
    return max(found) - found[0]


def _ratio(name: str, ours: Sample, plain: Sample, *, notes: str = "") -> Ratio:
    return Ratio(
        name=name,
        over=Sample(_PLAIN, plain.values, plain.unit),
        under=Sample(_OURS, ours.values, ours.unit),
        notes=notes,
    )


def _pinball(target: Float[np.ndarray, "N H"], values: Float[np.ndarray, "N H Q"]) -> float:
    error, level = target[:, :, None] - values, np.array(LEVELS)
    return float(np.maximum(level * error, (level - 1) * error).mean())
