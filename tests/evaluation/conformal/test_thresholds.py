"""Quantiles of scores against plain references, and what adaptive levels promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.evaluation.conformal.record import Scores
from regimecast.evaluation.conformal.thresholds import (
    conformal_quantile,
    fewest_scores,
    learning_rate,
    online,
)
from regimecast.splits.spans import NEVER


def scores(value: np.ndarray, origin: np.ndarray, delay: int = 1) -> Scores:
    known = np.where(np.isnan(value), NEVER, origin + delay)
    return Scores(value.astype(np.float64), origin.astype(np.int64), known)


def plain(first, then, outside, *, gammas, window, eta, share):
    """The rule as one reads it: lists, one forecast at a time."""
    held = sorted((k, v) for k, v in zip(first.known, first.value, strict=True) if v == v)
    bars = {k: i for i, k in enumerate(sorted({k for k, _ in held}))}
    held = [(bars[k], v) for k, v in held]
    bar, widest = held[-1][0], max(v for _, v in held)
    alphas, weights = [outside] * len(gammas), [1 / len(gammas)] * len(gammas)
    waiting = sorted(
        (k, i) for i, (k, v) in enumerate(zip(then.known, then.value, strict=True)) if v == v
    )
    noted: dict[int, list[tuple[bool, float]]] = {}
    found = np.empty(len(then.value))

    def kept():
        return sorted(v for b, v in held if window is None or b > bar - window)

    def given_by(alpha):
        known = kept()
        place = max(1, math.ceil((len(known) + 1) * (1 - alpha) - 1e-9))
        return widest if place > len(known) else known[place - 1]

    for i in np.argsort(then.origin, kind="stable"):
        while waiting and waiting[0][0] <= then.origin[i]:
            now = waiting[0][0]
            came = [j for k, j in waiting if k == now]
            waiting = waiting[len(came) :]
            bar += 1
            for e, gamma in enumerate(gammas):
                alphas[e] += gamma * (outside - np.mean([noted[j][e][0] for j in came]))
                weights[e] *= np.exp(-eta * np.mean([noted[j][e][1] for j in came]))
            total = sum(weights)
            weights = [(1 - share) * w / total + share / len(gammas) for w in weights]
            held += [(bar, then.value[j]) for j in came]
            widest = max([widest, *(then.value[j] for j in came)])
        found[i] = given_by(sum(w * a for w, a in zip(weights, alphas, strict=True)))
        known = kept()
        best = 1 - sum(v < then.value[i] for v in known) / (len(known) + 1)
        noted[i] = [
            (then.value[i] > given_by(a), outside * (best - a) - min(0.0, best - a)) for a in alphas
        ]
    return found


@pytest.mark.parametrize("delay", [1, 5])
@pytest.mark.parametrize("window", [None, 1, 30])
@pytest.mark.parametrize("gammas", [[0.0], [0.2], [0.001, 0.05, 0.4]])
def test_online_is_the_plain_rule(gammas, window, delay) -> None:
    rng = np.random.default_rng(len(gammas) + delay)
    value = np.round(rng.standard_t(3, 240), 1)  # with ties
    value[rng.random(240) < 0.1] = np.nan
    origin = rng.permutation(np.repeat(np.arange(100, 180), 3))  # three assets, in any order
    before = np.round(rng.standard_t(3, 40), 1)
    before[3] = np.nan
    first, then = (
        scores(before, rng.permutation(np.repeat(np.arange(20), 2))),
        scores(value, origin, delay),
    )
    options = {"window": window, "eta": 1.3 if len(gammas) > 1 else 0.0, "share": 0.01}
    found, alpha = online(first, then, 0.2, gammas=np.array(gammas), **options)
    np.testing.assert_allclose(found, plain(first, then, 0.2, gammas=gammas, **options))
    assert np.isfinite(found).all()
    assert np.isfinite(alpha).all()


def test_without_learning_and_with_all_scores_it_is_the_split_quantile_at_first() -> None:
    rng = np.random.default_rng(0)
    before = rng.normal(size=200)
    first, then = scores(before, np.arange(200)), scores(rng.normal(size=1), np.array([500]))
    found, _ = online(first, then, 0.1, gammas=np.zeros(1), window=None)
    assert found[0] == conformal_quantile(before, 0.1)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60),
    st.sampled_from([0.02, 0.1, 0.2, 0.5, 0.9]),
)
def test_the_quantile_is_the_score_of_that_rank(values, outside) -> None:
    k = math.ceil(round((len(values) + 1) * (1 - outside), 9))
    expected = sorted(values)[min(k, len(values)) - 1]
    assert conformal_quantile(np.array([*values, np.nan]), outside) == expected
    assert (k <= len(values)) == (len(values) >= fewest_scores(outside))


@pytest.mark.parametrize("n", [19, 50, 199])
def test_exchangeable_scores_are_covered_at_least_as_often_as_claimed(n) -> None:
    """P(S <= threshold) = ⌈(n + 1)(1 - α)⌉ / (n + 1) for scores without ties."""
    rng = np.random.default_rng(n)
    drawn = rng.standard_t(2, (20_000, n + 1))
    threshold = np.array([conformal_quantile(row[:-1], 0.1) for row in drawn])
    covered = (drawn[:, -1] <= threshold).mean()
    exact = math.ceil((n + 1) * 0.9 - 1e-9) / (n + 1)
    assert covered == pytest.approx(exact, abs=4 * math.sqrt(0.09 / 20_000))
    assert exact >= 0.9


@pytest.mark.parametrize("gamma", [0.005, 0.05, 0.3])
def test_the_long_run_holds_whatever_comes(gamma) -> None:
    """Gibbs & Candès (2021), proposition 4.1, on scores that explode, collapse and trend."""
    rng = np.random.default_rng(1)
    n = 6_000
    wild = np.repeat([1.0, 50.0, 0.01, 5.0, 5.0, 0.2], n // 6) * np.linspace(1, 3, n)
    value = np.abs(rng.standard_t(2, n)) * wild
    first = scores(np.abs(rng.normal(size=100)), np.arange(100))
    threshold, alpha = online(
        first, scores(value, 1_000 + np.arange(n)), 0.1, gammas=np.array([gamma]), window=200
    )
    missed = value > threshold
    # α_T is what was steered by the misses that are known by then, all but the last.
    assert alpha[-1] == pytest.approx(0.1 + gamma * (0.1 * (n - 1) - missed[:-1].sum()), abs=1e-6)
    assert abs(missed.mean() - 0.1) <= (1 + gamma * 20) / (gamma * n)


def test_beyond_all_scores_it_is_the_widest_that_was_ever_known() -> None:
    """Where the published rule says infinity: α_t <= 0, and too few scores."""
    first = scores(np.array([9.0, 1.0, 1.0, 1.0]), np.arange(4))
    value = np.array([5.0, 6.0, 5.0, 5.0, 2.0])
    then = scores(value, 10 + np.arange(5))
    found, alpha = online(first, then, 0.3, gammas=np.array([0.9]), window=2)
    # The 9 has left the window, and is what the widest interval still knows.
    assert alpha[0] == 0.3
    assert found[0] == 9.0  # ⌈3 · 0.7⌉ = 3 scores are needed and the window has 2
    assert alpha[1] == pytest.approx(0.3 + 0.9 * 0.3)
    assert found[1] == 5.0
    assert alpha[2] < 0
    assert found[2] == 9.0


def test_above_one_it_is_the_narrowest_of_the_window() -> None:
    first = scores(np.array([3.0, 2.0, 4.0]), np.arange(3))
    found, alpha = online(
        first, scores(np.zeros(5), 10 + np.arange(5)), 0.9, gammas=np.array([1.0]), window=3
    )
    assert alpha[1] > 1
    assert found[1] == 0.0  # the first outcome's own score by then


def test_an_outcome_counts_from_its_own_close_on() -> None:
    """With a delay of h bars the first h forecasts know nothing of each other."""
    rng = np.random.default_rng(3)
    first = scores(rng.normal(size=50), np.arange(50))
    value = rng.normal(size=40) + 5
    for delay in (1, 4):
        _, alpha = online(
            first,
            scores(value, 100 + np.arange(40), delay),
            0.1,
            gammas=np.array([0.1]),
            window=None,
        )
        assert (alpha[:delay] == 0.1).all()
        assert alpha[delay] != 0.1


def test_assets_that_end_together_make_one_step() -> None:
    rng = np.random.default_rng(4)
    first = scores(rng.normal(size=50), np.arange(50))
    value = rng.normal(size=30)
    one = scores(value, 100 + np.arange(30))
    many = scores(np.repeat(value, 5), np.repeat(100 + np.arange(30), 5))
    options = {"gammas": np.array([0.1]), "window": None}
    _, alone = online(first, one, 0.1, **options)
    _, together = online(first, many, 0.1, **options)
    assert together[5] == pytest.approx(alone[1])
    assert len(np.unique(together[:5])) == 1


def test_the_learning_rate_is_the_one_of_the_paper() -> None:
    """About 2.7 for α = 0.1, eight experts and stretches of 500, as the authors use it."""
    assert learning_rate(0.1, 8, 500) == pytest.approx(2.76, abs=0.01)
