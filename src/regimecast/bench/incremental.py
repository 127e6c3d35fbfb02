"""Labels brought up to date on disk against labelling everything anew, files included."""

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from regimecast.bench.bars import FEW_BARS, NINETY_DAYS, frame_of
from regimecast.bench.results import BenchReport, Ratio, Sample
from regimecast.bench.timing import in_new_process, resident_bytes, take_turns
from regimecast.core.files import atomic_path
from regimecast.labels import IncrementalLabeler, LabelRule, atr_barriers, triple_barrier

__all__ = ["run"]

STEPS = {"hourly": (60, 15.7), "daily": (1_440, 8.8)}
"""Bars that are added, and how many times faster than a full relabel that is to be."""
MEMORY_TARGET = 1.07
DAY = 1_440
WORKERS = 4
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
    entries="every",
    event_size=1.0,
)
ABOUT = """A folder holds the labels of {bars:,} one-minute bars (90 days): barriers two average
true ranges of 60 bars away, horizon 60, window of 90 days. It has grown by daily updates and goes
on growing: each repetition is the next hour (60 bars) or the next day (1,440 bars). An ordinary
update writes the last file alone; every third day that is closed, which the quartiles show.
*Update*: a new object reads the new bars from parquet and the folder, and writes the folder. *Full
relabel*: `update(full=True)` in an empty folder reads all bars from parquet, labels them and writes
the same labels to the same kind of files. *Plain full relabel*: `atr_barriers` and `triple_barrier`
label all bars and pandas writes the labels alone. All give the same labels, to the byte; files of
labels are synced to the disk by all of them. Wall time."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of time on disk and in memory, and of peak memory."""
    bars = 2 * FEW_BARS if quick else NINETY_DAYS
    ratios = []
    for name, (step, target) in STEPS.items():
        with tempfile.TemporaryDirectory() as place:
            store = _Store(Path(place), bars, step, repetitions)
            store.check()
            found = _samples(store, repetitions)
            whole, plain = found["full relabel"], found["plain full relabel"]
            mine, back = found["update"], found["update, all labels read back"]
            what = f"{name} update, files on disk"
            ratios += [
                Ratio(name=what, over=whole, under=mine, at_least=target),
                Ratio(name=what, over=whole, under=back),
                Ratio(name=what, over=plain, under=mine),
            ]
            if Path("/proc/self/status").exists():
                ratios.append(_memory(store, name, min(repetitions, 3)))
        if os.access(_MEMORY, os.W_OK):
            with tempfile.TemporaryDirectory(dir=_MEMORY) as place:
                found = _samples(_Store(Path(place), bars, step, repetitions), repetitions)
            ratios.append(
                Ratio(
                    name=f"{name} update, files in memory",
                    over=found["full relabel"],
                    under=found["update"],
                    notes="without the waits for a disk",
                )
            )
    ratios.append(_parallel(bars, 4 if quick else 24, repetitions))
    return BenchReport(
        name="incremental",
        title="Incremental labels against a full relabel",
        about=ABOUT.format(bars=bars),
        ratios=ratios,
        quick=quick,
    )


_MEMORY = "/dev/shm"  # noqa: S108  # a folder of its own is made in there


def _labeler(folder: Path) -> IncrementalLabeler:
    return IncrementalLabeler(folder, rule=RULE, rolling_window_days=90)


def _read(bars: Path) -> pd.DataFrame:
    # Without threads: to wake them takes longer than to read an hour of bars.
    table = pq.ParquetFile(bars).read(use_threads=False)
    return table.to_pandas(use_threads=False, ignore_metadata=True)


def update(folder: Path) -> None:
    """New bars taken in."""
    _labeler(folder / "labels").update("a", _read(folder / "new.parquet"))


def update_and_read(folder: Path) -> None:
    """The same, and then all labels read."""
    update(folder)
    _labeler(folder / "labels").load_cache("a")


def full_relabel(folder: Path) -> None:
    """Everything anew, to the same kind of files."""
    _labeler(folder / "empty").update("a", _read(folder / "all.parquet"), full=True)


def plain_relabel(folder: Path) -> None:
    """Everything anew with functions of arrays, and pandas."""
    table = _read(folder / "all.parquet")
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
    time = table["time"].to_numpy()
    exits = time[labels.exit]
    exits[labels.exit < 0] = np.datetime64("NaT")
    found = pd.DataFrame(
        {"label": labels.label, "exit": exits, "ret": labels.ret},
        index=pd.DatetimeIndex(time[entries], name="time"),
    )
    with atomic_path(folder / "plain.parquet") as path:
        found.to_parquet(path)


