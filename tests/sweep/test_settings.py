"""How a search is run: what the yamls say, and what is refused."""

from typing import Any

import pytest

from regimecast.core.errors import ConfigError
from regimecast.sweep.settings import check_objectives
from tests.sweep.searching import named, settings


@pytest.mark.parametrize(
    "name", ["random", "tpe", "asha", "median", "cmaes", "nsga2", "pbt", "pb2"]
)
def test_the_packaged_searches_are_valid(name: str):
    made = named(name)
    check_objectives(made.objectives)
    assert made.cuts == (name in ("asha", "median", "pbt", "pb2"))


def test_the_promised_defaults():
    assert named("asha").scheduler == {"name": "asha", "grace": 10, "reduction": 2}
    assert named("pbt").scheduler["interval"] == 20


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"searcher": "tpee"}, "searcher"),
        ({"trials": 0}, "sweep.trials=0"),
        ({"trials": None}, "searcher=grid"),
        ({"jobs": 0}, "sweep.jobs=0"),
        ({"population": 3}, "sweep.population=3"),
        ({"gpu": 1.5}, "whole number"),
        ({"gpu": -1.0}, "0 or more"),
        ({"time_limit": 0.0}, "more than 0"),
        ({"retries": -1}, "sweep.retries=-1"),
        ({"scheduler": {"name": "ashaa"}}, "Did you mean 'asha'"),
        ({"scheduler": {"name": "asha", "grace": 10}}, "reduction"),
        ({"scheduler": {"name": "asha", "grace": 0, "reduction": 2}}, "grace=0"),
        ({"scheduler": {"name": "asha", "grace": 1, "reduction": 1}}, "reduction=1"),
        ({"scheduler": {"name": "none", "grace": 1}}, "grace"),
        ({"objectives": {}}, "takes one"),
        ({"objectives": {"val/loss": "min", "parameters": "min"}}, "takes one"),
        ({"objectives": {"val/loss": "least"}}, "one of min, max"),
        ({"searcher": "nsga2", "objectives": {}}, "names none"),
        (
            {
                "objectives": {"validation/sharpe": "max"},
                "scheduler": {"name": "asha", "grace": 1, "reduction": 2},
            },
            "compares jobs by val/loss",
        ),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], said: str):
    with pytest.raises(ConfigError, match=said):
        settings(**changes)


def test_a_population_is_drawn_at_once():
    with pytest.raises(ConfigError, match="drawn at once"):
        settings(searcher="tpe", scheduler=dict(named("pbt").scheduler))


def test_an_objective_that_nothing_reports_is_refused():
    with pytest.raises(ConfigError, match="Did you mean 'val/loss'"):
        check_objectives({"val/los": "min"})
