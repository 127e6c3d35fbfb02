"""How fast a study's winner is questioned; run by `regimecast bench selection`."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from arch.bootstrap import MCS
from jaxtyping import Float, Int
from scipy.stats import rankdata

from regimecast.bench.results import BenchReport, Ratio
from regimecast.bench.timing import take_turns
from regimecast.evaluation.overfitting import probability_of_backtest_overfitting
from regimecast.evaluation.significance.bootstrap import Blocks
from regimecast.evaluation.significance.confidence_set import model_confidence_set

__all__ = ["plain_confidence_set", "plain_overfitting", "run"]

_TRIALS, _DAYS, _BLOCKS = 200, 2_520, 16
_MODELS, _RESAMPLES, _LENGTH = 20, 1_000, 10.0
_SEED = 0
LEAST_SECONDS = 0.2


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios to straightforward numpy loops that find the same."""
    days, blocks, resamples = (300, 8, 100) if quick else (_DAYS, _BLOCKS, _RESAMPLES)
    rng = np.random.default_rng(_SEED)
    returns = rng.normal(2e-4, 0.01, size=(days, _TRIALS))
    losses = rng.gamma(2.0, size=(days, _MODELS)) * (1 + 0.01 * np.arange(_MODELS))

    def ours() -> Float[np.ndarray, " K"]:
        drawn = Blocks.draw(days, length=_LENGTH, repetitions=resamples, seed=_SEED)
        return model_confidence_set(losses, drawn)

    def theirs() -> MCS:
        found = MCS(
            losses, size=0.1, reps=resamples, block_size=int(_LENGTH), method="max", seed=_SEED
        )
        found.compute()
        return found

    least = 0.0 if quick else LEAST_SECONDS
    sets = take_turns(
        {
            "loop": lambda: plain_confidence_set(losses, resamples, _LENGTH, _SEED),
            "arch": theirs,
            "regimecast": ours,
        },
        repetitions=repetitions,
        clock="processor",
        least_seconds=least,
    )
    overfitting = take_turns(
        {
            "loop": lambda: plain_overfitting(returns, blocks),
            "regimecast": lambda: probability_of_backtest_overfitting(returns, n_blocks=blocks),
        },
        repetitions=repetitions,
        clock="processor",
        least_seconds=least,
    )
    return BenchReport(
        name="selection",
        title="Questioning the winner",
        about=(
            f"Probability of backtest overfitting: {_TRIALS} trials, {days:,} days, {blocks} "
            f"blocks, every combination of half of them. Model confidence set: {_MODELS} models, "
            f"{days:,} days, {resamples:,} resamples by stationary bootstrap with blocks of "
            f"{_LENGTH:g} days on average. Each beside a numpy loop over combinations, or "
            "resamples, that finds the same."
        ),
        ratios=[
            Ratio(
                name="probability of backtest overfitting",
                over=overfitting["loop"],
                under=overfitting["regimecast"],
                at_least=10,
                notes="sums of returns and of their squares per block, then one product of "
                "matrices; the loop takes the days of each half and their mean and deviation.",
            ),
            Ratio(
                name="model confidence set",
                over=sets["loop"],
                under=sets["regimecast"],
                at_least=10,
                notes="sums of losses per block as differences of running sums; the loop gathers "
                "each resample day by day. The resamples are drawn inside the time of both.",
            ),
            Ratio(
                name="model confidence set, arch",
                over=sets["arch"],
                under=sets["regimecast"],
                notes='arch.bootstrap.MCS with method="max", whose p-values ours equal on the same '
                "resamples (tested).",
            ),
        ],
        quick=quick,
    )


def plain_overfitting(returns: Float[np.ndarray, "T N"], n_blocks: int) -> float:
    """Probability of backtest overfitting, one combination at a time."""
    blocks = np.array_split(np.arange(len(returns)), n_blocks)
    every = set(range(n_blocks))
    below = []
    for chosen in combinations(range(n_blocks), n_blocks // 2):
        within = returns[np.concatenate([blocks[i] for i in chosen])]
        out = returns[np.concatenate([blocks[i] for i in sorted(every - set(chosen))])]
        winner = (within.mean(axis=0) / within.std(axis=0)).argmax()
        rank = rankdata(out.mean(axis=0) / out.std(axis=0))[winner] / (returns.shape[1] + 1)
        below.append(rank < 0.5)
    return float(np.mean(below))


def plain_confidence_set(
    losses: Float[np.ndarray, "T K"], resamples: int, length: float, seed: int
) -> Float[np.ndarray, " K"]:
    """p-values of the model confidence set, one resample at a time."""
    drawn = _drawn(np.random.default_rng(seed), len(losses), resamples, length)
    mean = losses.mean(axis=0)
    moved = np.stack([losses[times].mean(axis=0) - mean for times in drawn])
    p_value, left, reached = np.ones(len(mean)), list(range(len(mean))), 0.0
    while len(left) > 1:
        own = moved[:, left] - moved[:, left].mean(axis=1, keepdims=True)
        deviation = np.sqrt((own**2).mean(axis=0))
        statistic = (mean[left] - mean[left].mean()) / deviation
        beaten = float(((own / deviation).max(axis=1) > statistic.max()).mean())
        reached = max(reached, beaten)
        p_value[left.pop(int(statistic.argmax()))] = reached
    return p_value


def _drawn(
    rng: np.random.Generator, n: int, resamples: int, length: float
) -> Iterator[Int[np.ndarray, " T"]]:
    """Times of each resample of a stationary bootstrap: each day goes on or jumps."""
    day = np.arange(n)
    for _ in range(resamples):
        jump = rng.random(n) < 1 / length
        jump[0] = True
        block = np.cumsum(jump) - 1
        first = np.flatnonzero(jump)
        start = rng.integers(n, size=len(first))
        yield (start[block] + day - first[block]) % n
