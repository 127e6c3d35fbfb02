"""Who is cut short, and what a search that goes on remembers of it."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.schedulers import TrialScheduler

from regimecast.sweep.schedulers import Curve, Deciding, make_scheduler
from tests.sweep.searching import named, settings

NOBODY: Any = SimpleNamespace(get_live_trials=list)


class Member:
    def __init__(self, name: str) -> None:
        self.trial_id = name
        self.config = {"number": 0}


def decisions(scheduler: TrialScheduler, curve: Curve) -> list[str]:
    """What is decided step by step, until it is the end."""
    trial: Any = Member(curve.name)
    scheduler.on_trial_add(NOBODY, trial)
    said = []
    for result in curve.results:
        said.append(scheduler.on_trial_result(NOBODY, trial, result))
        if said[-1] == TrialScheduler.STOP:
            break
    scheduler.on_trial_complete(NOBODY, trial, result)
    return said


def told(scheduler: TrialScheduler, name: str, given: Curve) -> list[str]:
    """The same as Tune would, whose last result says how the job ended."""
    trial: Any = Member(name)
    scheduler.on_trial_add(NOBODY, trial)
    said = []
    for result in given.results:
        said.append(scheduler.on_trial_result(NOBODY, trial, {**result, "folder": name}))
        if said[-1] == TrialScheduler.STOP:
            return said
    scheduler.on_trial_complete(NOBODY, trial, {"done": True, "status": "finished"})
    return said


def curve(name: str, value: float, steps: int = 40) -> Curve:
    return Curve(name, tuple(range(1, steps + 1)), (value,) * steps)


def test_asha_cuts_the_worse_half_at_each_rung():
    scheduler = make_scheduler(named("asha"), [])
    assert len(decisions(scheduler, curve("a", 1.0))) == 40
    assert len(decisions(scheduler, curve("b", 2.0))) == 10
    assert len(decisions(scheduler, curve("c", 0.5))) == 40
    assert len(decisions(scheduler, curve("d", 1.2))) == 10
    # Between the best two it comes as far as 20.
    assert len(decisions(scheduler, curve("e", 0.9))) in (20, 40)


def test_a_job_that_trains_to_its_end_is_never_cut_there():
    scheduler = make_scheduler(settings(scheduler={"name": "asha", "grace": 2, "reduction": 2}), [])
    said = decisions(scheduler, curve("a", 1.0, 3000))
    assert set(said) == {TrialScheduler.CONTINUE}


@pytest.mark.parametrize("name", ["asha", "median"])
def test_the_past_decides_as_the_present_would(name: str):
    past = [curve(f"p{n}", value) for n, value in enumerate((1.0, 0.8, 1.4, 0.6, 1.1))]
    live = make_scheduler(named(name), [])
    for one in past:
        trial: Any = Member(one.name)
        live.on_trial_add(NOBODY, trial)
        for result in one.results:
            if name == "median":
                live.on_trial_complete(NOBODY, trial, result)
            else:
                live.on_trial_result(NOBODY, trial, result)
    replayed = make_scheduler(named(name), past)
    for value in (2.0, 1.05, 0.7, 0.1):
        new = curve(f"new {value}", value)
        assert decisions(replayed, new) == decisions(live, new), value
    assert len(decisions(replayed, curve("bad", 9.0))) == 10
    assert len(decisions(make_scheduler(named(name), []), curve("bad", 9.0))) == 40


def test_a_cut_is_heard_before_it_is_made():
    heard = []
    scheduler = Deciding(make_scheduler(named("asha"), [curve("p", 1.0)]), heard.append)
    decisions(scheduler, curve("worse", 2.0))
    decisions(scheduler, curve("better", 0.5))
    assert [trial.trial_id for trial in heard] == ["worse"]
    assert scheduler.metric == "val/loss"


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_job_that_goes_on_is_judged_as_if_it_had_not_been_interrupted(name: str):
    how = {"asha": {"grace": 5, "reduction": 2}, "median": {"grace": 5, "samples": 1}}[name]
    given = settings(scheduler={"name": name, **how})
    falling = Curve("r", tuple(range(1, 31)), tuple(3.0 - 0.05 * step for step in range(30)))
    others = [curve("x", 2.7, 30), curve("y", 2.5, 30), curve("z", 2.0, 30)]

    def decided(resumed: bool) -> list[list[str]]:
        earlier = falling.until(18)
        scheduler = Deciding(make_scheduler(given, []), lambda _: None, lambda _: earlier)
        first = Curve("r", falling.steps[17:], falling.values[17:]) if resumed else falling
        told(scheduler, "r", first)
        return [told(scheduler, one.name, one) for one in others]

    assert decided(resumed=True) == decided(resumed=False)


def test_steps_that_a_fold_left_out_are_decided_on():
    heard = []
    scheduler = Deciding(
        make_scheduler(named("asha"), [curve("p", 1.0)]),
        heard.append,
        lambda _: Curve("", (), ()),
    )
    trial: Any = Member("skips")
    scheduler.on_trial_add(NOBODY, trial)
    said = [
        scheduler.on_trial_result(NOBODY, trial, {"step": step, "val/loss": value})
        for step, value in ((6, 2.0), (41, 0.5))
    ]
    assert said == [TrialScheduler.CONTINUE, TrialScheduler.STOP]
    assert heard == [trial]
