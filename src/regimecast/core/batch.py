"""The one tensor type that networks and losses see."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Batch"]


@dataclass(eq=False)
class Batch:
    """B windows gathered at once. L context, H horizon, F channels (see `DataSpec` for names).

    Everything but `target` and `mask` is known at the close of the origin bar.
    """

    past: Float[Tensor, "B L Fp"]
    """Scaled past channels; channel 0 is the target's own history, anchored at the origin."""
    known: Float[Tensor, "B LH Fk"]
    """Known-future channels over context and horizon (L + H rows); Fk may be 0."""
    static: Float[Tensor, "B Fs"]
    """Per-asset channels; Fs may be 0."""
    target: Float[Tensor, "B H"]
    """Target in units of `scale`; class index 0..C-1 for classification; 0 where masked."""
    mask: Bool[Tensor, "B H"]
    """False where the target is not known; such cells never train."""
    scale: Float[Tensor, "B 1"]
    """Factor from the model's units to original units, known at the origin."""
    weight: Float[Tensor, "B H"]
    """Training weight, normalised once over the training set; 1 outside training."""
    regime: Int[Tensor, " B"]
    asset: Int[Tensor, " B"]
    origin: Int[Tensor, " B"]
    """Panel row of the origin."""

    def __len__(self) -> int:
        return len(self.past)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The batch on another device (the name Lightning looks for)."""
        return type(self)(
            *(getattr(self, f.name).to(device, non_blocking=non_blocking) for f in fields(self))
        )

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory (the name the data loader looks for)."""
        return type(self)(*(getattr(self, f.name).pin_memory() for f in fields(self)))
