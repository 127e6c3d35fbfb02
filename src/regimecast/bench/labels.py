"""Triple barrier, average true range and CUSUM filter against plain Python and bare loops.

Every bar of a random walk of one-minute bars is labelled: highs and lows, horizon 60, both barriers
two standard deviations of sixty minutes away. Times are of the public functions, checks of their
input included.
"""

from typing import Any, no_type_check

import numba
import numpy as np

from regimecast.bench.bars import FEW_BARS, MANY_BARS, NINETY_DAYS, walk
from regimecast.bench.results import BenchReport, Ratio, Sample
from regimecast.bench.timing import take_turns
from regimecast.labels import average_true_range, cusum_events, triple_barrier

__all__ = ["run"]

HORIZON = 60
WIDTH = 2.0 * 5e-4 * float(np.sqrt(HORIZON))
WINDOW = 60
EVENT = 5e-3
LEAST_SECONDS = 0.1
ABOUT = """Every bar is labelled, horizon 60, with highs and lows; shares of labels {shares}.
*As defined*: plain Python with a loop over entries and one over bars, costs, ties and a width per
bar, on numpy arrays, as one writes it down from the book. *Tuned*: the fastest plain Python found:
lists, one width, no costs, nothing computed twice. *Bare loop*: the tuned one compiled by numba,
with nothing around it. All give the same labels, exits and returns. Average true range ({window}
bars) and CUSUM events (threshold 50 basis points) are held against plain Python on lists.
Processor time of one thread."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of the three functions on 129,600 bars, and of triple barriers on 10,000,000."""
    n_small, n_large = (FEW_BARS, 10 * FEW_BARS) if quick else (NINETY_DAYS, MANY_BARS)
    small = walk(n_small)
    lists = {name: prices.tolist() for name, prices in small.items()}
    wide = np.full(n_small, WIDTH)
    shares = _check(small, lists, wide)
    slow = take_turns(
        {
            "as defined": lambda: defined(**small, upper=wide, lower=wide, cost=0.0, tie="lower"),
            "tuned": lambda: tuned(**lists),
            "bare loop": lambda: bare(**small),
            "`triple_barrier`": lambda: _library(small),
        },
        repetitions=repetitions,
        clock="processor",
        least_seconds=LEAST_SECONDS,
    )
    large = walk(n_large)
    fast = take_turns(
        {
            "bare loop": lambda: bare(**large),
            f"{n_large:,} bars": lambda: _library(large),
            f"{n_small:,} bars": lambda: _library(small),
        },
        repetitions=repetitions,
        clock="processor",
        least_seconds=LEAST_SECONDS,
    )
    mine = slow["`triple_barrier`"]
    many, few = fast[f"{n_large:,} bars"], fast[f"{n_small:,} bars"]
    at = f"triple barrier, {n_small:,} bars"
    ratios = [
        Ratio(
            name=at,
            over=slow["as defined"],
            under=mine,
            at_least=300,
            notes="the target is for plain Python as the definition reads",
        ),
        Ratio(name=at, over=slow["tuned"], under=mine, notes="no target: the harder comparison"),
        Ratio(name=at, over=mine, under=slow["bare loop"], at_most=2),
        Ratio(
            name=f"triple barrier, {n_large:,} bars",
            over=Sample("`triple_barrier`", many.values),
            under=fast["bare loop"],
            at_most=2,
        ),
        Ratio(
            name="triple barrier, cost per bar",
            over=many.per("bar", n_large),
            under=few.per("bar", n_small),
            at_most=1.5,
        ),
        *_kernels(small, lists, repetitions),
    ]
    return BenchReport(
        name="labels",
        title="Labels against plain Python and bare loops",
        about=ABOUT.format(shares=shares, window=WINDOW),
        ratios=ratios,
        quick=quick,
    )


def _kernels(
    prices: dict[str, Any], lists: dict[str, list[float]], repetitions: int
) -> list[Ratio]:
    high, low, close = prices["high"], prices["low"], prices["close"]
    np.testing.assert_allclose(
        average_true_range(high, low, close, window=WINDOW),
        plain_average_true_range(**lists, window=WINDOW),
        rtol=1e-12,
    )
    events = plain_cusum(lists["close"], EVENT)
    np.testing.assert_array_equal(cusum_events(close, EVENT), events)
    found = take_turns(
        {
            "plain range": lambda: plain_average_true_range(**lists, window=WINDOW),
            "range": lambda: average_true_range(high, low, close, window=WINDOW),
            "plain events": lambda: plain_cusum(lists["close"], EVENT),
            "events": lambda: cusum_events(close, EVENT),
        },
        repetitions=repetitions,
        clock="processor",
        least_seconds=LEAST_SECONDS,
    )
    return [
        Ratio(
            name=f"average true range, {len(close):,} bars",
            over=Sample("plain Python", found["plain range"].values),
            under=Sample("`average_true_range`", found["range"].values),
            at_least=8,
        ),
        Ratio(
            name=f"CUSUM filter, {len(close):,} bars, {len(events):,} events",
            over=Sample("plain Python", found["plain events"].values),
            under=Sample("`cusum_events`", found["events"].values),
        ),
    ]


