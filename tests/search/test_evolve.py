"""The population: its front, its area, its chance and its end."""

import math

import numpy as np
import pytest

from regimecast.labels.barrier_setting import BarrierSetting
from regimecast.search.evolve import Bounds, Candidate, Evolution, evolve, front, hypervolume
from regimecast.search.merit import Merit

BOUNDS = Bounds(width=(0.5, 5.0), horizon=(2, 40))
START = BarrierSetting(horizon=10, upper=2.0, lower=2.0)


def worth(edge: float, imbalance: float) -> Merit:
    return Merit(edge, imbalance, 0.4, 0.2, 0.4, 0.5, 3.0, 0.01, 100)


def bowl(setting: BarrierSetting) -> Merit:
    """Edge is best at 3 and 2, balance where both are the same."""
    miss = (setting.upper - 3) ** 2 + (setting.lower - 2) ** 2 + (setting.horizon - 20) ** 2 / 100
    return worth(2 - miss, min(abs(math.log(setting.upper / setting.lower)), 1.0))


def bred(**changes: object) -> Evolution:
    given = {
        "bounds": BOUNDS,
        "start": START,
        "population": 20,
        "generations": 15,
        "patience": 15,
        "crossover": 0.7,
        "mutation": 0.2,
        "seed": 0,
    }
    return evolve(bowl, **{**given, **changes})


def random_candidates(seed: int) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 12, (60, 2)) / 10  # coarse, so that there are ties
    return [Candidate(START, worth(float(e), float(abs(i)))) for e, i in values]


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_nothing_beats(seed: int):
    candidates = random_candidates(seed)
    goals = {(c.merit.edge, c.merit.imbalance) for c in candidates}
    unbeaten = {
        (e, i)
        for e, i in goals
        if not any(e2 >= e and i2 <= i and (e2, i2) != (e, i) for e2, i2 in goals)
    }
    found = [(c.merit.edge, c.merit.imbalance) for c in front(candidates)]
    assert set(found) == unbeaten
    assert len(found) == len(unbeaten)
    assert found == sorted(found, key=lambda goal: goal[1])


@pytest.mark.parametrize("seed", range(3))
def test_the_area_is_that_of_the_union_of_rectangles(seed: int):
    candidates = random_candidates(seed)
    grid = (np.arange(240) + 0.5) / 200
    covered = np.zeros((240, 240), dtype=bool)
    for c in candidates:
        covered |= (grid[:, None] < c.merit.edge) & (grid[None, :] < 1 - c.merit.imbalance)
    assert hypervolume(candidates) == pytest.approx(covered.mean() * 1.2**2, abs=1e-9)


def test_it_comes_near_the_best_of_both():
    candidates = bred(population=50, generations=30).candidates
    assert max(c.merit.edge for c in candidates) > 1.9
    balanced = [c for c in candidates if c.merit.imbalance < 0.02]
    assert max(c.merit.edge for c in balanced) > 1.4  # 1.5 on the diagonal at (2.5, 2.5, 20)


def test_one_seed_one_search():
    assert bred() == bred()
    assert bred() != bred(seed=1)


def test_the_start_comes_first_and_nothing_is_judged_twice_or_out_of_bounds():
    asked: list[BarrierSetting] = []

    def judge(setting: BarrierSetting) -> Merit:
        asked.append(setting)
        return bowl(setting)

    given = {"population": 20, "generations": 6, "patience": 6, "crossover": 0.7, "mutation": 0.2}
    out_of_bounds = BarrierSetting(horizon=99, upper=9.0, lower=9.0)
    found = evolve(judge, bounds=BOUNDS, start=out_of_bounds, seed=3, **given)
    assert [c.setting for c in found.candidates] == asked
    assert asked[0] == out_of_bounds
    assert len(set(asked)) == len(asked)
    for setting in asked[1:]:
        assert 2 <= setting.horizon <= 40
        assert 0.5 <= min(setting.upper, setting.lower) <= max(setting.upper, setting.lower) <= 5.0
        assert setting.upper == float(f"{setting.upper:.4g}")


def test_it_stops_when_the_front_stands_still():
    steps: list[int] = []
    found = evolve(
        lambda setting: worth(1.0, 0.1),
        bounds=BOUNDS,
        start=START,
        population=10,
        generations=50,
        patience=3,
        crossover=0.7,
        mutation=0.2,
        seed=0,
        advance=lambda: steps.append(1),
    )
    assert found.generations == len(steps) == 3


def test_bounds_may_be_one_point_and_merits_infinite():
    bounds = Bounds(width=(1.0, 1.0), horizon=(5, 5))
    found = evolve(
        lambda setting: worth(-math.inf, 1.0),
        bounds=bounds,
        start=START,
        population=4,
        generations=3,
        patience=2,
        crossover=0.7,
        mutation=0.2,
        seed=0,
    )
    assert [c.setting for c in found.candidates] == [
        START,
        BarrierSetting(horizon=5, upper=1.0, lower=1.0),
    ]
    assert front(found.candidates) == ()
    assert hypervolume(found.candidates) == 0.0
