"""Dropout whose random numbers do not cost more than the layers around it."""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Dropout"]

_VALUES = 2**16
"""Values of a random number here; four of them come out of one draw of 64 bits."""


class Dropout(nn.Module):
    """Sets a share of the activations to zero and scales the others up (Srivastava et al. 2014).

    On a CPU torch draws one Bernoulli number per activation, which takes longer than the matrix
    products of a small network. Here four activations share one 64-bit draw; the share is kept to
    within 1/65,536, the expectation exactly. On other devices and in a compiled network it is
    torch's own, which is fused there.

    Args:
        share: share of the activations, from 0 to below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self._dropped = round(share * _VALUES)

    def forward(self, values: Tensor) -> Tensor:
        """The activations, thinned out in training and as they are otherwise."""
        if not self.training or self._dropped == 0:
            return values
        if values.device.type != "cpu" or torch.compiler.is_compiling():
            return functional.dropout(values, self.share)
        return values * self._factors(values)

    def _factors(self, values: Tensor) -> Tensor:
        """What each activation is multiplied by: 0, or 1 over the share that stays."""
        count = values.numel()
        draws = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
        numbers = draws.view(torch.int16)[:count].view(values.shape)
        # Whole numbers from -2^15 to 2^15 - 1, of which the lowest are dropped. A comparison would
        # do too, but it makes booleans, which are slow to multiply by.
        kept = numbers.to(torch.float32).add_(_VALUES // 2 + 1 - self._dropped).clamp_(0, 1)
        return kept.mul_(_VALUES / (_VALUES - self._dropped)).to(values.dtype)

    def extra_repr(self) -> str:
        """The share, for a printed network."""
        return f"share={self.share}"