def _library(prices: dict[str, Any]) -> Any:
    return triple_barrier(**prices, upper=WIDTH, lower=WIDTH, horizon=HORIZON)


def _check(small: dict[str, Any], lists: dict[str, list[float]], wide: Any) -> str:
    """Shares of labels, once all ways are found to agree."""
    mine = _library(small)
    for label, leave, ret in (
        defined(**small, upper=wide, lower=wide, cost=0.0, tie="lower"),
        tuned(**lists),
        bare(**small),
    ):
        np.testing.assert_array_equal(mine.label, label)
        np.testing.assert_array_equal(mine.exit, leave)
        np.testing.assert_allclose(mine.ret, ret, rtol=1e-12)
    return ", ".join(f"{k:+d} {np.mean(mine.label == k):.0%}" for k in (-1, 0, 1))


def defined(
    close: Any, high: Any, low: Any, upper: Any, lower: Any, cost: float, tie: str
) -> tuple[list[Any], ...]:
    """Labels, exits and returns of every bar, written as the definition reads."""
    labels, exits, returns = [], [], []
    for entry, price in enumerate(close):
        label, leave, ret = -99, -1, float("nan")
        for t in range(entry + 1, min(entry + HORIZON, len(close) - 1) + 1):
            up = high[t] >= price * (1 + upper[entry] + cost)
            down = low[t] <= price * (1 - lower[entry] - cost)
            if up or down:
                label = 1 if up and (tie == "upper" or not down) else -1
                leave = t
                ret = upper[entry] if label == 1 else -lower[entry]
                break
        else:
            if entry + HORIZON < len(close):
                label, leave = 0, entry + HORIZON
                move = close[leave] / price - 1
                ret = max(abs(move) - cost, 0.0) * (1 if move > 0 else -1)
        labels.append(label)
        exits.append(leave)
        returns.append(ret)
    return labels, exits, returns


def tuned(close: list[float], high: list[float], low: list[float]) -> tuple[list[Any], ...]:
    """The fastest plain Python found: lists, one width, no cost, nothing computed twice."""
    labels, exits, returns = [], [], []
    for entry, price in enumerate(close):
        above, below = price * (1 + WIDTH), price * (1 - WIDTH)
        label, leave, ret = -99, -1, float("nan")
        for t in range(entry + 1, min(entry + HORIZON, len(close) - 1) + 1):
            if low[t] <= below:
                label, leave, ret = -1, t, -WIDTH
                break
            if high[t] >= above:
                label, leave, ret = 1, t, WIDTH
                break
        else:
            if entry + HORIZON < len(close):
                label, leave = 0, entry + HORIZON
                ret = close[leave] / price - 1
        labels.append(label)
        exits.append(leave)
        returns.append(ret)
    return labels, exits, returns


@numba.njit(cache=True)
@no_type_check  # numba cannot compile the wrapper of the tests' runtime checker
def bare(close: Any, high: Any, low: Any) -> tuple[Any, Any, Any]:
    """The same as two loops with nothing around them: no checks, costs, ties or entries."""
    label = np.full(len(close), -99, dtype=np.int8)
    leave = np.full(len(close), -1, dtype=np.int64)
    ret = np.full(len(close), np.nan)
    for entry in range(len(close)):
        above, below = close[entry] * (1 + WIDTH), close[entry] * (1 - WIDTH)
        for t in range(entry + 1, min(entry + HORIZON, len(close) - 1) + 1):
            if low[t] <= below:
                label[entry], leave[entry], ret[entry] = -1, t, -WIDTH
                break
            if high[t] >= above:
                label[entry], leave[entry], ret[entry] = 1, t, WIDTH
                break
        if label[entry] == -99 and entry + HORIZON < len(close):
            label[entry], leave[entry] = 0, entry + HORIZON
            ret[entry] = close[entry + HORIZON] / close[entry] - 1
    return label, leave, ret


def plain_average_true_range(
    close: list[float], high: list[float], low: list[float], window: int
) -> list[float]:
    """Wilder's average true range with lists."""
    result = [float("nan")] * len(close)
    average = 0.0
    for t in range(1, len(close)):
        true_range = max(high[t], close[t - 1]) - min(low[t], close[t - 1])
        if t < window:
            average += true_range
        elif t == window:
            average = (average + true_range) / window
        else:
            average = (average * (window - 1) + true_range) / window
        if t >= window:
            result[t] = average
    return result


def plain_cusum(close: list[float], threshold: float) -> list[int]:
    """Events of the symmetric CUSUM filter with a list; logarithms by numpy beforehand."""
    logs = np.log(close).tolist()
    events = []
    up = down = 0.0
    for t in range(1, len(logs)):
        change = logs[t] - logs[t - 1]
        up = max(0.0, up + change)
        down = min(0.0, down + change)
        if down < -threshold:
            down = 0.0
            events.append(t)
        elif up > threshold:
            up = 0.0
            events.append(t)
    return events
