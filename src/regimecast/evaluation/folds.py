"""`judge_folds`: the verdict on a run, from what its folds forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.data.panel import Panel
from regimecast.evaluation.conformal.base import Calibrated, Conformal
from regimecast.evaluation.conformal.coverage import coverage_section
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.judge import Judgement, judge
from regimecast.evaluation.paths import Paths, backtest_paths
from regimecast.evaluation.strategies.base import Strategy

__all__ = ["FoldsJudgement", "judge_folds"]


@dataclass(frozen=True, eq=False)
class FoldsJudgement:
    """Verdict on all folds: their forecasts together, and one path of them traded."""

    judgement: Judgement
    paths: Paths
    metrics: dict[str, Any]
    """Sections of ``metrics.json``: those of the judgement, and ``conformal`` if calibrated."""


def judge_folds(
    calibrated: Sequence[Calibrated],
    forecast: Forecast,
    outcomes: Outcomes,
    panel: Panel,
    *,
    conformal: Conformal,
    strategy: Strategy | None,
    cost: CostModel,
    gate: Gate,
    seed: int,
) -> FoldsJudgement:
    """Forecasts of all folds judged, and the path with the median Sharpe ratio traded.

    Args:
        calibrated: what each fold forecast.
        forecast: the same, all folds in one.
        outcomes: what happened, row by row beside it.
        panel: bars to trade at.
        conformal: the run's method.
        strategy: see `judge`, and so for those below.
        cost: of trading.
        gate: rules to be passed.
        seed: of the run.
    """
    paths = backtest_paths(forecast, outcomes, panel, strategy=strategy, cost=cost)
    judgement = judge(
        forecast,
        outcomes,
        panel,
        strategy=strategy,
        cost=cost,
        gate=gate,
        traded=paths.median(forecast, outcomes),
        seed=seed,
    )
    section = coverage_section(conformal, calibrated, outcomes)
    return FoldsJudgement(judgement, paths, {**judgement.metrics, **section})
