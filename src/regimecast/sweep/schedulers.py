"""Who is cut short: Ray Tune's schedulers, with what earlier parts of a search have shown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from regimecast.sweep.settings import SearchSettings

__all__ = ["Curve", "Deciding", "make_scheduler"]

STEP, VALUE = "step", "val/loss"
"""Keys of a result: steps so far, and the mean of the folds' best so far; lower is better."""
_RUNGS = 20
"""Rungs of ASHA: enough for any training."""


@dataclass(frozen=True)
class Curve:
    """What a job of an earlier part of the search showed, step by step."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def results(self) -> list[dict[str, Any]]:
        """As Tune has them; at a step that was left out it was as good as before."""
        found: list[dict[str, Any]] = []
        for step, value in zip(self.steps, self.values, strict=True):
            if found:
                found += [{**found[-1], STEP: left} for left in range(found[-1][STEP] + 1, step)]
            found.append({STEP: step, VALUE: value})
        return found

    def until(self, step: int) -> "Curve":
        """What it showed before a step."""
        count = sum(place < step for place in self.steps)
        return Curve(self.name, self.steps[:count], self.values[:count])


def make_scheduler(settings: SearchSettings, past: Sequence[Curve]) -> TrialScheduler:
    """The scheduler that was asked for, which knows the past; population-based ones are elsewhere.

    ASHA: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", MLSys. Median
    stopping: Golovin et al. 2017, "Google Vizier", KDD.
    """
    given = settings.scheduler
    common: dict[str, Any] = {"time_attr": STEP, "metric": VALUE, "mode": "min"}
    match given["name"]:
        case "asha":
            grace, reduction = given["grace"], given["reduction"]
            asha = AsyncHyperBandScheduler(
                **common,
                grace_period=grace,
                reduction_factor=reduction,
                max_t=grace * reduction**_RUNGS,
                stop_last_trials=False,  # a job that has trained to its end is to be judged too
            )
            for curve in past:
                trial: Any = _Past(curve.name)
                asha.on_trial_add(_NOBODY, trial)
                for result in curve.results:
                    _remember(asha, trial, result)
                asha.on_trial_complete(_NOBODY, trial, {})
            return asha
        case "median":
            median = MedianStoppingRule(
                **common,
                grace_period=given["grace"],
                min_samples_required=given["samples"],
                min_time_slice=inf,  # type: ignore[arg-type]  # a job is never paused for another
            )
            for curve in past:
                trial = _Past(curve.name)
                for result in curve.results:
                    _remember(median, trial, result)
            return median
    return FIFOScheduler()  # type: ignore[no-untyped-call]  # Ray's own


_NOBODY: Any = None
"""The controller, which these schedulers do not ask."""


def _remember(scheduler: TrialScheduler, trial: Any, result: dict[str, Any]) -> None:
    """Takes in a step that was decided on before: only its value counts."""
    if isinstance(scheduler, MedianStoppingRule):  # whom it would have ended is ended for good
        scheduler.on_trial_complete(_NOBODY, trial, result)
    else:
        scheduler.on_trial_result(_NOBODY, trial, result)


@dataclass(frozen=True)
class _Past:
    """A trial of before, of which schedulers only want to know who it is."""

    trial_id: str


class Deciding(TrialScheduler):
    """Another scheduler, whose decision to end a trial is heard before the trial hears of it.

    Tune ends a trial the same way whether the scheduler wants it or the driver stops.

    Jobs are compared step by step. One that goes on where it was interrupted has made its first
    steps before, and one whose fold ended early leaves some out, at which it was as good as before.

    Args:
        scheduler: who decides.
        cut: called with a trial that is ended.
        earlier: given a trial's run folder, what an earlier attempt at it has shown; None for a
            scheduler that does not compare steps.
    """

    def __init__(
        self,
        scheduler: TrialScheduler,
        cut: Callable[[Any], None],
        earlier: Callable[[Path], Curve] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own
        self.scheduler = scheduler
        self._cut = cut
        self._earlier = earlier
        self._told: dict[str, tuple[int, float]] = {}
        """Last step of each trial and its value."""

    @property
    def metric(self) -> Any:
        """Of the other."""
        return self.scheduler.metric

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Passed on."""
        return bool(self.scheduler.set_search_properties(metric, mode, **spec))

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Passed on."""
        self.scheduler.on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Passed on."""
        self.scheduler.on_trial_error(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: Mapping[str, Any]) -> str:
        """The other's decision."""
        decision = TrialScheduler.CONTINUE
        for one in self._due(trial, result):
            decision = str(self.scheduler.on_trial_result(tune_controller, trial, one))
            if decision != TrialScheduler.CONTINUE:
                break
        if decision == TrialScheduler.STOP:
            self._cut(trial)
        return decision

    def _due(self, trial: Any, result: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The result, and before it those of steps that nobody has decided on."""
        if self._earlier is None:
            return [dict(result)]
        step, value = int(result[STEP]), float(result[VALUE])
        told = self._told.get(trial.trial_id)
        if told is None and step > 1 and result.get("folder") is not None:
            before = self._earlier(Path(result["folder"]))
            for one in before.until(step).results:
                _remember(self.scheduler, trial, {**result, **one})
                told = one[STEP], one[VALUE]
        self._told[trial.trial_id] = step, value
        if told is None:
            return [dict(result)]
        between = Curve("", (told[0], step), (told[1], value)).results[1:]
        return [{**result, **one} for one in between]

    def on_trial_complete(
        self, tune_controller: Any, trial: Any, result: Mapping[str, Any]
    ) -> None:
        """Passed on, unless it is how the job ended, which is no step."""
        if STEP in result and VALUE in result:
            self.scheduler.on_trial_complete(tune_controller, trial, dict(result))

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """Passed on."""
        self.scheduler.on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The other's choice."""
        return self.scheduler.choose_trial_to_run(tune_controller)

    def debug_string(self) -> str:
        """Of the other."""
        return str(self.scheduler.debug_string())
