"""The trials of a search in Optuna's storage: asked for, told of, and found again after a kill."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import isfinite
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from regimecast.core.seeding import derive_seed
from regimecast.sweep.dimension import Dimension
from regimecast.sweep.samplers import Given, make_sampler
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Point, Space
from regimecast.tracking.folder import Status

__all__ = ["Asked", "Search", "Told"]

_DESCENT = "descent"
_TWIN, _INSTEAD = "same point as trial", "again for trial"
_MOST_TWINS = 50
"""Points in a row that were there before: the space has hardly any others."""
_LARGE = 10_000
"""Points that need not be counted."""
_EXHAUSTED = "exhausted"
"""Attribute of a study: the searcher and seed that have found hardly any other point."""


@dataclass(frozen=True)
class Asked:
    """A trial to be run, or to be run on."""

    number: int
    point: Point
    descent: Mapping[str, Any] | None = None
    """`root`, the trial whose weights it has, and the `changes` since, where it has another's."""


@dataclass(frozen=True)
class Told:
    """A trial that has ended."""

    number: int
    point: Point
    status: Status
    """``finished``, ``pruned`` or ``failed``."""
    values: tuple[float, ...]
    """Of the objectives in their order, or of validation so far where it was pruned."""
    facts: Mapping[str, Any]
    """What was told with it."""


