"""Several weightings as one weight per sample, normalised once over the training set."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int

from regimecast.core.errors import ConfigError
from regimecast.core.types import Samples
from regimecast.weighting.base import Weighting
from regimecast.weighting.report import WeightReport, weight_report

__all__ = ["apply_weights", "sample_weights"]


def sample_weights(
    weightings: Sequence[Weighting],
    samples: Samples,
    regime: Int[np.ndarray, " N"],
    *,
    drawn: Int[np.ndarray, " M"] | None = None,
) -> tuple[Float32[np.ndarray, " M"], WeightReport]:
    """Weights of the training set with mean 1, and what they do to each regime.

    Weightings multiply and see the training samples before sampling, so that a copy weighs what its
    original weighs: weight k and k copies are the same. Normalisation is over the drawn samples.

    Args:
        weightings: rules to multiply; none gives ones.
        samples: training samples before sampling.
        regime: regime code known at each of their origins, -1 where unknown.
        drawn: positions that a sampling drew, repeats allowed; all of them once by default.

    Raises:
        ConfigError: there are no samples, or their weights are all 0.
    """
    positions = np.arange(len(samples)) if drawn is None else drawn
    if len(positions) == 0:
        raise ConfigError("weighting: there are no training samples to weigh")
    weight = _product(weightings, samples, regime)[positions]
    if not weight.sum() > 0:
        raise ConfigError(
            "weighting: every training sample weighs 0; give a regime that occurs a weight above 0"
        )
    report = weight_report(weight, regime, positions)
    return (weight * report.factor).astype(np.float32), report


def apply_weights(
    weightings: Sequence[Weighting],
    samples: Samples,
    regime: Int[np.ndarray, " N"],
    *,
    factor: float,
) -> Float32[np.ndarray, " N"]:
    """The training set's rule on other samples, for weighted metrics; its mean need not be 1.

    Args:
        weightings: the rules the training set was weighted with.
        samples: other samples, such as the test part.
        regime: regime code known at each of their origins, -1 where unknown.
        factor: the training set's `WeightReport.factor`.
    """
    return (_product(weightings, samples, regime) * factor).astype(np.float32)


def _product(
    weightings: Sequence[Weighting], samples: Samples, regime: Int[np.ndarray, " N"]
) -> Float64[np.ndarray, " N"]:
    weight = np.ones(len(samples))
    for weighting in weightings:
        own = weighting.weigh(samples, regime)
        if not (np.isfinite(own).all() and (own >= 0).all()):
            raise ConfigError(
                f"weighting {weighting.name!r} gave weights that are negative or not finite"
            )
        weight *= own
    return weight
