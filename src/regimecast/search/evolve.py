"""NSGA-II over two goals: more edge, less imbalance.

Deb, Pratap, Agarwal and Meyarivan, A fast and elitist multiobjective genetic algorithm: NSGA-II
(IEEE Transactions on Evolutionary Computation 6(2), 2002), as Optuna has it: parents are chosen in
tournaments of two, children are made by simulated binary crossover and polynomial mutation, and the
best of parents and children together survive.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import optuna

from regimecast.core.stopping import stop_if_asked
from regimecast.labels.barrier_setting import BarrierSetting
from regimecast.search.merit import Merit

__all__ = ["Bounds", "Candidate", "Evolution", "evolve", "front", "hypervolume"]

_DIGITS = 4
_PROGRESS = 1e-4
"""Relative growth of the front's area that counts as better."""


@dataclass(frozen=True)
class Candidate:
    """A setting and what it is worth."""

    setting: BarrierSetting
    merit: Merit


@dataclass(frozen=True)
class Bounds:
    """Where to look, both ends included."""

    width: tuple[float, float]
    horizon: tuple[int, int]


@dataclass(frozen=True)
class Evolution:
    """Every candidate that was judged, once each, in the order in which they came."""

    candidates: tuple[Candidate, ...]
    generations: int
    """How many were bred before it stopped."""


def evolve(
    judge: Callable[[BarrierSetting], Merit],
    *,
    bounds: Bounds,
    start: BarrierSetting,
    population: int,
    generations: int,
    patience: int,
    crossover: float,
    mutation: float,
    seed: int,
    advance: Callable[[], None] = lambda: None,
) -> Evolution:
    """The search's candidates; the same seed gives the same ones.

    Distances are drawn on a logarithmic scale and rounded to four digits before they are judged, so
    that what a yaml says is what was judged.

    Args:
        judge: what a setting is worth.
        bounds: of every value.
        start: a setting to compare with, judged first; it may lie out of bounds.
        population: candidates per generation.
        generations: at most so many.
        patience: it stops after so many generations whose front was not better, see `hypervolume`.
        crossover: probability that a candidate has two parents.
        mutation: probability that a value is moved, mostly a little.
        seed: of all chance.
        advance: called after each generation.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce every study
    with warnings.catch_warnings():
        # Optuna calls both operators experimental. Its stable ones only shuffle values that were
        # drawn at random, and leave gaps in the front.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.NSGAIISampler(
            population_size=population,
            crossover=optuna.samplers.nsgaii.SBXCrossover(),
            crossover_prob=crossover,
            mutation=optuna.samplers.nsgaii.PolynomialMutation(),
            mutation_prob=mutation,
            seed=seed,
        )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    width = optuna.distributions.FloatDistribution(*bounds.width, log=True)
    space = {
        "upper": width,
        "lower": width,
        "horizon": optuna.distributions.IntDistribution(*bounds.horizon),
    }
    judged = {start: judge(start)}
    best, since = hypervolume(_candidates(judged)), 0
    bred = 0
    while bred < generations and since < patience:
        for _ in range(population):
            stop_if_asked()
            trial = study.ask(space)
            setting = BarrierSetting(
                horizon=trial.params["horizon"],
                upper=_rounded(trial.params["upper"], bounds),
                lower=_rounded(trial.params["lower"], bounds),
            )
            if setting not in judged:
                judged[setting] = judge(setting)
            merit = judged[setting]
            study.tell(trial, [merit.edge, merit.imbalance])
        bred += 1
        advance()
        area = hypervolume(_candidates(judged))
        since = 0 if area > best * (1 + _PROGRESS) else since + 1
        best = max(area, best)
    return Evolution(_candidates(judged), bred)


def front(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Candidates that no other one beats in both goals, the most balanced first."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda c: (c.merit.imbalance, -c.merit.edge)):
        if math.isfinite(candidate.merit.edge) and (
            not kept or candidate.merit.edge > kept[-1].merit.edge
        ):
            kept.append(candidate)
    return tuple(kept)


def hypervolume(candidates: Sequence[Candidate]) -> float:
    """Area between the front and the corner of no edge and complete imbalance (0 and 1)."""
    area, below = 0.0, 0.0
    for candidate in front(candidates):
        edge = max(candidate.merit.edge, 0.0)
        area += (edge - below) * (1.0 - candidate.merit.imbalance)
        below = edge
    return area


def _candidates(judged: dict[BarrierSetting, Merit]) -> tuple[Candidate, ...]:
    return tuple(Candidate(setting, merit) for setting, merit in judged.items())


def _rounded(width: float, bounds: Bounds) -> float:
    low, high = bounds.width
    return min(max(float(f"{width:.{_DIGITS}g}"), low), high)
