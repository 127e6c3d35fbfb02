"""What trading costs: one model for labels, backtests and simulated environments alike.

A profile is one yaml in ``conf/cost/``; all profiles hold the same fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Self

from regimecast.core.errors import ConfigError, did_you_mean

__all__ = ["CostModel"]


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """Proportional costs, charged on every change of position, and the price of being short.

    A change of position from p to q costs |q - p| · (commission + slippage) of capital at the fill,
    so a round trip into a full position and out of it costs twice that.

    Raises:
        ConfigError: a cost is negative, not a number, or at least the whole trade.
    """

    name: str
    commission_bps: float
    """Fees per side, in basis points of the traded value."""
    slippage_bps: float
    """Half the spread and impact per side, in basis points of the traded value."""
    borrow_bps_per_year: float
    """Fee for a short position, in basis points of its value a year, accrued per bar."""

    def __post_init__(self) -> None:
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if not (isfinite(value) and 0 <= value < 10_000):
                raise ConfigError(
                    f"cost.{field.name}={value!r} must be at least 0 and below 10000 basis points"
                )

    @property
    def per_side(self) -> float:
        """Share of the traded value that one fill costs."""
        return (self.commission_bps + self.slippage_bps) / 1e4

    @property
    def round_trip(self) -> float:
        """Share of the traded value that getting in and out costs."""
        return 2 * self.per_side

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Cost model of a ``conf/cost`` mapping.

        Raises:
            ConfigError: a key is unknown or missing, or a value is not a number.
        """
        names = [field.name for field in fields(cls)]
        for key in config:
            if key not in names:
                raise ConfigError(
                    f"cost has no parameter {key!r} (value {config[key]!r})."
                    f"{did_you_mean(str(key), names)} Allowed: {', '.join(names)}"
                )
        if missing := [name for name in names if name not in config]:
            raise ConfigError(f"cost needs {', '.join(missing)}")
        try:
            numbers = {name: float(config[name]) for name in names[1:]}
        except (TypeError, ValueError) as error:
            raise ConfigError(f"cost {dict(config)!r} has a value that is no number") from error
        return cls(name=str(config["name"]), **numbers)