class Search:
    """One search; only one process may ask at a time.

    Args:
        study: in Optuna's storage.
        space: where points come from.
        settings: how many, and who suggests them.
    """

    def __init__(self, study: Study, space: Space, settings: SearchSettings) -> None:
        self.study = study
        self.space = space
        self.settings = settings
        trials = study.get_trials(deepcopy=False)
        self._waiting = [t for t in trials if t.state == TrialState.RUNNING]
        self._points = {
            _key(point): t.number for t in trials if (point := self._point(t)) is not None
        }
        self._twins = sum(_TWIN in t.user_attrs for t in trials)
        self._again = {t.user_attrs[_INSTEAD] for t in trials if _INSTEAD in t.user_attrs}
        self._asked = sum(t.state != TrialState.WAITING for t in trials)
        self._in_a_row = 0
        """Points that the search has just found and had already."""
        self._suggester = [settings.searcher, settings.seed]
        self._spent = study.user_attrs.get(_EXHAUSTED) == self._suggester
        if settings.retry_failed:
            for failed in trials:
                if failed.state == TrialState.FAIL and self._retries(failed):
                    study.enqueue_trial(failed.params, user_attrs={_INSTEAD: failed.number})

    @property
    def total(self) -> int:
        """Trials that there will be, those of before included."""
        if self.settings.searcher == "grid":
            return self._grid_size
        assert self.settings.trials is not None
        return self._jobs if self._exhausted() else self.settings.trials

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to ask for."""
        return not (self._waiting or self._queued()) and (
            self._jobs >= self.total or self._exhausted()
        )

    def ask(self) -> Asked | None:
        """The next trial, first those that a killed search left behind; None after the last."""
        while (trial := self._next()) is not None:
            point = self._draw(trial)
            earlier = self._points.setdefault(_key(point), trial.number)
            if earlier == trial.number or _INSTEAD in trial.user_attrs:
                self._in_a_row = 0
                return Asked(trial.number, point, trial.user_attrs.get(_DESCENT))
            trial.set_user_attr(_TWIN, earlier)
            self.study.tell(trial.number, state=TrialState.FAIL)
            self._twins += 1
            self._in_a_row += 1
            if self._in_a_row == _MOST_TWINS:
                self.study.set_user_attr(_EXHAUSTED, self._suggester)
                self._spent = True
        return None

    def asked(self, number: int) -> Asked:
        """A trial that was asked for before."""
        trial = self.study.get_trials(deepcopy=False)[number]
        point = self._point(trial)
        assert point is not None
        return Asked(number, point, trial.user_attrs.get(_DESCENT))

    def descends(self, number: int, root: int, changes: Sequence[Mapping[str, Any]]) -> None:
        """Notes that a trial has another's weights now; see `Asked`."""
        self._note(number, {_DESCENT: {"root": root, "changes": list(changes)}})

    def finished(
        self, number: int, values: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> str | None:
        """Tells a trial's objectives; returns what is wrong with them, which makes it failed."""
        wrong = [n for n in self.settings.objectives if not _is_finite(values.get(n))]
        if wrong:
            shown = ", ".join(f"{name}={values.get(name)}" for name in wrong)
            problem = f"it reports no number for {shown}"
            self.failed(number, problem, facts)
            return problem
        self._note(number, {**facts, "status": "finished"})
        self.study.tell(number, [float(values[name]) for name in self.settings.objectives])
        return None

    def pruned(self, number: int, step: int, value: float, facts: Mapping[str, Any]) -> None:
        """Tells that a trial was ended early, and how well it did at its last step."""
        self._note(
            number, {**facts, "status": "pruned", "value": value if isfinite(value) else None}
        )
        trial = Trial(self.study, self._id(number))
        if isfinite(value):
            trial.report(value, step)
        self.study.tell(number, state=TrialState.PRUNED)

    def failed(self, number: int, error: str, facts: Mapping[str, Any]) -> None:
        """Tells that a trial has no result."""
        self._note(number, {**facts, "status": "failed", "error": error})
        self.study.tell(number, state=TrialState.FAIL)

    def told(self) -> Iterator[Told]:
        """Every trial that has ended, oldest first."""
        for trial in self.study.get_trials(deepcopy=False):
            point = self._point(trial)
            if not trial.state.is_finished() or point is None or _TWIN in trial.user_attrs:
                continue
            values = trial.values if trial.state == TrialState.COMPLETE else None
            early = trial.user_attrs.get("value")
            yield Told(
                trial.number,
                point,
                trial.user_attrs.get("status", "failed"),
                tuple(values or (() if early is None else (early,))),
                trial.user_attrs,
            )

    def best(self) -> list[Told]:
        """The best trial, or those that no other beats in every objective."""
        if not any(t.state == TrialState.COMPLETE for t in self.study.get_trials(deepcopy=False)):
            return []
        several = len(self.settings.objectives) > 1
        best = self.study.best_trials if several else [self.study.best_trial]
        numbers = {trial.number for trial in best}
        return [told for told in self.told() if told.number in numbers]

    def _next(self) -> Trial | None:
        """A trial that is running now, perhaps not with all its values yet."""
        if self._waiting:
            return Trial(self.study, self._waiting.pop(0)._trial_id)
        if not self._queued() and (self._jobs >= self.total or self._exhausted()):
            return None
        trial = self.study.ask()
        if _INSTEAD in trial.user_attrs:
            self._again.add(trial.user_attrs[_INSTEAD])
        self._asked += 1
        return trial

    def _exhausted(self) -> bool:
        """Whether there is no other point, or hardly any."""
        return self._spent or (self._size is not None and len(self._points) >= self._size)

    def _queued(self) -> bool:
        return bool(self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    @cached_property
    def _size(self) -> int | None:
        return self.space.size(_LARGE)

    @cached_property
    def _grid_size(self) -> int:
        return sum(1 for _ in islice(self.space.grid(), self.settings.trials))

    @cached_property
    def _grid(self) -> Iterator[Point]:
        """Points that were not looked at yet; all before them were asked for."""
        return self.space.grid()

    @property
    def _jobs(self) -> int:
        return self._asked - self._twins - len(self._again)

    def _draw(self, trial: Trial) -> Point:
        """The trial's point; what it has already stays, and the rest is as it would have been."""
        if self.settings.searcher == "grid":
            again = _INSTEAD in trial.user_attrs  # then it has its point already
            self.study.sampler = Given({} if again else self._unasked(trial))
            return self.space.draw(lambda one: one.suggest(trial))
        turns = iter(range(len(self.space.dimensions) + 1))
        self.study.sampler = self._sampler(trial.number, next(turns))
        _ = trial.relative_params  # what is drawn together, before anything is drawn by itself

        def value(one: Dimension) -> str:
            self.study.sampler = self._sampler(trial.number, next(turns))
            return one.suggest(trial)

        return self.space.draw(value)

    def _sampler(self, number: int, turn: int) -> BaseSampler:
        seed = derive_seed(self.settings.seed, 1 + number, 1 + turn)
        return make_sampler(self.settings, seed=seed)

    def _unasked(self, trial: Trial) -> Point:
        """The first point of the grid that no trial has, which begins as this one did."""
        begun = {k: str(v) for k, v in self._texts(trial.params, trial.distributions).items()}
        for point in self.space.grid() if begun else self._grid:
            if begun.items() <= point.items() and (
                self._points.get(_key(point)) in (None, trial.number)
            ):
                return point
        raise AssertionError(f"trial {trial.number} is beyond the grid")

    def _point(self, trial: FrozenTrial) -> Point | None:
        """The point of a trial; None where it was not drawn to its end."""
        texts = self._texts(trial.params, trial.distributions)
        try:
            return self.space.draw(lambda one: texts[one.name])
        except KeyError:
            return None

    def _texts(self, params: Mapping[str, Any], _: Mapping[str, BaseDistribution]) -> Point:
        known = {one.name: one for one in self.space.dimensions}
        return {name: known[name].text(value) for name, value in params.items() if name in known}

    def _retries(self, failed: FrozenTrial) -> bool:
        return (
            _TWIN not in failed.user_attrs
            and failed.number not in self._again
            and self._point(failed) is not None
        )

    def _note(self, number: int, facts: Mapping[str, Any]) -> None:
        storage, trial = self.study._storage, self._id(number)
        for key, value in facts.items():
            storage.set_trial_user_attr(trial, key, value)

    def _id(self, number: int) -> int:
        return self.study._storage.get_trial_id_from_study_id_trial_number(
            self.study._study_id, number
        )


def _key(point: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(point.items()))


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
