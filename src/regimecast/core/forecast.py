"""What a model says and what really happened: two nouns that every floor from models up shares."""

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from regimecast.core.errors import SpecError
from regimecast.core.types import ForecastKind

__all__ = ["Forecast", "Outcomes"]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What really happened, row by row beside a `Forecast`; known only after `end`."""

    values: Float[np.ndarray, "N H"]
    """Realised target in original units (class value for classification)."""
    mask: Bool[np.ndarray, "N H"]
    """False where the future is not complete."""
    regime: Int[np.ndarray, " N"]
    """Regime code known at the origin, -1 where unknown."""
    weight: Float[np.ndarray, "N H"]
    """Training weights' rule applied to these samples, for weighted metrics."""
    asset: Int[np.ndarray, " N"]
    origin: Shaped[np.ndarray, " N"]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Shaped[np.ndarray, " M"]) -> "Outcomes":
        """Outcomes at these positions or where this mask holds."""
        return Outcomes(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def concatenate(cls, parts: list["Outcomes"]) -> "Outcomes":
        """Outcomes of several folds as one, in the order given.

        Raises:
            SpecError: no parts.
        """
        if not parts:
            raise SpecError("no outcomes to concatenate")
        return cls(
            *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls))
        )


@dataclass(frozen=True, eq=False)
class Forecast:
    """What any model says, in original units: the only thing that judgement accepts."""

    values: Float[np.ndarray, "N H Q"]
    levels: tuple[float, ...]
    """Quantile levels, or class values for probabilities."""
    kind: ForecastKind
    asset: Int[np.ndarray, " N"]
    """Index into `assets`."""
    origin: Shaped[np.ndarray, " N"]
    """datetime64[ns]; everything in `values` was computable at the close of this bar."""
    assets: tuple[str, ...]

    def __post_init__(self) -> None:
        n, _, q = self.values.shape
        if len(self.levels) != q or len(self.asset) != n or len(self.origin) != n:
            raise SpecError(
                f"forecast of shape {self.values.shape} has {len(self.levels)} levels, "
                f"{len(self.asset)} assets and {len(self.origin)} origins"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def horizon(self) -> int:
        """H."""
        return int(self.values.shape[1])

    def point(self) -> Float[np.ndarray, "N H"]:
        """Median for quantiles, expected class for probabilities, the position for positions.

        Raises:
            SpecError: the quantiles' levels do not enclose the median.
        """
        if self.kind is ForecastKind.PROBABILITIES:
            return self.values @ np.asarray(self.levels, dtype=self.values.dtype)
        return self.quantile(0.5)

    def quantile(self, level: float) -> Float[np.ndarray, "N H"]:
        """Quantile at a level, linear between the levels at hand.

        Raises:
            SpecError: the level is outside the levels at hand, of which nothing is known.
        """
        first, last = self.levels[0], self.levels[-1]
        if not first <= level <= last:
            raise SpecError(
                f"the forecast says nothing of level {level}: its levels are {self.levels}. "
                f"Allowed: {first} to {last}"
            )
        levels = np.asarray(self.levels)
        upper = int(np.searchsorted(levels, level))
        if levels[upper] == level:
            return self.values[:, :, upper]
        lower = upper - 1
        share = (level - levels[lower]) / (levels[upper] - levels[lower])
        return (1 - share) * self.values[:, :, lower] + share * self.values[:, :, upper]

    def take(self, index: Shaped[np.ndarray, " M"]) -> "Forecast":
        """Forecast at these positions or where this mask holds."""
        return Forecast(
            self.values[index],
            self.levels,
            self.kind,
            self.asset[index],
            self.origin[index],
            self.assets,
        )

    @classmethod
    def concatenate(cls, parts: list["Forecast"]) -> "Forecast":
        """Forecasts of several folds as one, in the order given.

        Raises:
            SpecError: no parts, or parts that differ in kind, levels or assets.
        """
        if not parts:
            raise SpecError("no forecasts to concatenate")
        first = parts[0]
        for part in parts[1:]:
            if (part.levels, part.kind, part.assets) != (first.levels, first.kind, first.assets):
                raise SpecError("forecasts differ in levels, kind or assets")
        return cls(
            np.concatenate([part.values for part in parts]),
            first.levels,
            first.kind,
            np.concatenate([part.asset for part in parts]),
            np.concatenate([part.origin for part in parts]),
            first.assets,
        )
