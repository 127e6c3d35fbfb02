"""Labels brought up to date on disk against labelling everything anew, files included.

    OMP_NUM_THREADS=1 python experiments/benchmarks/incremental_labels.py

A folder holds the labels of 129,600 one-minute bars (90 days): barriers two average true ranges of
60 bars away, horizon 60, window of 90 days. Its last file, the only one that an update writes, is
half as long as it gets. An hour (60 bars) or a day (1,440 bars) is added. Four
ways to get the same labels on disk, each from a parquet file of the bars that it needs:

- `update`, in a new object: reads the new bars and the folder, writes the folder;
- the same, and then reads all labels back;
- `update(full=True)` of all bars in an empty folder: reads all bars, writes the same files;
- plain: `atr_barriers` and `triple_barrier` label all bars, pandas writes the labels alone.

Wall time, since disks are part of it: medians of repetitions that take turns. Every parquet file is
synced to the disk, and such waits are most of what a small update takes; so all of it is measured
again with the folder in memory (``/dev/shm``).
Peak memory is that of a new process for each way. The labels are compared to the byte before.
"""

import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from regimecast.core.files import atomic_path
from regimecast.labels import IncrementalLabeler, LabelRule, atr_barriers, triple_barrier

BARS = 129_600
STEPS = {"hourly": 60, "daily": 1_440}
TARGETS = {"hourly": 15.7, "daily": 8.8}
REPETITIONS = 15
RULE = LabelRule(
    upper=2.0,
    lower=2.0,
    unit="atr",
    window=60,
    floor=1e-4,
    horizon=60,
    tie="lower",
    commission_bps=1.0,
    slippage_bps=2.0,
)


def walk(length: int) -> pd.DataFrame:
    """Closes, highs and lows with a standard deviation of 5 basis points per minute."""
    rng = np.random.default_rng(0)
    close = 10_000.0 * np.exp(np.cumsum(rng.normal(0.0, 5e-4, length)))
    spread = rng.exponential(2e-4, (2, length))
    return pd.DataFrame(
        {"high": close * (1 + spread[0]), "low": close * (1 - spread[1]), "close": close},
        index=pd.date_range("2024-01-01", periods=length, freq="min", name="time", unit="ns"),
    )


def read(bars: Path) -> pd.DataFrame:
    return pq.ParquetFile(bars).read(use_threads=False).to_pandas()


def labeler(folder: Path) -> IncrementalLabeler:
    return IncrementalLabeler(folder, rule=RULE, rolling_window_days=90)


def update(folder: Path, bars: Path) -> None:
    labeler(folder / "labels").update("a", read(bars))


def update_and_read(folder: Path, bars: Path) -> None:
    mine = labeler(folder / "labels")
    mine.update("a", read(bars))
    mine.load_cache("a")


def full(folder: Path, bars: Path) -> None:
    labeler(folder / "empty").update("a", read(bars), full=True)


def plain(folder: Path, bars: Path) -> None:
    table = read(bars)
    high, low, close = (table[name].to_numpy() for name in ("high", "low", "close"))
    widths = atr_barriers(
        high, low, close, window=RULE.window, upper=RULE.upper, lower=RULE.lower, floor=RULE.floor
    )
    entries = np.flatnonzero(widths.known)
    labels = triple_barrier(
        close,
        high,
        low,
        upper=widths.upper,
        lower=widths.lower,
        horizon=RULE.horizon,
        entries=entries,
        cost_bps=RULE.cost_bps,
    )
    exits = table.index.to_numpy()[labels.exit]
    exits[labels.exit < 0] = np.datetime64("NaT")
    found = pd.DataFrame(
        {"label": labels.label, "exit": exits, "ret": labels.ret}, index=table.index[entries]
    )
    with atomic_path(folder / "plain.parquet") as path:
        found.to_parquet(path)


WAYS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "update": (update, "new"),
    "update, all labels read back": (update_and_read, "new"),
    "full relabel": (full, "all"),
    "plain full relabel": (plain, "all"),
}


def prepared(folder: Path, step: int) -> None:
    """The folder as it is before an update, and the files of bars."""
    table = walk(BARS + step)
    table.to_parquet(folder / "all.parquet")
    table[BARS:].to_parquet(folder / "new.parquet")
    labeler(folder / "kept").update("a", table[: BARS - 4_096])
    labeler(folder / "kept").update("a", table[BARS - 4_096 : BARS])