_WAYS: dict[str, Callable[[Path], None]] = {
    "update": update,
    "update, all labels read back": update_and_read,
    "full relabel": full_relabel,
    "plain full relabel": plain_relabel,
}


class _Store:
    """The folder before an update and the files of bars, turn by turn."""

    def __init__(self, folder: Path, bars: int, step: int, repetitions: int) -> None:
        self.folder = folder
        self._step = step
        self._first = bars - (repetitions // 2 + 1) * step  # about `bars` in the middle of the run
        self._table = frame_of(self._first + (repetitions + 1) * step)
        kept = _labeler(folder / "kept")
        for start in range(0, self._first, DAY):
            kept.update("a", self._table[start : min(start + DAY, self._first)])
        self.turn(0)

    def turn(self, number: int) -> None:
        """The next bars are new, those of the turn before are taken in."""
        if number > 0:
            _labeler(self.folder / "kept").update("a", _read(self.folder / "new.parquet"))
        start = self._first + number * self._step
        self._table[: start + self._step].to_parquet(self.folder / "all.parquet")
        self._table[start : start + self._step].to_parquet(self.folder / "new.parquet")

    def reset(self) -> None:
        """The folder as it was, on the disk."""
        shutil.rmtree(self.folder / "labels", ignore_errors=True)
        shutil.rmtree(self.folder / "empty", ignore_errors=True)
        shutil.copytree(self.folder / "kept", self.folder / "labels")  # keeps the files' times
        os.sync()

    def check(self) -> None:
        """Raises `AssertionError` unless all ways give the same labels."""
        self.reset()
        for way in (update, full_relabel, plain_relabel):
            way(self.folder)
        mine = _labeler(self.folder / "labels").load_cache("a")
        anew = _labeler(self.folder / "empty").load_cache("a")
        pd.testing.assert_frame_equal(mine, anew, check_exact=True)
        mine = mine.loc[mine["entry"], ["label", "exit", "ret"]]
        plain = pd.read_parquet(self.folder / "plain.parquet").loc[mine.index]
        pd.testing.assert_frame_equal(mine, plain, check_exact=True)


def _samples(store: _Store, repetitions: int) -> dict[str, Sample]:
    return take_turns(
        {name: partial(way, store.folder) for name, way in _WAYS.items()},
        repetitions=repetitions,
        clock="wall",
        before=store.reset,
        each_turn=store.turn,
    )


def _memory(store: _Store, name: str, repetitions: int) -> Ratio:
    peaks: dict[str, list[float]] = {"update": [], "full relabel": []}
    for _ in range(repetitions):
        for way, found in peaks.items():
            store.reset()
            found.append(float(in_new_process(peak_memory, way, str(store.folder))))
    over, under = (Sample(way, tuple(found), "B") for way, found in peaks.items())
    return Ratio(
        name=f"{name} update, peak memory of a process",
        over=over,
        under=under,
        at_most=MEMORY_TARGET,
    )


def relabel_all(folders: list[str]) -> None:
    """One folder after the other, everything anew."""
    for folder in folders:
        full_relabel(Path(folder))


def _parallel(bars: int, assets: int, repetitions: int) -> Ratio:
    """Full relabels of many assets in new processes, as against one after the other."""
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / str(asset) for asset in range(assets)]
        for asset, folder in enumerate(folders):
            folder.mkdir()
            frame_of(bars, asset).to_parquet(folder / "all.parquet")

        def reset() -> None:
            for folder in folders:
                shutil.rmtree(folder / "empty", ignore_errors=True)

        def serial() -> None:
            for folder in folders:
                full_relabel(folder)

        def parallel() -> None:
            chunks = [[str(folder) for folder in folders[n::WORKERS]] for n in range(WORKERS)]
            with ThreadPoolExecutor(WORKERS) as pool:  # each thread waits for a process
                list(pool.map(partial(in_new_process, relabel_all), chunks))

        one = "one after the other"
        found = take_turns(
            {one: serial, f"{WORKERS} processes": parallel},
            repetitions=repetitions,
            clock="wall",
            before=reset,
        )
    return Ratio(
        name=f"full relabel of {assets} assets",
        over=found[one],
        under=found[f"{WORKERS} processes"],
        notes="processes start and import anew; below 1 they lose, and no option offers them",
    )


def peak_memory(way: str, folder: str) -> int:
    """Peak memory of this process, bytes, after an update or a relabel."""
    _WAYS[way](Path(folder))
    return resident_bytes("peak")
