"""Who suggests: what each can search, and that CMA-ES goes where the best are."""

import numpy as np
import optuna
import pytest

from regimecast.core.errors import ConfigError
from regimecast.sweep.samplers import CmaEs, check_searcher, make_sampler
from regimecast.sweep.space import Space
from tests.sweep.searching import settings, space, swept

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.mark.parametrize(
    ("searcher", "where", "said"),
    [
        ("grid", space("a=1,2", "b=interval(0.0,1.0)"), "b: a grid has no end"),
        ("cmaes", space("a=interval(0.0,1.0)", "b=x,y"), "takes numbers, and these are choices: b"),
        ("cmaes", space("a=interval(0.0,1.0)"), "two dimensions"),
        (
            "cmaes",
            Space((), (swept("model=a,b"), swept("x=interval(0.0,1.0)", model="a"))),
            "one model only",
        ),
    ],
)
def test_a_searcher_refuses_what_it_cannot_search(searcher: str, where: Space, said: str):
    with pytest.raises(ConfigError, match=said):
        check_searcher(where, settings(searcher=searcher))


@pytest.mark.parametrize("searcher", ["random", "tpe", "nsga2", "grid"])
def test_the_others_take_conditions(searcher: str):
    check_searcher(
        Space((), (swept("model=a,b"), swept("x=1,2", model="a"))), settings(searcher=searcher)
    )


def test_tpe_spreads_jobs_that_run_beside_each_other():
    """Not all of them where the best one was."""
    study = optuna.create_study()
    asked = []
    for number in range(32):
        study.sampler = make_sampler(settings(searcher="tpe"), seed=number)
        trial = study.ask()
        x = trial.suggest_float("x", 0.0, 1.0)
        if number < 20:
            study.tell(trial, (x - 0.5) ** 2)
        else:
            asked.append(x)
    assert np.median(np.diff(sorted(asked))) > 0.03


def sphere(sampler_of, trials: int, sign: int = 1) -> float:
    study = optuna.create_study(direction="minimize" if sign == 1 else "maximize")
    for number in range(trials):
        study.sampler = sampler_of(number)
        trial = study.ask()
        a = trial.suggest_float("a", -5.0, 5.0)
        trial.suggest_float("b", 1e-6, 1.0, log=True)
        c = trial.suggest_int("c", 0, 100)
        assert isinstance(c, int)
        far = (a - 2.0) ** 2 + (trial.params["b"] - 1e-3) ** 2 + ((c - 70) / 20) ** 2
        study.tell(trial, sign * far)
    return abs(study.best_value)


@pytest.mark.parametrize("sign", [1, -1])
def test_cma_es_finds_the_best_point(sign: int):
    found = sphere(lambda n: CmaEs(seed=n, population=None, sign=sign), 120, sign)
    chance = sphere(lambda n: optuna.samplers.RandomSampler(seed=n), 120, sign)
    assert found < 0.02 < chance
