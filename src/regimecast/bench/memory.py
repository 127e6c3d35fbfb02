"""Memory of a training: most of it over the panel, and what is private where the panel is mapped.

The whole way of `regimecast train` from bars to an epoch: features from the families, split,
scaler, loader, Lightning's loop, validation.
"""

import hashlib
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from regimecast.assembly import Assembly
from regimecast.bench.bars import panel_of
from regimecast.bench.results import BenchReport, Ratio, Sample, limit
from regimecast.bench.timing import in_new_process, resident_bytes
from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel

__all__ = ["mapped_training", "most_private", "run", "training"]

PEAK_TARGET = 1.2
PRIVATE_LIMIT = 2 * 2**30
ASSETS, BARS = 500, 5_000
MAPPED_ASSETS, MAPPED_BARS = 16, 600_000
FEW_ASSETS, FEW_BARS = 8, 4_000
MOST = 5
"""Repetitions at most: memory hardly differs between them, and each takes minutes."""
_HUNDRED = (
    "features=[trend,momentum,volatility,volume,candles,statistics,liquidity,dependence,calendar]",
    "features.momentum.return_windows=[1,5,21]",
)
_WIDE = (
    "features=[trend,averages,channels,momentum,oscillators,cycles,volatility,realised,volume,"
    "participation,liquidity,candles,patterns,statistics,dependence,regime_distance,calendar]",
    "features.momentum.return_windows=[1,2,3,5,10,21,42,63,126,252]",
)
_TRAINING = (
    "data=synthetic",
    "target.horizon=5",
    "window.asset_identity=false",
    "model=dlinear",
    "loss=mae",
    "regime=none",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=100",
    "trainer.limit_val_batches=10",
)
ABOUT = """From bars in memory (one-minute random walks; open, high, low, close, volume as float64)
to a trained network (DLinear, windows of 64 bars, 100 steps of 256 windows and a validation), each
in a new process that has done the same on a small panel before, so that libraries and compiled
code are there. *Panel*: the matrix of features, float32. *Added*: most resident memory, less what
there was with libraries and bars. *Private*: the largest anonymous memory at any moment, libraries
and bars included; what lies in a mapped file is not private. Memory and file give the same batches
to the byte."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Peak over panel, private memory of a mapped training, and that batches are the same."""
    assets, bars = (FEW_ASSETS, FEW_BARS) if quick else (ASSETS, BARS)
    many = (FEW_ASSETS, FEW_BARS) if quick else (MAPPED_ASSETS, MAPPED_BARS)
    if in_new_process(batches, "memory") != in_new_process(batches, "mapped"):
        raise AssertionError("batches of a mapped panel are not those of one in memory")
    found = [in_new_process(training, assets, bars) for _ in range(min(repetitions, MOST))]
    private, size, channels = in_new_process(mapped_training, *many)
    panel = Sample("panel", tuple(float(one["panel"]) for one in found), "B")
    added = Sample("added", tuple(float(one["added"]) for one in found), "B")
    whole = Sample("process", tuple(float(one["peak"]) for one in found), "B")
    with_bars = [float(one["panel"] + one["bars"]) for one in found]
    beside = [float(one["added"] + one["bars"]) for one in found]
    name = f"{assets} × {bars:,} bars × {found[0]['features']} features"
    return BenchReport(
        name="memory",
        title="Memory of a training",
        about=ABOUT,
        ratios=[
            Ratio(name=f"{name}, peak", over=added, under=panel, at_most=PEAK_TARGET),
            Ratio(
                name=f"{name}, peak, bars on both sides",
                over=Sample("bars and added", tuple(beside), "B"),
                under=Sample("bars and panel", tuple(with_bars), "B"),
            ),
            Ratio(
                name=f"{name}, the whole process",
                over=whole,
                under=panel,
                notes="with Python, PyTorch, compiled kernels and bars",
            ),
            Ratio(
                name=f"{many[0]} × {many[1]:,} bars × {channels} channels, mapped, private",
                over=Sample("private", (float(private),), "B"),
                under=limit(PRIVATE_LIMIT, "B"),
                at_most=1,
                notes=f"the file holds {size / 2**30:.2f} GiB",
            ),
        ],
        quick=quick,
    )


def training(assets: int, bars: int) -> dict[str, int]:
    """Bytes: `peak` of the process, `added` of it since the bars were there, `panel`, `bars`."""
    _small("memory")
    panel = bars_of(bars, assets)
    before = resident_bytes("now")
    data = _trained(panel, "memory", _HUNDRED)
    peak = resident_bytes("peak")
    return {
        "peak": peak,
        "added": peak - before,
        "panel": data.market.past[:, 1:].nbytes,
        "bars": panel.values.nbytes + panel.time.nbytes,
        "features": data.market.past.shape[1] - 1,
    }


def mapped_training(assets: int, bars: int) -> tuple[int, int, int]:
    """Most private bytes of the process, bytes of the mapped file, and its channels."""
    with most_private() as found:
        data = _trained(bars_of(bars, assets), "mapped", _WIDE)
    past = data.market.past
    return max(found), past.nbytes, past.shape[1]


def batches(placement: str) -> str:
    """SHA-256 of every batch of an epoch on a small panel."""
    digest = hashlib.sha256()
    for batch in _data(bars_of(FEW_BARS // 2, 3), placement, _WIDE)[1].train_dataloader():
        for name in ("past", "known", "static", "target", "mask", "scale", "weight", "origin"):
            digest.update(getattr(batch, name).contiguous().numpy().tobytes())
    return digest.hexdigest()


def bars_of(length: int, assets: int) -> Panel:
    """Random walks of prices and volume."""
    panel = panel_of(length, assets)
    names = ("open", "high", "low", "close", "volume")
    return replace(panel, values=panel.values[:, : len(names)].copy(), columns=panel.columns[:5])


def _small(placement: str) -> None:
    """A training that loads libraries and compiles."""
    _trained(bars_of(FEW_BARS // 2, 2), placement, _HUNDRED)


def _trained(panel: Panel, placement: str, features: tuple[str, ...]) -> FinancialDataModule:
    parts, data = _data(panel, placement, features)
    parts.trainer().train(parts.model(data), data)
    return data


def _data(
    panel: Panel, placement: str, features: tuple[str, ...]
) -> tuple[Assembly, FinancialDataModule]:
    logging.getLogger("regimecast").setLevel(logging.ERROR)
    overrides = [*_TRAINING, *features, f"window.placement={placement}"]
    parts = Assembly.from_config(composed(overrides))
    market: MarketData = parts.market(panel)
    folds = parts.splitter.split(market.samples(complete=True))
    (data,) = parts.modules(market, folds)
    return parts, data


@contextmanager
def most_private() -> Iterator[list[int]]:
    """Private bytes of this process, looked at all the time; the system keeps no peak of them."""
    found, done = [_private()], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            found.append(_private())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def _private() -> int:
    """Anonymous resident memory of this process.

    Raises:
        ConfigError: the system does not tell.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        raise ConfigError("private memory is read from /proc, which this system lacks")
    return int(status.read_text().partition("RssAnon:")[2].split()[0]) * 1024
