"""Estimators of scikit-learn behind the contract, and their files without pickle."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import skops.io
from jaxtyping import Float
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException

from regimecast.core.errors import SpecError
from regimecast.core.types import ForecastKind, Task
from regimecast.models.base import Capabilities
from regimecast.models.stepwise import Part, StepwiseModel
from regimecast.models.tabular import Rows

__all__ = ["SklearnModel", "able", "read_skops", "standardised"]


def able(*losses: str) -> Capabilities:
    """Capabilities of an estimator that can be trained for these losses."""
    classes, forecasts = "cross_entropy" in losses, bool({"quantile", "huber"} & set(losses))
    return Capabilities(
        tasks=frozenset(
            ({Task.CLASSIFICATION} if classes else set())
            | ({Task.FORECAST} if forecasts else set())
        ),
        kinds=frozenset(
            ({ForecastKind.PROBABILITIES} if classes else set())
            | ({ForecastKind.QUANTILES} if forecasts else set())
        ),
        losses=frozenset(losses),
        past=True,
        known=True,
        static=True,
        sample_weight=True,
    )


def read_skops(path: Path, trusted: tuple[str, ...]) -> Any:
    """The estimator of a skops file, which may hold scikit-learn's own types and these.

    Raises:
        SpecError: the file holds another type; nothing of it is run.
    """
    try:
        return skops.io.load(path, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise SpecError(f"{path} holds types that no model here needs: {error}") from error


def standardised(estimator: Any, rows: Rows) -> tuple[Pipeline, Float[np.ndarray, "M D"]]:
    """The estimator behind a standardisation, and the standardised rows to fit it on.

    Mean and standard deviation are the weighted ones of the training rows.
    """
    scaler = StandardScaler().fit(rows.x, sample_weight=rows.weight)
    return Pipeline([("scale", scaler), ("estimate", estimator)]), scaler.transform(rows.x)


class SklearnModel(StepwiseModel):
    """Estimators of scikit-learn, one set per step, saved with skops."""

    extension = "skops"
    trusted: ClassVar[tuple[str, ...]] = ()
    """Types in a saved part beyond those that skops trusts by itself."""

    def _write_part(self, part: Part, path: Path) -> None:
        skops.io.dump(part.model, path)

    def _read_part(self, path: Path) -> Any:
        return read_skops(path, self.trusted)
