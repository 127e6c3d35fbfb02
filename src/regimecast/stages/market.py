"""Stored artifacts as the market that a run has, so that samples follow from its very rule."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from typing_extensions import override

from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.features.base import Feature
from regimecast.features.pipeline import FeaturePipeline
from regimecast.features.table import FeatureTable
from regimecast.stages.files import read_mapping, read_matrix
from regimecast.stages.targets import StoredTarget

__all__ = ["declared", "stored_market"]


class _FarthestFeature(FeaturePipeline):
    """The stored column that looks back farthest: all of the features that samples depend on."""

    def __init__(self, folder: Path) -> None:
        super().__init__({}, missing="skip")
        self._folder = folder

    @override
    def declarations(self, panel: Panel) -> tuple[Feature, ...]:
        """One feature, or none where there are no features."""
        return tuple(sorted(declared(self._folder), key=lambda feature: feature.lookback)[-1:])

    @override
    def compute(
        self, panel: Panel, *, out: Float32[np.ndarray, "R F"] | None = None
    ) -> FeatureTable:
        """Its values, as they are stored."""
        past = self.declarations(panel)
        values = read_matrix(self._folder / "features.parquet", [f.name for f in past])
        return FeatureTable(values, past)


def declared(folder: Path) -> tuple[Feature, ...]:
    """Declarations of the stored features of the past.

    Args:
        folder: artifacts of stage ``features``.
    """
    past = read_mapping(folder / "features.json")["past"]
    return tuple(Feature(**{**feature, "inputs": tuple(feature["inputs"])}) for feature in past)


def stored_market(panel: Panel, *, features: Path, labels: Path, context_length: int) -> MarketData:
    """Bars and stored labels as a run has them, with no more features than samples depend on.

    Args:
        panel: cleaned bars.
        features: artifacts of stage ``features``.
        labels: artifacts of stage ``label`` or ``final_labels``.
        context_length: L, bars per window.

    Raises:
        DataError: no asset is long enough for one window.
    """
    return MarketData.build(
        panel,
        pipeline=_FarthestFeature(features),
        target=StoredTarget(labels),
        context_length=context_length,
        asset_identity=False,
    )
