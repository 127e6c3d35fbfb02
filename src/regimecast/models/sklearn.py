"""Estimators of scikit-learn behind the contract, and their files without pickle."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
import skops.io
from jaxtyping import Float, Int
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from skops.io.exceptions import UntrustedTypesFoundException

from regimecast.core.errors import SpecError
from regimecast.core.types import ForecastKind, Task
from regimecast.models.base import Capabilities
from regimecast.models.stepwise import Part, StepwiseModel
from regimecast.models.tabular import Rows

__all__ = [
    "SklearnModel",
    "able",
    "check_nodes",
    "in_blocks",
    "read_skops",
    "standardised",
    "write_skops",
]

_SCHEMA = "schema.json"
_ADDRESS = re.compile(r'(?<="__id__": )\d+|(?<="file": ")\d+')
_BLOCK = 1024
"""Rows of a block; a multiple of what any processor takes at once."""


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


def read_skops(path: Path, *, trusted: tuple[str, ...], kinds: tuple[type, ...]) -> Any:
    """The estimator of a skops file.

    Args:
        path: the file.
        trusted: types it may hold beyond those that skops trusts by itself.
        kinds: classes the estimator itself may have.

    Raises:
        SpecError: the file holds another type, in which case nothing of it is run, or another kind
            of estimator.
    """
    try:
        estimator = skops.io.load(path, trusted=list(trusted))
    except UntrustedTypesFoundException as error:
        raise SpecError(f"{path} holds types that no model here needs: {error}") from error
    except BadZipFile as error:
        raise SpecError(f"{path} is not a skops file: {error}") from error
    if not isinstance(estimator, kinds):
        allowed = ", ".join(kind.__name__ for kind in kinds)
        raise SpecError(f"{path} holds a {type(estimator).__name__}; allowed: {allowed}")
    return estimator


def write_skops(estimator: Any, path: Path) -> None:
    """Writes an estimator as a skops file of the same bytes each time.

    Skops itself names what is in the file by addresses in memory, and dates it.
    """
    with ZipFile(BytesIO(skops.io.dumps(estimator))) as source, ZipFile(path, "w") as target:
        schema = source.read(_SCHEMA).decode()
        number = {name: str(n) for n, name in enumerate(dict.fromkeys(_ADDRESS.findall(schema)))}
        arrays = {}
        for name in set(source.namelist()) - {_SCHEMA}:
            address, _, kind = name.partition(".")
            arrays[f"{number.get(address, address)}.{kind}"] = name
        for name, old in sorted(arrays.items()):
            target.writestr(ZipInfo(name), source.read(old))
        target.writestr(ZipInfo(_SCHEMA), _ADDRESS.sub(lambda found: number[found[0]], schema))


def check_nodes(
    split: Int[np.ndarray, " M"],
    left: Int[np.ndarray, " M"],
    right: Int[np.ndarray, " M"],
    column: Int[np.ndarray, " M"],
    *,
    nodes: int,
    columns: int,
) -> None:
    """Refuses a tree from a file whose splits lead out of it, back, or to a missing column.

    scikit-learn follows these numbers unchecked, so a doctored file could read any memory or never
    end; for this reason skops trusts no tree by itself. In a grown tree children follow their
    parent.

    Args:
        split: number of each node that is not a leaf.
        left: its left child.
        right: its right child.
        column: column it looks at.
        nodes: nodes of the tree, leaves included.
        columns: columns of the table.

    Raises:
        SpecError: a number is out of range.
    """
    inside = (split < left) & (split < right) & (left < nodes) & (right < nodes)
    if nodes < 1 or not (inside & (column >= 0) & (column < columns)).all():
        raise SpecError(
            f"a saved tree of {nodes} nodes has a child that does not follow its parent inside the "
            f"tree, or a column outside 0 to {columns - 1}"
        )


def standardised(estimator: Any, rows: Rows) -> tuple[Pipeline, Float[np.ndarray, "M D"]]:
    """The estimator behind a standardisation, and the standardised rows to fit it on.

    Mean and standard deviation are the weighted ones of the training rows.
    """
    scaler = StandardScaler().fit(rows.x, sample_weight=rows.weight)
    return Pipeline([("scale", scaler), ("estimate", estimator)]), scaler.transform(rows.x)


def in_blocks(
    predict: Callable[[Float[np.ndarray, "M D"]], Float[np.ndarray, "..."]],
    x: Float[np.ndarray, "N D"],
) -> Float[np.ndarray, "N K"]:
    """What an estimator says of rows, asked in blocks of one size, the last one filled up.

    A matrix product of few rows is summed in another order than one of many. So a forecast does not
    hang, in its last bit, on how many others are made with it.
    """
    said = []
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        full = np.pad(block, ((0, _BLOCK - len(block)), (0, 0)))
        said.append(predict(full).reshape(_BLOCK, -1)[: len(block)])
    return np.concatenate(said)


class SklearnModel(StepwiseModel):
    """Estimators of scikit-learn, one set per step, saved with skops."""

    extension = "skops"
    kinds: ClassVar[tuple[type, ...]] = (Pipeline,)
    """Classes of a part."""
    trusted: ClassVar[tuple[str, ...]] = ()
    """Types in a saved part beyond those that skops trusts by itself."""

    def _write_part(self, part: Part, path: Path) -> None:
        write_skops(part.model, path)

    def _read_part(self, path: Path) -> Any:
        estimator = read_skops(path, trusted=self.trusted, kinds=self.kinds)
        self._check_read(estimator)
        return estimator

    def _check_read(self, estimator: Any) -> None:
        """Raises `SpecError` where an estimator of a trusted type could still do harm."""
