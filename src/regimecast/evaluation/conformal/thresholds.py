"""How wide an interval must be: quantiles of scores, fixed or learnt on as outcomes come in.

A score is how far an outcome lay outside the model's own interval (negative inside), so that moving
both ends by the threshold makes the outcomes whose score it reaches lie within.
"""

import math
from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from regimecast.evaluation.conformal.record import Scores
from regimecast.splits.spans import NEVER

__all__ = ["conformal_quantile", "fewest_scores", "learning_rate", "online"]

_SLACK = 1e-9
"""(n + 1)(1 - α) may miss a whole number by rounding."""


def fewest_scores(outside: float) -> int:
    """Scores that are needed for a finite conformal quantile: n with (n + 1)(1 - α) <= n.

    Args:
        outside: α, share of outcomes that may lie outside.
    """
    return math.ceil((1 - outside) / outside - _SLACK)


def conformal_quantile(scores: Float[np.ndarray, " N"], outside: float) -> float:
    """The k-th smallest score with k = ⌈(n + 1)(1 - α)⌉, NaN left out; the largest at most.

    For exchangeable scores a further one is at most this with probability of at least 1 - α.
    Romano, Patterson & Candès (2019), arXiv:1905.03222, equation (8).

    Args:
        scores: at least one that is not NaN.
        outside: α.
    """
    known = scores[~np.isnan(scores)]
    k = min(math.ceil((len(known) + 1) * (1 - outside) - _SLACK), len(known))
    return float(np.partition(known, k - 1)[k - 1])


def learning_rate(outside: float, experts: int, bars: int) -> float:
    """η of DtACI for a stretch of so many bars: Gibbs & Candès (2022), arXiv:2208.08401, §2.2.

    Args:
        outside: α.
        experts: number of step sizes.
        bars: length |I| of the stretches on which regret shall be small.
    """
    second_moment = (1 - outside) ** 2 * outside**3 + outside**2 * (1 - outside) ** 3
    return math.sqrt(3 / bars * (math.log(experts * bars) + 2) / second_moment)


def online(
    first: Scores,
    then: Scores,
    outside: float,
    *,
    gammas: Float64[np.ndarray, " K"],
    window: int | None,
    eta: float = 0.0,
    share: float = 0.0,
) -> tuple[Float64[np.ndarray, " N"], Float64[np.ndarray, " N"]]:
    """Threshold and α_t of every forecast, each from what was known at the close of its origin.

    α_t follows ``α += γ (α - missed)`` for every γ and their pinball losses weigh them (Gibbs &
    Candès 2022, algorithm 1); a single γ is adaptive conformal inference (Gibbs & Candès 2021,
    arXiv:2106.00170, equation 2), and γ = 0 a sliding window of scores. Outcomes that become known
    at the same close (several assets) make one update, by their mean.

    The interval of α_t takes the score of rank ⌈(n + 1)(1 - α_t)⌉ of the latest scores. Beyond
    their number, where the published rule says infinity, it is the widest score that was ever known
    here; below 1, where it says nothing at all, the narrowest of the window. What is counted as
    missed is a miss of the interval that was really given, so that the long-run coverage that the
    rule steers is the coverage that a report shows.

    Args:
        first: scores known beforehand; the oldest give way first.
        then: forecasts in any order.
        outside: α, the share of outcomes that may lie outside.
        gammas: step sizes.
        window: bars whose scores count; None keeps all.
        eta: learning rate of the weights.
        share: weight that is spread evenly over all γ after every update.
    """
    begin = first.take(~np.isnan(first.value))
    begin_order = np.argsort(begin.known, kind="stable")
    begin_bar = np.unique(begin.known, return_inverse=True)[1]
    n_begin = len(begin.value)
    known = np.where(np.isnan(then.value), NEVER, then.known)
    issue = np.argsort(then.origin, kind="stable")
    arrival = np.argsort(known, kind="stable")
    arrival = arrival[: int(np.searchsorted(known[arrival], NEVER))]
    # Ranks among all scores, later ones included, only name places: counts are of scores put in.
    usable = known < NEVER
    levels, rank = np.unique(np.concatenate([begin.value, then.value[usable]]), return_inverse=True)
    ranks = np.full(len(then.value), -1, dtype=np.int64)
    ranks[usable] = rank[n_begin:]
    threshold, alpha = _online(
        levels,
        rank[:n_begin][begin_order].astype(np.int64),
        begin_bar[begin_order].astype(np.int64),
        ranks,
        issue,
        arrival,
        then.origin,
        known,
        outside,
        gammas,
        NEVER if window is None else window,
        eta,
        share,
    )
    return threshold, alpha


