"""What sampling and weighting together do to each regime."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.types import REGIMES

__all__ = ["RegimeShare", "WeightReport", "weight_report"]


@dataclass(frozen=True)
class RegimeShare:
    """One regime's part in training."""

    natural: int
    """Training samples before sampling."""
    drawn: int
    """Training samples after sampling, repeats counted."""
    unique: int
    """Different samples among the drawn: what there really is to learn from."""
    natural_share: float
    sample_share: float
    weight_share: float
    emphasis: float | None
    """Weight share over natural share: how many times its natural importance the regime has, after
    sampling and weighting compound. None where there are no samples."""


@dataclass(frozen=True)
class WeightReport:
    """How a training set is weighted.

    Attributes:
        regimes: by regime name, ``unknown`` included where it occurs.
        samples: samples drawn, repeats counted.
        unique: different samples among them.
        effective_size: Kish's effective sample size, (sum w)^2 / sum w^2, where the copies of a
            sample are one sample with the sum of their weights (Kish 1965, *Survey Sampling*).
        mean_weight: mean weight before normalisation. 1.17 means that the set weighs as much as one
            1.17 times as large.
        factor: what weights were multiplied by to have mean 1; `compose.apply_weights` takes it.
    """

    regimes: dict[str, RegimeShare]
    samples: int
    unique: int
    effective_size: float
    mean_weight: float
    factor: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return asdict(self)


def weight_report(
    weight: Float[np.ndarray, " M"],
    natural: Int[np.ndarray, " N"],
    drawn: Int[np.ndarray, " M"],
) -> WeightReport:
    """Report on weights before normalisation.

    Args:
        weight: of each drawn sample, not normalised, with a positive sum.
        natural: regime code of each training sample before sampling.
        drawn: positions into them, repeats allowed.
    """
    # Code -1 counts first, under "unknown".
    names = ("unknown", *REGIMES)
    before = np.bincount(natural + 1, minlength=len(names))
    codes = natural[drawn] + 1
    after = np.bincount(codes, minlength=len(names))
    copies = np.bincount(drawn, minlength=len(natural))
    different = np.bincount(natural[copies > 0] + 1, minlength=len(names))
    mass = np.bincount(codes, weights=weight, minlength=len(names)) / weight.sum()
    per_sample = np.bincount(drawn, weights=weight, minlength=len(natural))
    regimes = {
        name: RegimeShare(
            natural=int(before[k]),
            drawn=int(after[k]),
            unique=int(different[k]),
            natural_share=float(before[k] / len(natural)),
            sample_share=float(after[k] / len(drawn)),
            weight_share=float(mass[k]),
            emphasis=float(mass[k] * len(natural) / before[k]) if before[k] else None,
        )
        for k, name in enumerate(names)
        if name != "unknown" or before[k]
    }
    mean = float(weight.mean())
    return WeightReport(
        regimes=regimes,
        samples=len(drawn),
        unique=int((copies > 0).sum()),
        effective_size=float(per_sample.sum() ** 2 / np.square(per_sample).sum()),
        mean_weight=mean,
        factor=1.0 / mean,
    )
