"""What the terminal says of a search."""

import shlex
from pathlib import Path

from regimecast.sweep.digest import digest
from regimecast.sweep.opening import open_search
from tests.sweep.searching import settings, space

SPACE = space("optimizer.lr=interval(0.1,1.0)", "weighting=[uniform],[regime]")


def test_best_job_counts_and_steps(tmp_path: Path):
    search = open_search(
        None, tmp_path, space=SPACE, settings=settings(trials=5), base={}, bars=[], code="c"
    )
    assert digest(search, ()) == []
    for value in (3.0, 1.0):
        asked = search.ask()
        assert asked is not None
        search.finished(asked.number, {"val/loss": value}, {"steps": 20})
    cut, broken = search.ask(), search.ask()
    assert cut is not None
    assert broken is not None
    search.pruned(cut.number, 10, 2.0, {"steps": 10})
    search.failed(broken.number, "broken", {})
    counts, steps, best, command = digest(search, ("data=sp500", "study='x'"))
    assert counts == "4 of 5 jobs have ended: 2 finished, 1 pruned, 1 failed"
    assert steps.startswith("50 steps of training, about 60 had none been ended early (1.2 times")
    assert best == "best: job 2, val/loss 1"
    words = shlex.split(command)
    assert words[:3] == ["regimecast", "train", "data=sp500"]
    assert {word.partition("=")[0] for word in words[3:]} == {"optimizer.lr", "weighting"}


def test_a_search_without_a_result_has_no_best(tmp_path: Path):
    search = open_search(
        None, tmp_path, space=SPACE, settings=settings(trials=5), base={}, bars=[], code="c"
    )
    asked = search.ask()
    assert asked is not None
    search.failed(asked.number, "broken", {})
    assert "no best one" in digest(search, ())[-1]