def reset(folder: Path) -> None:
    shutil.rmtree(folder / "labels", ignore_errors=True)
    shutil.rmtree(folder / "empty", ignore_errors=True)
    shutil.copytree(folder / "kept", folder / "labels")  # keeps the files' times
    os.sync()


def check(folder: Path) -> None:
    """All ways give the same labels."""
    reset(folder)
    for way, bars in WAYS.values():
        reset(folder) if way is update_and_read else None
        way(folder, folder / f"{bars}.parquet")
    mine = labeler(folder / "labels").load_cache("a")
    anew = labeler(folder / "empty").load_cache("a")
    pd.testing.assert_frame_equal(mine, anew, check_exact=True)
    other = pd.read_parquet(folder / "plain.parquet").loc[mine.index]
    pd.testing.assert_frame_equal(mine[["label", "exit", "ret"]], other, check_exact=True)


def seconds(folder: Path) -> dict[str, float]:
    """Median seconds of each way; the ways take turns."""
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(REPETITIONS):
        for name, (way, bars) in WAYS.items():
            reset(folder)
            start = perf_counter()
            way(folder, folder / f"{bars}.parquet")
            times[name].append(perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def peak_mebibytes(folder: Path, name: str) -> float:
    """Peak memory of a new process that does it that way."""
    reset(folder)
    call = [sys.executable, __file__, name, str(folder)]
    run = subprocess.run(call, capture_output=True, check=True, text=True)  # noqa: S603  # itself
    return float(run.stdout)


def measured(step: int, place: str | None) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds and peak memory of each way, with files in that place."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        prepared(folder, step)
        check(folder)
        return seconds(folder), {way: peak_mebibytes(folder, way) for way in WAYS}


def machine() -> str:
    """Processor, cores and versions."""
    model = platform.processor() or platform.machine()
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        lines = [line for line in facts.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pandas", "pyarrow"))
    return f"{os.cpu_count()} cores of {model}; Python {platform.python_version()}, {packages}"


def table(results: dict[str, dict[str, float]], unit: str, scale: float) -> str:
    rows = "\n".join(
        f"| {name} | " + " | ".join(f"{r[name] * scale:.1f}" for r in results.values()) + " |"
        for name in WAYS
    )
    return f"| {unit} | {' | '.join(results)} |\n|---|{'---|' * len(results)}\n{rows}"


def ratios(results: dict[str, dict[str, float]]) -> str:
    rows = [
        f"| {over} / {under} | " + " | ".join(f"{r[over] / r[under]:.1f}" for r in results.values())
        for over in ("full relabel", "plain full relabel")
        for under in ("update", "update, all labels read back")
    ]
    return " |\n".join(rows) + " |"


def main() -> None:
    disk, memory, peaks = {}, {}, {}
    for name, step in STEPS.items():
        disk[name], peaks[name] = measured(step, None)
        memory[name], _ = measured(step, "/dev/shm")  # noqa: S108  # a folder of its own in there
    targets = " | ".join(f"at least {TARGETS[name]}" for name in STEPS)
    peak = " | ".join(f"{p['update'] / p['full relabel']:.2f}" for p in peaks.values())
    text = f"""# Incremental labels: milliseconds, ratios and memory

Written by `incremental_labels.py` in this folder, which says what is measured.

Machine: {machine()}.
Wall time, other processes at work beside it; medians of {REPETITIONS} repetitions in one run.
{BARS:,} bars on disk; hourly adds {STEPS["hourly"]}, daily {STEPS["daily"]:,}. All ways give the
same labels, to the byte.

{table(disk, "milliseconds, on disk", 1e3)}

{table(memory, "milliseconds, files in memory", 1e3)}

| ratio, on disk | {" | ".join(STEPS)} |
|---|---|---|
{ratios(disk)}
| target of the first | {targets} |

| ratio, files in memory | {" | ".join(STEPS)} |
|---|---|---|
{ratios(memory)}
| target of the first | {targets} |

{table(peaks, "peak MiB of a process", 1.0)}
| update / full relabel (target: at most 1.07) | {peak} |
"""
    print(text)
    with atomic_path(Path(__file__).with_suffix(".md")) as path:
        path.write_text(text)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        way, bars = WAYS[sys.argv[1]]
        way(Path(sys.argv[2]), Path(sys.argv[2]) / f"{bars}.parquet")
        facts = Path("/proc/self/status").read_text()  # getrusage would count the parent too
        print(int(facts.partition("VmHWM:")[2].split()[0]) / 1024)
    else:
        main()
