"""Population-based training: who may take part, and what a job that follows another is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from regimecast.core.errors import ConfigError
from regimecast.core.files import read_json
from regimecast.sweep.bandit import BanditExchange
from regimecast.sweep.exchange import (
    changed_value,
    check_population,
    current_values,
    make_exchange,
    mutated,
    share_of,
    value_at,
)
from regimecast.sweep.following import follow, keep
from regimecast.sweep.jobs import SweepJob, find_job
from regimecast.sweep.settings import SearchSettings
from tests.sweep.searching import named, space, swept

SPACE = space("optimizer.lr=tag(log,interval(1e-4,1e-2))", "model.width=8,16")
BASE = {"split": {"name": "holdout"}, "trainer": {"max_epochs": 100}}
PBT = named("pbt")


def test_numbers_of_the_optimizer_change_and_nothing_else():
    several = space("optimizer.lr=interval(0.1,1.0)", "optimizer.name=a,b", "model.x=interval(0,9)")
    assert [one.key for one in mutated(several)] == ["optimizer.lr"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": {"name": "walk_forward", "folds": 3}}, "within one fold"),
        ({"trainer": {"max_epochs": 20}}, "nothing would ever be exchanged"),
    ],
)
def test_what_cannot_exchange_is_refused(changes: dict[str, Any], said: str):
    check_population(SPACE, PBT, BASE)
    check_population(SPACE, PBT, BASE | {"split": {"name": "walk_forward", "folds": 1}})
    with pytest.raises(ConfigError, match=said):
        check_population(SPACE, PBT, BASE | changes)
    with pytest.raises(ConfigError, match="at least 2"):
        check_population(SPACE, replace(PBT, trials=1), BASE)
    with pytest.raises(ConfigError, match="exchanges nothing"):
        check_population(SPACE, replace(PBT, scheduler={**PBT.scheduler, "quantile": 0}), BASE)
    with pytest.raises(ConfigError, match="none is searched"):
        check_population(space("model.width=8,16"), PBT, BASE)


def test_a_changed_value_is_scaled_or_drawn_anew_within_the_ends():
    one = swept("optimizer.lr=tag(log,interval(1e-4,1e-2))")
    values = [changed_value(one, 1e-3, PBT, seed) for seed in range(200)]
    scaled = [value for value in values if value in (8e-4, 1.2e-3)]
    assert 110 < len(scaled) < 190  # three quarters
    assert all(1e-4 <= value <= 1e-2 for value in values)
    assert changed_value(one, 1e-2, PBT, 3) <= 1e-2
    assert changed_value(one, 1e-3, PBT, 5) == changed_value(one, 1e-3, PBT, 5)


def test_current_values_are_those_after_the_last_change():
    config = {"optimizer": {"lr": 0.5}, "changes": []}
    assert current_values(SPACE, config) == {"optimizer.lr": 0.5}
    config["changes"] = [{"epoch": 2, "set": {"optimizer.lr": 0.2}}]
    assert current_values(SPACE, config) == {"optimizer.lr": 0.2}


class Member:
    def __init__(self, number: int, rate: float) -> None:
        self.trial_id = str(number)
        self.config: dict[str, Any] = {"number": number, "optimizer.lr": rate}
        self.status = "RUNNING"
        self.evaluated_params: dict[str, Any] = {}
        self.experiment_tag = ""
        manager = SimpleNamespace(
            checkpoint_config=SimpleNamespace(num_to_keep=None), _latest_checkpoint_result=None
        )
        self.run_metadata = SimpleNamespace(checkpoint_manager=manager)

    def is_finished(self) -> bool:
        return False

    def set_config(self, config: dict[str, Any]) -> None:
        self.config = config

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag


class Population:
    """Four jobs, the last one the worst, and a scheduler for them."""

    def __init__(self, how: SearchSettings = PBT, rates: Sequence[float] = (1e-3,) * 4) -> None:
        self.members: Any = [Member(number, rate) for number, rate in enumerate(rates)]
        self.paused: list[str] = []
        self.followed: list[tuple[int, int, int]] = []
        self._controller: Any = SimpleNamespace(
            search_alg=None,
            get_trials=lambda: self.members,
            pause_trial=lambda trial, should_checkpoint: self.paused.append(trial.trial_id),
            _schedule_trial_save=lambda trial, result: f"checkpoint of {trial.trial_id}",
        )
        self.scheduler = make_exchange(how, SPACE, self._replace, last=100)
        for member in self.members:
            self.scheduler.on_trial_add(self._controller, member)

    def reach(self, step: int, values: Sequence[float] = (0.1, 0.2, 0.3, 0.9)) -> None:
        for member, value in zip(self.members, values, strict=True):
            result = {"step": step, "val/loss": value}
            self.scheduler.on_trial_result(self._controller, member, result)

    def _replace(self, mine: Any, other: Any, step: int, values: Any) -> dict[str, Any]:
        self.followed.append((mine["number"], other["number"], step))
        return {"number": mine["number"], **values}


def test_the_worst_goes_on_as_the_best_did():
    jobs = Population()
    for step in (10, 20, 40):  # at 20 Tune has no copy of the best yet
        jobs.reach(step)
    assert jobs.followed == [(3, 0, 40)]
    assert jobs.paused == ["3"]
    assert jobs.members[3].config["optimizer.lr"] != 1e-3
    assert jobs.members[3].config["number"] == 3
    jobs.reach(100)  # trained to the end: nothing is exchanged any more
    assert jobs.followed == [(3, 0, 40)]


def test_a_search_that_goes_on_exchanges_when_it_would_have():
    jobs = Population()
    for step in (33, 39, 40, 41, 59):
        jobs.reach(step)
        assert jobs.followed == []
    jobs.reach(60)
    assert jobs.followed == [(3, 0, 60)]


def test_a_bandit_goes_where_others_have_gained():
    chosen = []
    for seed in range(10):
        jobs = Population(replace(named("pb2"), seed=seed), rates=(8e-3, 1e-3, 3e-4, 1e-4))
        losses = [1.0, 1.0, 1.0, 1.0]
        for step in (20, 40):  # the higher the rate, the more it gains
            rates = [member.config["optimizer.lr"] for member in jobs.members]
            losses = [loss - rate for loss, rate in zip(losses, rates, strict=True)]
            jobs.reach(step, losses)
        assert jobs.followed == [(3, 0, 40)]
        chosen.append(jobs.members[3].config["optimizer.lr"])
    assert sum(value > 3e-3 for value in chosen) >= 8  # at random: 3


def test_a_bandit_takes_the_end_of_a_range_where_most_is_gained_there():
    jobs = Population(named("pb2"), rates=(1e-2, 3e-3, 1e-3, 1e-4))
    jobs.reach(20, [1.0, 1.0, 1.0, 1.0])
    jobs.reach(40, [0.5, 0.8, 0.9, 1.0])
    assert jobs.members[3].config["optimizer.lr"] == 1e-2


def test_a_bandit_learns_what_its_own_values_gain():
    jobs = Population(named("pb2"), rates=(8e-3, 1e-3, 3e-4, 1e-4))
    for step in (20, 40, 60, 80):
        jobs.reach(step, [2.0 - step / 100, 2.1, 2.2, 2.3])
    assert len(jobs.followed) >= 2
    bandit = cast(BanditExchange, jobs.scheduler)._bandit
    gains = bandit.data.groupby(["Trial", "optimizer.lr"])["Reward"].diff().notna()
    # Four members after each of four rounds but the first.
    assert gains.sum() == 12


def test_a_bandit_that_has_seen_nothing_draws_at_random():
    drawn = set()
    for seed in range(5):
        jobs = Population(replace(named("pb2"), seed=seed))
        for step in (20, 40):
            jobs.reach(step)
        (followed,) = jobs.followed
        drawn.add(jobs.members[followed[0]].config["optimizer.lr"])
    assert len(drawn) == 5
    assert all(1e-4 <= value <= 1e-2 for value in drawn)


def test_where_a_value_lies_is_where_it_came_from():
    for text in ("tag(log,interval(1e-4,1e-2))", "interval(0.5,2.5)", "range(3,30)"):
        one = swept(f"optimizer.x={text}")
        for share in (0.0, 0.25, 0.9, 1.0):
            assert share_of(one, value_at(one, share)) == pytest.approx(share, abs=0.02)
    assert value_at(swept("optimizer.x=range(3,30)"), 0.5).is_integer()


def job(tmp_path: Path, number: int = 3, identity: str = "theirs") -> SweepJob:
    config = {"runs": str(tmp_path), "study": "study"}
    return SweepJob(number, (), config, ("optimizer.lr=0.1", "changes=[]"), identity)


def test_a_job_begins_with_a_copy_of_anothers_steps(tmp_path: Path):
    run = tmp_path / "run"
    (run / "checkpoints" / "fold=0").mkdir(parents=True)
    (run / "checkpoints" / "fold=0" / "training-00000003.ckpt").write_text("weights")
    (run / "progress.csv").write_text("step\n")
    (run / "report.html").write_text("page")
    place = tmp_path / "exchange" / "mine-3"
    keep(run, place)
    keep(run, place)
    follow(job(tmp_path), place)
    found = find_job(tmp_path / "study", "theirs")
    assert found is not None
    folder, status = found
    assert status == "interrupted"
    assert folder.name.startswith("003_optimizer.lr=0.1")
    assert (folder / "checkpoints" / "fold=0" / "training-00000003.ckpt").read_text() == "weights"
    assert (folder / "progress.csv").exists()
    assert not (folder / "report.html").exists()
    manifest = read_json(folder / "manifest.json")
    follow(job(tmp_path), place)  # it is there already
    assert read_json(folder / "manifest.json") == manifest
    follow(job(tmp_path, identity="other"), tmp_path / "nowhere")
    assert find_job(tmp_path / "study", "other") is None
