"""Weights by how little a label shares with others."""

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.types import Samples
from regimecast.data.overlap import average_uniqueness
from regimecast.weighting.base import Weighting, WeightingRegistry

__all__ = ["UniquenessWeighting"]


@WeightingRegistry.register("uniqueness")
class UniquenessWeighting(Weighting):
    """Average uniqueness of each label: the mean of 1 / concurrency over the bars it spans.

    Concurrency at a bar is the number of labels whose bars, from the origin's to the last one read,
    include it (Lopez de Prado 2018, *Advances in Financial Machine Learning*, snippets 4.1 and
    4.2). Labels of different assets share nothing. A sample given twice counts twice.
    """

    def weigh(self, samples: Samples, regime: Int[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Average uniqueness, in (0, 1]; see `Weighting.weigh`."""
        if len(samples) == 0:
            return np.ones(0)
        # Panel rows of assets do not overlap, so one pass over rows serves all assets.
        first = samples.row - samples.row.min()
        last = samples.end_row - samples.row.min()
        return average_uniqueness(first, last, int(last.max()) + 1)
