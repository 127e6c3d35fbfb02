"""The probability of backtest overfitting, by combinatorially symmetric cross-validation."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int

from regimecast.core.errors import SpecError

__all__ = ["Overfitting", "probability_of_backtest_overfitting"]

_ROUNDING = 1e-12
"""Variation below this share of the returns' size comes from rounding."""
_AT_A_TIME = 2**16
"""Scores that are computed together; half a megabyte."""

_Score = Callable[[Bool[np.ndarray, "C S"]], Float[np.ndarray, "C N"]]


@dataclass(frozen=True, eq=False)
class Overfitting:
    """What became out of sample of the trials that were best in sample."""

    logits: Float[np.ndarray, " C"]
    """ln(ω / (1 - ω)) for each combination, ω being the winner's rank out of sample over N + 1."""
    in_sample: Float[np.ndarray, " C"]
    """The winner's score where it was chosen."""
    out_of_sample: Float[np.ndarray, " C"]
    """The same trial's score on the other half."""

    @property
    def pbo(self) -> float:
        """Share of combinations whose winner is below the median out of sample."""
        return float((self.logits < 0).mean())

    @property
    def probability_of_loss(self) -> float:
        """Share of combinations whose winner scores below 0 out of sample."""
        return float((self.out_of_sample < 0).mean())


def probability_of_backtest_overfitting(
    returns: Float[np.ndarray, "T N"],
    *,
    n_blocks: int = 16,
    metric: Callable[[Float[np.ndarray, " t"]], float] | None = None,
) -> Overfitting:
    """How often the best trial of one half of time is a poor one in the other half.

    Time is cut into blocks. Every choice of half of them selects a winner, which is ranked on the
    rest. Bailey, Borwein, López de Prado & Zhu (2017), *The Probability of Backtest Overfitting*,
    J. of Computational Finance 20(4).

    Args:
        returns: of each trial at the same times.
        n_blocks: even; C(n_blocks, n_blocks / 2) combinations.
        metric: score of one trial's returns, more is better; the Sharpe ratio where left out, which
            is 0 of returns that do not vary. A metric of one's own is called twice for each trial
            and combination, less one half by symmetry.

    Raises:
        SpecError: fewer than two trials, fewer times than blocks, an odd number of blocks, returns
            that are not finite, or a metric that is not.
    """
    times, n = returns.shape
    if n < 2:
        raise SpecError(f"{n} trials: nothing was selected. Allowed: 2 or more")
    if n_blocks < 2 or n_blocks % 2:
        raise SpecError(f"n_blocks={n_blocks}; allowed: an even number of at least 2")
    if times < n_blocks:
        raise SpecError(f"{times} observations cannot be cut into n_blocks={n_blocks}")
    if not np.isfinite(returns).all():
        raise SpecError("returns hold NaN or infinity; leave out the trials that did not finish")
    chosen = _halves(n_blocks)
    blocks = np.array_split(np.arange(times), n_blocks)
    score = _sharpes(returns, blocks) if metric is None else _scores(returns, blocks, metric)
    # In order of combinations, the complement of the first is the last, and so on: each pair is
    # scored once and ranked both ways. A few at a time, so that scores stay in the cache.
    half, step = len(chosen) // 2, max(1, _AT_A_TIME // n)
    there, back = [], []
    for start in range(0, half, step):
        some = chosen[start : min(start + step, half)]
        within, out = score(some), score(~some)
        there.append(_ranked(within, out))
        back.append(_ranked(out, within))
    logits, inside, outside = (
        np.concatenate([*first, *(part[::-1] for part in reversed(second))])
        for first, second in zip(zip(*there, strict=True), zip(*back, strict=True), strict=True)
    )
    return Overfitting(logits, inside, outside)


def _halves(n_blocks: int) -> Bool[np.ndarray, "C S"]:
    """Every choice of half of the blocks; the last is the complement of the first, and so on."""
    chosen = np.zeros((comb(n_blocks, n_blocks // 2), n_blocks), dtype=bool)
    for row, blocks in zip(chosen, combinations(range(n_blocks), n_blocks // 2), strict=True):
        row[list(blocks)] = True
    return chosen


def _sharpes(returns: Float[np.ndarray, "T N"], blocks: list[Int[np.ndarray, " _"]]) -> _Score:
    """What gives the Sharpe ratio of every trial on every half, from sums over blocks."""
    # About the mean of all times, so that little is lost in the difference of squares.
    level = returns.mean(axis=0)
    moved = returns - level
    sums = np.stack([moved[block].sum(axis=0) for block in blocks])
    squares = np.stack([(moved[block] ** 2).sum(axis=0) for block in blocks])
    length = np.array([len(block) for block in blocks], dtype=np.float64)
    rounding = (_ROUNDING * np.abs(returns).max(axis=0)) ** 2

    def score(chosen: Bool[np.ndarray, "C S"]) -> Float[np.ndarray, "C N"]:
        half = chosen.astype(np.float64)
        half /= (half @ length)[:, None]
        mean = half @ sums
        variance = half @ squares - mean**2
        varies = variance > rounding + _ROUNDING * mean**2
        deviation = np.sqrt(np.where(varies, variance, 1.0))
        return np.where(varies, (mean + level) / deviation, 0.0)

    return score


def _scores(
    returns: Float[np.ndarray, "T N"],
    blocks: list[Int[np.ndarray, " _"]],
    metric: Callable[[Float[np.ndarray, " t"]], float],
) -> _Score:
    """What gives a metric of every trial on every half."""

    def score(chosen: Bool[np.ndarray, "C S"]) -> Float[np.ndarray, "C N"]:
        found = np.empty((len(chosen), returns.shape[1]))
        for row, half in zip(found, chosen, strict=True):
            times = np.concatenate(
                [block for block, wanted in zip(blocks, half, strict=True) if wanted]
            )
            row[:] = [metric(trial) for trial in returns[times].T]
        if not np.isfinite(found).all():
            raise SpecError("metric gave a score that is not finite; give one for every series")
        return found

    return score


def _ranked(
    within: Float[np.ndarray, "C N"], out: Float[np.ndarray, "C N"]
) -> tuple[Float[np.ndarray, " C"], Float[np.ndarray, " C"], Float[np.ndarray, " C"]]:
    """Logit, score within and score out of the winner of each row of the first."""
    row, winner = np.arange(len(within)), within.argmax(axis=1)
    mine = out[row, winner]
    below = (out < mine[:, None]).sum(axis=1)
    equal = (out == mine[:, None]).sum(axis=1)
    rank = (below + (equal + 1) / 2) / (out.shape[1] + 1)
    return np.log(rank / (1 - rank)), within[row, winner], mine
