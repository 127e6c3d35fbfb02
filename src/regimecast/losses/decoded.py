"""A loss of what was decoded, for models that have no outputs of their own to be scored."""

import numpy as np
import torch
from jaxtyping import Bool, Float

from regimecast.core.batch import Batch
from regimecast.core.types import ForecastKind
from regimecast.losses.base import Loss
from regimecast.losses.quantile import Quantile
from regimecast.losses.regime_weighted import RegimeWeightedLoss

__all__ = ["loss_of_decoded"]


def loss_of_decoded(
    loss: Loss,
    decoded: Float[np.ndarray, "N H Q"],
    target: Float[np.ndarray, "N H"],
    mask: Bool[np.ndarray, "N H"],
    weight: Float[np.ndarray, "N H"],
) -> float | None:
    """The number that a network with this loss is validated by; None where no target is known.

    A loss of quantiles that cannot be computed from them (a likelihood) gives way to the pinball
    loss at its levels.

    Args:
        loss: fitted; of quantiles or of classes.
        decoded: quantiles in units of the scale, or probabilities.
        target: in units of the scale, or class indices.
        mask: where it is known.
        weight: of each cell.
    """
    if not mask.any():
        return None
    output = torch.from_numpy(decoded.astype(np.float32))
    if loss.kind is ForecastKind.PROBABILITIES:
        output = output.clamp_min(torch.finfo(output.dtype).tiny).log()
    elif not loss.in_target_units:
        loss = Quantile(spec=loss.spec, levels=loss.levels)
    n = len(decoded)
    nothing, index = torch.zeros(n, 0, 0), torch.zeros(n, dtype=torch.int64)
    batch = Batch(
        past=nothing,
        known=nothing,
        static=torch.zeros(n, 0),
        target=torch.from_numpy(target),
        mask=torch.from_numpy(mask),
        scale=torch.ones(n, 1),
        weight=torch.from_numpy(weight),
        regime=index,
        asset=index,
        origin=index,
    )
    reducer = RegimeWeightedLoss(loss)
    with torch.inference_mode():
        return float(reducer(output, batch))
