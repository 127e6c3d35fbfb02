"""Where a batch holds what is not a number: asset, time and column."""

from collections.abc import Iterator

import torch
from jaxtyping import Shaped
from torch import Tensor

from regimecast.core.batch import Batch
from regimecast.data.dataset import TimeSeriesDataset

__all__ = ["describe_non_finite"]


def describe_non_finite(batch: Batch, dataset: TimeSeriesDataset) -> str | None:
    """One line on the first NaN or infinity that reaches a network; None where all is finite.

    It says, for example, ``past channel 'rsi' of AAPL at 2020-03-02 00:00:00, in the window with
    origin 2020-03-05 00:00:00, is nan (12 such values)``. Targets count where they are known.

    Args:
        batch: of the dataset, on any device.
        dataset: what it was gathered from.
    """
    for name, tensor in _tensors(batch):
        bad = (~torch.isfinite(tensor)).nonzero()
        if len(bad):
            place = bad[0].tolist()
            found = float(tensor[tuple(place)])
            return f"{_where(name, place, batch, dataset)} is {found} ({len(bad)} such values)"
    return None


def _tensors(batch: Batch) -> Iterator[tuple[str, Shaped[Tensor, "B *rest"]]]:
    for name in ("past", "known", "static", "scale", "weight"):
        yield name, getattr(batch, name)
    yield "target", batch.target.masked_fill(~batch.mask, 0)


def _where(name: str, place: list[int], batch: Batch, dataset: TimeSeriesDataset) -> str:
    """Names of what lies at an index of a batch's tensor."""
    spec, source = dataset.spec, dataset.source
    window, *inside = place
    origin = int(batch.origin[window])
    asset = spec.assets[int(batch.asset[window])]
    from_origin = f"window with origin {source.when(origin)}"
    if name == "static":
        return f"static channel {spec.static[inside[0]]!r} of {asset}"
    if name == "scale":
        return f"scale of {asset} at {source.when(origin)}"
    if name in ("target", "weight"):
        return f"{name} of {asset}, step {inside[0] + 1} of the {from_origin}"
    step, channel = inside
    bars = step - spec.context_length + 1
    label = (spec.past if name == "past" else spec.known)[channel]
    # Ahead of the origin the panel may have no row yet.
    time = source.when(origin + bars) if bars <= 0 else f"{bars} bars ahead"
    return f"{name} channel {label!r} of {asset} at {time}, in the {from_origin},"
