"""How many windows a data set hands out on its own; run by `regimecast bench windows`."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from regimecast.bench import peers_pytorch_forecasting
from regimecast.bench.fold import ASSETS, BARS, BATCH, CONTEXT, HORIZON, Workbench, one_thread
from regimecast.bench.machine import Machine
from regimecast.bench.peers import absence
from regimecast.bench.results import BenchReport, Ratio
from regimecast.bench.timing import take_turns
from regimecast.data.datamodule import FinancialDataModule

__all__ = ["run"]

_PEER_TARGET = 20.0
_MOVED_TARGET = 0.5
_SLOW_BATCHES = 8
_ABOUT = """The training windows of {assets} series of {bars:,} bars, context {context}, horizon
{horizon}, {features} channels, shuffled, {batch} at a time. *regimecast*: one epoch of
`FinancialDataModule.train_dataloader()`, weights, regimes, masks and all. *Per item*: a `Dataset`
of one window per item with the same content and the default collation, {slow} batches. *Slices*:
the same with two slices of tensors per item, which are not the same windows: not relative to their
origin, without masks, weights and regimes.
*index_select*: `torch.index_select` of the same rows of the same table, as many bytes as the past
channels of the same batches, with the rows' numbers ready made. Processor time of one thread per
window."""


class PerItem(Dataset[dict[str, Any]]):
    """One window per item, plainly written, with all that a `Batch` holds.

    Args:
        data: whose training windows.
    """

    def __init__(self, data: FinancialDataModule) -> None:
        train, market = data.split("train"), data.market
        self._past = data.scaler.scale(market.past[:, 1:])
        self._series, self._scale = market.target.series, market.target.scale
        self._last, self._asset = market.last_row, market.bars.asset_of_row
        self._rows = train.samples.row
        self._weight, self._regime = train.weight, train.regime

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> dict[str, Any]:
        """Context and future of one origin, relative to it."""
        row = self._rows[position]
        first, scale = row - CONTEXT + 1, self._scale[row]
        history = (self._series[first : row + 1] - self._series[row]) / scale
        ahead = (self._series[row + 1 : row + 1 + HORIZON] - self._series[row]) / scale
        past = np.concatenate([history[:, None], self._past[first : row + 1]], axis=1)
        return {
            "past": past.astype(np.float32),
            "target": ahead.astype(np.float32),
            "mask": np.arange(1, HORIZON + 1) <= self._last[row] - row,
            "scale": np.float32(scale),
            "weight": self._weight[position],
            "regime": self._regime[position],
            "asset": self._asset[row],
            "origin": row,
        }


class Slices(Dataset[tuple[Tensor, Tensor]]):
    """Slices of two tensors, and nothing else: not anchored, not weighed, no mask.

    Args:
        past: channels of every bar.
        target: what is forecast, of every bar.
        origins: row of every window's last bar.
    """

    def __init__(
        self, past: Float[Tensor, "R F"], target: Float[Tensor, " R"], origins: Int[Tensor, " N"]
    ) -> None:
        self._past = past
        self._target = target
        self._origins = origins

    def __len__(self) -> int:
        return len(self._origins)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Context and future of one origin."""
        end = int(self._origins[position]) + 1
        return self._past[end - CONTEXT : end], self._target[end : end + HORIZON]


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of the seconds of a window; without pytorch-forecasting its own is left out."""
    bars, assets, batch = (1_000, 3, 32) if quick else (BARS, ASSETS, BATCH)
    data = Workbench.of(bars, f"window.batch_size={batch}", assets=assets).data
    about = _ABOUT.format(
        assets=assets,
        bars=bars,
        context=CONTEXT,
        horizon=HORIZON,
        features=len(data.spec.past),
        batch=batch,
        slow=_SLOW_BATCHES,
    )
    whole = len(data.split("train"))
    some = min(whole, _SLOW_BATCHES * batch)
    windows = {"`regimecast`": whole, "index_select": whole, "per item": some, "slices": some}
    contestants: dict[str, Callable[[], object]] = {
        "`regimecast`": lambda: _drain(data.train_dataloader()),
        "index_select": _moved(data),
        "per item": lambda: _drain(islice(items, _SLOW_BATCHES)),
        "slices": lambda: _drain(islice(slices, _SLOW_BATCHES)),
    }
    items = DataLoader(PerItem(data), batch_size=batch, shuffle=True)
    slices = _slices(data)
    peer = peers_pytorch_forecasting
    if peer.installed():
        loader = peer.data_loader(data.market, batch_size=batch)
        contestants[f"`{peer.PACKAGE}`"] = lambda: _drain(islice(loader, _SLOW_BATCHES))
        windows[f"`{peer.PACKAGE}`"] = _SLOW_BATCHES * batch
    else:
        about += absence(peer.PACKAGE)
    with one_thread():
        found = take_turns(contestants, repetitions=repetitions, clock="processor")
    each = {name: sample.per("sample", windows[name]) for name, sample in found.items()}
    mine = each["`regimecast`"]
    ratios = [
        Ratio(name="against a data set of items", over=each["per item"], under=mine,
              at_least=_PEER_TARGET),
        Ratio(name="against slices alone", over=each["slices"], under=mine),
        Ratio(name="share of what index_select moves", over=each["index_select"], under=mine,
              at_least=_MOVED_TARGET),
    ]  # fmt: skip
    if f"`{peer.PACKAGE}`" in each:
        ratios.append(
            Ratio(
                name="against `TimeSeriesDataSet`",
                over=each[f"`{peer.PACKAGE}`"],
                under=mine,
                at_least=_PEER_TARGET,
            )
        )
    return BenchReport(
        name="windows",
        title="Windows of a data set",
        about=about,
        ratios=ratios,
        machine=Machine.this(peer.PACKAGE),
        quick=quick,
    )


def _drain(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def _slices(data: FinancialDataModule) -> DataLoader[tuple[Tensor, Tensor]]:
    target = torch.from_numpy(np.log(data.market.bars.actual("close"))).float()
    origins = torch.from_numpy(data.split("train").samples.row)
    items = Slices(torch.from_numpy(np.array(data.market.past)), target, origins)
    return DataLoader(items, batch_size=data.batch_size, shuffle=True)


def _moved(data: FinancialDataModule) -> Callable[[], object]:
    """Moves the past channels of an epoch of shuffled windows."""
    table = torch.from_numpy(np.array(data.market.past))
    origins = torch.from_numpy(data.split("train").samples.row)
    origins = origins[torch.randperm(len(origins))]
    rows = (origins[:, None] + torch.arange(1 - CONTEXT, 1)).flatten()
    parts = torch.split(rows, data.batch_size * CONTEXT)
    return lambda: _drain(torch.index_select(table, 0, part) for part in parts)
