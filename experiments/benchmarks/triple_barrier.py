"""Triple barrier against plain Python and a bare loop, and its cost per bar as data grow.

    OMP_NUM_THREADS=1 python experiments/benchmarks/triple_barrier.py

Every bar of a random walk of one-minute bars is labelled: highs and lows, horizon 60, both
barriers two standard deviations of sixty minutes away. Prints a table and writes it beside
this file, with the machine's description. Times are of the public function, checks of its input
included, after a first call that compiles; medians of seven repetitions. The things compared take
turns, so that a busy spell of the machine hits all of them.
"""

import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any

import numba
import numpy as np

from regimecast.core.files import atomic_path
from regimecast.labels import TripleBarrierLabels, triple_barrier

SMALL, LARGE = 129_600, 10_000_000
HORIZON = 60
REPETITIONS = 7
WIDTH = 2.0 * 5e-4 * np.sqrt(HORIZON)


def walk(length: int) -> dict[str, np.ndarray]:
    """Closes, highs and lows with a standard deviation of 5 basis points per minute."""
    rng = np.random.default_rng(0)
    close = 10_000.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, length)))
    spread = rng.exponential(2e-4, (2, length))
    return {"close": close, "high": close * (1 + spread[0]), "low": close * (1 - spread[1])}


def plain(
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


@numba.njit
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


def library(close: np.ndarray, high: np.ndarray, low: np.ndarray) -> TripleBarrierLabels:
    return triple_barrier(close, high, low, upper=WIDTH, lower=WIDTH, horizon=HORIZON)


def medians(*calls: Callable[[], Any]) -> list[float]:
    """Median seconds of processor time of each call; the calls take turns.

    One thread does all the work, so that processor time is what an idle machine would take. A
    repetition makes one call that does not count, which finds cold caches and memory that the
    system has yet to hand out, and then calls for a fifth of a second; their mean counts.
    """
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(REPETITIONS):
        for call, taken in zip(calls, times, strict=True):
            call()
            number, start = 0, process_time()
            while process_time() - start < 0.2:
                call()
                number += 1
            taken.append((process_time() - start) / number)
    return [statistics.median(taken) for taken in times]


def machine() -> str:
    """Processor, cores and versions."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        lines = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    packages = ", ".join(f"{name} {version(name)}" for name in ("numba", "numpy"))
    return f"{os.cpu_count()} cores of {model}; Python {platform.python_version()}, {packages}"


def main() -> None:
    small, large = walk(SMALL), walk(LARGE)
    lists = {name: prices.tolist() for name, prices in small.items()}
    wide = np.full(SMALL, WIDTH)
    calls = (
        lambda: plain(**small, upper=wide, lower=wide, cost=0.0, tie="lower"),
        lambda: tuned(**lists),
        lambda: bare(**small),
        lambda: library(**small),
        lambda: bare(**large),
        lambda: library(**large),
    )
    mine = library(**small)
    for call in calls[:3]:
        label, leave, ret = call()
        np.testing.assert_array_equal(mine.label, label)
        np.testing.assert_array_equal(mine.exit, leave)
        np.testing.assert_allclose(mine.ret, ret, rtol=1e-12)
    python, best, compiled, fast, compiled_large, fast_large = medians(*calls)
    shares = ", ".join(f"{k:+d} {np.mean(mine.label == k):.0%}" for k in (-1, 0, 1))
    text = f"""# Triple barrier: seconds and ratios

Written by `triple_barrier.py` in this folder, which says what is measured.

Machine: {machine()}.
Processor time of one thread, other processes at work beside it; medians of
{REPETITIONS} repetitions in one run. All give the same labels, exits and returns.
Shares of labels: {shares}.

| every bar labelled, horizon {HORIZON} | {SMALL:,} bars | {LARGE:,} bars |
|---|---|---|
| plain Python, as the definition reads | {python:.2f} s | |
| plain Python, tuned | {best:.3f} s | |
| bare numba loop | {compiled * 1e3:.2f} ms | {compiled_large * 1e3:.0f} ms |
| `triple_barrier` | {fast * 1e3:.2f} ms | {fast_large * 1e3:.0f} ms |
| `triple_barrier` per bar | {fast / SMALL * 1e9:.1f} ns | {fast_large / LARGE * 1e9:.1f} ns |

| ratio | | target |
|---|---|---|
| plain Python / `triple_barrier`, {SMALL:,} bars | {python / fast:.0f} | at least 300 |
| tuned plain Python / `triple_barrier`, {SMALL:,} bars | {best / fast:.0f} | |
| `triple_barrier` / bare loop, {SMALL:,} bars | {fast / compiled:.2f} | at most 2 |
| `triple_barrier` / bare loop, {LARGE:,} bars | {fast_large / compiled_large:.2f} | at most 2 |
| per bar, {LARGE:,} / {SMALL:,} bars | {fast_large / LARGE / (fast / SMALL):.2f} | at most 1.5 |
"""
    print(text)
    with atomic_path(Path(__file__).with_suffix(".md")) as path:
        path.write_text(text)


if __name__ == "__main__":
    main()