@numba.njit(cache=True, error_model="numpy")
@no_type_check
def _online(  # noqa: ANN202  # the compiler infers types
    levels: Float64[np.ndarray, " U"],
    first_rank: Int64[np.ndarray, " M"],
    first_bar: Int64[np.ndarray, " M"],
    rank: Int64[np.ndarray, " N"],
    issue: Int64[np.ndarray, " N"],
    arrival: Int64[np.ndarray, " A"],
    origin: Int[np.ndarray, " N"],
    known: Int[np.ndarray, " N"],
    outside: float,
    gammas: Float64[np.ndarray, " K"],
    window: int,
    eta: float,
    share: float,
):
    """See `online`; scores are named by their rank, and counted in a Fenwick tree."""
    n, experts, begun = len(rank), len(gammas), len(first_rank)
    tree = np.zeros(len(levels) + 1, dtype=np.int64)
    top = 1
    while top * 2 <= len(levels):
        top *= 2
    held = np.empty(begun + len(arrival), dtype=np.int64)  # ranks in the order they came
    bar_of = np.empty(begun + len(arrival), dtype=np.int64)
    head, tail, widest, bar = 0, 0, -1, 0
    for j in range(begun):
        _count(tree, first_rank[j], 1)
        held[tail], bar_of[tail] = first_rank[j], first_bar[j]
        widest, bar, tail = max(widest, first_rank[j]), first_bar[j], tail + 1
    while tail > 0 and bar_of[head] <= bar - window:
        _count(tree, held[head], -1)
        head += 1

    alphas = np.full(experts, outside)
    weights = np.full(experts, 1.0 / experts)
    missed = np.zeros((n, experts), dtype=np.bool_)
    loss = np.zeros((n, experts))
    threshold, used = np.empty(n), np.empty(n)
    mean_missed, mean_loss = np.empty(experts), np.empty(experts)
    came = 0
    for position in range(n):
        i = issue[position]
        while came < len(arrival) and known[arrival[came]] <= origin[i]:
            now, together = known[arrival[came]], 0
            mean_missed[:] = 0.0
            mean_loss[:] = 0.0
            bar += 1
            while came < len(arrival) and known[arrival[came]] == now:
                j = arrival[came]
                for k in range(experts):
                    mean_missed[k] += missed[j, k]
                    mean_loss[k] += loss[j, k]
                _count(tree, rank[j], 1)
                held[tail], bar_of[tail] = rank[j], bar
                widest, tail = max(widest, rank[j]), tail + 1
                together, came = together + 1, came + 1
            total = 0.0
            for k in range(experts):
                alphas[k] += gammas[k] * (outside - mean_missed[k] / together)
                weights[k] *= np.exp(-eta * mean_loss[k] / together)
                total += weights[k]
            for k in range(experts):
                weights[k] = (1 - share) * weights[k] / total + share / experts
            while bar_of[head] <= bar - window:
                _count(tree, held[head], -1)
                head += 1

        size = tail - head
        mixed = 0.0
        for k in range(experts):
            mixed += weights[k] * alphas[k]
        place = _place(size, mixed)
        threshold[i] = levels[widest if place > size else _find(tree, place, top)]
        used[i] = mixed
        if rank[i] >= 0:  # looked at when it is known, not before
            below = _below(tree, rank[i])
            best = 1.0 - below / (size + 1)
            for k in range(experts):
                place = _place(size, alphas[k])
                missed[i, k] = rank[i] > widest if place > size else below >= place
                gap = best - alphas[k]
                loss[i, k] = outside * gap - min(0.0, gap)
    return threshold, used


@numba.njit(cache=True)
@no_type_check
def _place(size, alpha):  # noqa: ANN202  # the compiler infers types
    """Rank from 1 of the score that covers 1 - alpha; size + 1 where no score does."""
    wanted = np.ceil((size + 1) * (1.0 - alpha) - 1e-9)
    return int(min(max(wanted, 1.0), size + 1.0))


@numba.njit(cache=True)
@no_type_check
def _count(tree, rank, change):  # noqa: ANN202  # the compiler infers types
    """Puts a score in (1) or takes it out (-1)."""
    node = rank + 1
    while node < len(tree):
        tree[node] += change
        node += node & -node


@numba.njit(cache=True)
@no_type_check
def _below(tree, rank):  # noqa: ANN202  # the compiler infers types
    """Scores of a lower rank."""
    total, node = 0, rank
    while node > 0:
        total += tree[node]
        node -= node & -node
    return total


@numba.njit(cache=True)
@no_type_check
def _find(tree, place, top):  # noqa: ANN202  # the compiler infers types
    """Rank of the score with this place, from 1, in ascending order."""
    node, step, left = 0, top, place
    while step > 0:
        if node + step < len(tree) and tree[node + step] < left:
            node += step
            left -= tree[node]
        step //= 2
    return node
