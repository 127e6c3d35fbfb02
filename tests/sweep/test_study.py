"""Trials in Optuna's storage: the same points whether a search was killed or not."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from regimecast.core.errors import ConfigError
from regimecast.sweep import study
from regimecast.sweep.opening import open_search
from regimecast.sweep.settings import SearchSettings
from regimecast.sweep.space import Point, Space
from regimecast.sweep.study import Asked, Search
from tests.sweep.searching import settings, space, swept

SPACE = space("model=a,b", "lr=tag(log,interval(1e-4,1e-2))", "width=interval(4,64)")
NUMBERS = space("lr=tag(log,interval(1e-4,1e-2))", "width=interval(4,64)", "drop=interval(0.0,0.9)")
CONDITIONAL = Space(
    (),
    (
        swept("model=a,b"),
        swept("lr=tag(log,interval(1e-4,1e-2))"),
        swept("width=interval(4,64)", model="a"),
        swept("leaves=range(2,9)", model="b"),
    ),
)
CODE = "code"


def opened(folder: Path, where: Space, how: SearchSettings, **changes: Any) -> Search:
    given: dict[str, Any] = {
        "base": {"seed": 0, "data": {"path": "x"}},
        "bars": ["b"],
        "code": CODE,
    } | changes
    folder.mkdir(exist_ok=True)
    return open_search(None, folder, space=where, settings=how, **given)


def worth(point: Point) -> float:
    """An objective that every dimension has a say in."""
    return sum(
        abs(float(text) - 0.003) if name == "lr" else 0.1 * len(text)
        for name, text in point.items()
    )


def run(search: Search, trials: int | None = None) -> list[Point]:
    points = []
    while (trials is None or len(points) < trials) and (asked := search.ask()) is not None:
        points.append(asked.point)
        value = worth(asked.point)
        values = {name: value + i for i, name in enumerate(search.settings.objectives)}
        assert search.finished(asked.number, values, {}) is None
    return points


def run_beside(search: Search, ended: int) -> list[Point]:
    """The points asked for, when so many have ended; three run beside each other."""
    open_jobs: list[Asked] = []
    while len(told := list(search.told())) < ended:
        while len(open_jobs) < 3 and (asked := search.ask()) is not None:
            open_jobs.append(asked)
        first = open_jobs.pop(0)
        values = {name: worth(first.point) for name in search.settings.objectives}
        assert search.finished(first.number, values, {}) is None
    return [one.point for one in told]


def half_asked(search: Search) -> None:
    """Leaves a trial as one that was killed while it was being asked for its second value."""
    trial = search.study.ask()
    search.study.sampler = search._sampler(trial.number, 0)
    _ = trial.relative_params
    search.study.sampler = search._sampler(trial.number, 1)
    search.space.dimensions[0].suggest(trial)


@pytest.mark.parametrize(
    ("searcher", "where"),
    [
        ("random", SPACE),
        ("tpe", SPACE),
        ("tpe", CONDITIONAL),
        ("cmaes", NUMBERS),
        ("nsga2", SPACE),
        ("nsga2", CONDITIONAL),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value.dimensions)),
)
def test_a_killed_search_asks_the_same(tmp_path: Path, searcher: str, where: Space):
    how = settings(searcher=searcher, trials=14, population=4)
    whole = run(opened(tmp_path / "a", where, how))
    assert len(whole) == 14
    assert len({tuple(point.items()) for point in whole}) == 14
    parts: list[Point] = []
    for number in (2, 1, 4):
        search = opened(tmp_path / "b", where, how)
        parts += run(search, number)
        left = search.ask()  # begun, and killed
        assert left is not None
    half = opened(tmp_path / "b", where, how)
    parts += run(half, 4)
    half_asked(half)
    parts += run(opened(tmp_path / "b", where, how))
    assert parts == whole


@pytest.mark.parametrize("searcher", ["tpe", "cmaes", "nsga2"])
def test_a_search_killed_with_jobs_beside_each_other_asks_the_same(tmp_path: Path, searcher: str):
    # Three are open at any time: each knows what had been told when it was asked for.
    how = settings(searcher=searcher, trials=16, population=4)
    whole = run_beside(opened(tmp_path / "a", NUMBERS, how), how.trials or 0)
    for ended in (1, 11, 16):
        search = opened(tmp_path / "b", NUMBERS, how)
        run_beside(search, ended)
        if ended < 12:
            half_asked(search)
    assert [told.point for told in search.told()] == whole
    assert len(whole) == 16


def test_another_seed_asks_for_other_points(tmp_path: Path):
    first = run(opened(tmp_path / "a", SPACE, settings(trials=3)))
    assert first != run(opened(tmp_path / "b", SPACE, settings(trials=3, seed=1)))


def test_more_trials_than_before_go_on(tmp_path: Path):
    few = run(opened(tmp_path / "a", SPACE, settings(searcher="tpe", trials=4)))
    search = opened(tmp_path / "a", SPACE, settings(searcher="tpe", trials=6))
    assert not search.complete
    more = run(search)
    assert len(more) == 2
    assert few + more == run(opened(tmp_path / "b", SPACE, settings(searcher="tpe", trials=6)))
    assert opened(tmp_path / "a", SPACE, settings(searcher="tpe", trials=6)).complete


def test_a_grid_asks_for_every_point_once(tmp_path: Path):
    where = space("a=1,2,3", "b=x,y")
    how = settings(searcher="grid", trials=None)
    search = opened(tmp_path, where, how)
    assert search.total == 6
    first = run(search, 2)
    left = search.ask()
    assert left is not None
    again = opened(tmp_path, where, how)
    assert first + run(again) == list(where.grid())


def test_a_grid_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    where, looked_at = space("a=range(0,6)", "b=range(0,4)"), []
    grid = Space.grid

    def watched(self: Space) -> Iterator[Point]:
        for point in grid(self):
            looked_at.append(point)
            yield point

    monkeypatch.setattr(Space, "grid", watched)
    search = opened(tmp_path, where, settings(searcher="grid", trials=None))
    for number in range(24):
        assert search.total == 24
        asked = search.ask()
        assert asked is not None
        assert asked.number == number
    assert search.ask() is None
    assert len(looked_at) <= 3 * 24  # to know how many there are, whether all were had, and which


def test_failed_points_of_a_grid_are_asked_for_again(tmp_path: Path):
    how = {"searcher": "grid", "trials": None}
    search = opened(tmp_path, space("a=1,2", "b=x,y"), settings(**how))
    while (asked := search.ask()) is not None:
        search.failed(asked.number, "broken", {})
    search = opened(tmp_path, space("a=1,2", "b=x,y"), settings(**how, retry_failed=True))
    assert run(search) == list(search.space.grid())


def test_a_space_without_other_points_is_found_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(study, "_LARGE", 1)  # as if there were too many to be counted
    where, how = space("a=1,2", "b=x,y"), settings(trials=10)
    search = opened(tmp_path, where, how)
    assert len(run(search)) == 4
    trials = len(search.study.get_trials())
    again = opened(tmp_path, where, how)
    assert again.complete
    assert again.ask() is None
    assert (again.total, len(again.study.get_trials())) == (4, trials)
    other = opened(tmp_path, where, settings(trials=10, seed=1))  # may find others
    assert not other.complete


def test_a_point_that_was_there_is_not_run_again(tmp_path: Path):
    where = space("a=1,2", "b=x,y")
    points = run(opened(tmp_path, where, settings(trials=10)))
    assert len(points) == 4
    assert len({tuple(point.items()) for point in points}) == 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "text", True])
def test_what_is_no_number_is_never_best(tmp_path: Path, value: Any):
    search = opened(tmp_path, SPACE, settings(trials=3))
    first, second = search.ask(), search.ask()
    assert first is not None
    assert second is not None
    problem = search.finished(first.number, {"val/loss": value, "parameters": 3}, {})
    assert problem is not None
    assert "val/loss" in problem
    assert search.best() == []
    search.finished(second.number, {"val/loss": 2.0}, {"folder": "f"})
    (best,) = search.best()
    assert (best.number, best.values, best.facts["folder"]) == (second.number, (2.0,), "f")
    assert [told.status for told in search.told()] == ["failed", "finished"]


def test_pruned_trials_keep_their_last_value(tmp_path: Path):
    search = opened(tmp_path, SPACE, settings(trials=3))
    asked = search.ask()
    assert asked is not None
    search.pruned(asked.number, 7, 0.5, {"steps": 7})
    (told,) = search.told()
    assert (told.status, told.values, told.facts["steps"]) == ("pruned", (0.5,), 7)
    (trial,) = search.study.get_trials()
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert trial.intermediate_values == {7: 0.5}


def test_several_objectives_have_a_front(tmp_path: Path):
    how = settings(searcher="nsga2", trials=9, objectives={"val/loss": "min", "parameters": "max"})
    search = opened(tmp_path, SPACE, how)
    for values in ((1.0, 1.0), (2.0, 3.0), (3.0, 2.0)):
        asked = search.ask()
        assert asked is not None
        search.finished(asked.number, dict(zip(how.objectives, values, strict=True)), {})
    assert [told.number for told in search.best()] == [0, 1]


def test_failed_jobs_are_asked_again_only_when_wanted(tmp_path: Path):
    search = opened(tmp_path, SPACE, settings(trials=2))
    for _ in range(2):
        asked = search.ask()
        assert asked is not None
        search.failed(asked.number, "broken", {})
    assert opened(tmp_path, SPACE, settings(trials=2)).complete
    search = opened(tmp_path, SPACE, settings(trials=2, retry_failed=True))
    again = [search.ask(), search.ask()]
    assert [one.number for one in again if one is not None] == [2, 3]
    assert [one.point for one in again if one is not None] == [t.point for t in search.told()]
    assert search.ask() is None


@pytest.mark.parametrize(
    ("where", "changes", "how", "said"),
    [
        (space("lr=interval(0.0,1.0)"), {}, {}, "another space: had .*has lr"),
        (SPACE, {"base": {"seed": 1, "data": {"path": "x"}}}, {}, "config: seed was 0 and is 1"),
        (SPACE, {"base": {"seed": 0, "data": {"path": "y"}}}, {}, "data.path was 'x' and is 'y'"),
        (SPACE, {"bars": ["c"]}, {}, "was begun on other bars"),
        (SPACE, {"code": "other"}, {}, "was begun by other code"),
        (SPACE, {}, {"objectives": {"parameters": "min"}}, "another objectives"),
        (SPACE, {}, {"objectives": {"val/loss": "max"}}, "objectives"),
    ],
)
def test_a_name_that_has_another_search_is_refused(
    tmp_path: Path, where: Space, changes: dict[str, Any], how: dict[str, Any], said: str
):
    run(opened(tmp_path / "begun", SPACE, settings()), 1)
    with pytest.raises(ConfigError, match=said):
        opened(tmp_path / "begun", where, settings(**how), **changes)
    # One that was refused before its first trial takes nobody's name.
    opened(tmp_path / "refused", SPACE, settings())
    assert run(opened(tmp_path / "refused", where, settings(**how), **changes), 1)


@pytest.mark.parametrize("url", ["nonsense", "postgresql://nobody@127.0.0.1:1/none", "odd:///x"])
def test_a_storage_that_cannot_be_used_is_named(tmp_path: Path, url: str):
    with pytest.raises(ConfigError, match=r"sweep\.storage="):
        open_search(url, tmp_path, space=SPACE, settings=settings(), base={}, bars=[], code=CODE)


def test_what_is_wrong_with_a_storage_is_said_without_its_password(tmp_path: Path):
    url = "postgresql+nosuch://me:secret@127.0.0.1:1/db"
    with pytest.raises(ConfigError) as said:
        open_search(url, tmp_path, space=SPACE, settings=settings(), base={}, bars=[], code=CODE)
    assert "secret" not in str(said.value)


def test_a_driver_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in ("psycopg", "psycopg2", "pg8000"):
        monkeypatch.setitem(sys.modules, module, None)
    for url in ("postgresql://me:secret@127.0.0.1/db", "postgresql+pg8000://me@127.0.0.1/db"):
        with pytest.raises(ConfigError, match=r"driver is not installed .*pip install pg8000"):
            open_search(
                url, tmp_path, space=SPACE, settings=settings(), base={}, bars=[], code=CODE
            )


def test_two_folders_do_not_share_a_search_by_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url, given = f"sqlite:///{tmp_path}/all.db", {"base": {}, "bars": [], "code": CODE}
    for name in ("mine", "mine", "yours"):
        (tmp_path / name / "study").mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(tmp_path / name)
        if name == "mine":
            open_search(url, Path("study"), space=SPACE, settings=settings(), **given)
            continue
        with pytest.raises(ConfigError, match=r"has the search 'study' of .*mine/study"):
            open_search(url, Path("study"), space=SPACE, settings=settings(), **given)


def test_nothing_in_the_storage_is_a_pickle(tmp_path: Path):
    search = opened(tmp_path, NUMBERS, settings(searcher="cmaes", trials=12, population=4))
    run(search)
    trials = search.study.get_trials()
    assert all(not any("optimizer" in key for key in t.system_attrs) for t in trials)
