"""What trading costs: one model for every backtest and every benchmark beside it.

A profile is one yaml in ``conf/cost/``; all profiles hold the same fields.
"""

from dataclasses import dataclass

from regimecast.evaluation.bounds import bounded

__all__ = ["CostModel"]


@dataclass(frozen=True, kw_only=True)
class CostModel:
    """Proportional costs, charged on every change of position, and the price of being short.

    A change of position from p to q costs |q - p| · (commission + slippage) of capital at the fill
    (at the next bar, see `backtest`), so a round trip into a full position and out of it costs
    twice that.

    Raises:
        ConfigError: a cost is negative, not a number, or more than the whole trade.
    """

    name: str
    commission_bps: float
    """Fees per side, in basis points of the traded value."""
    slippage_bps: float
    """Half the spread and impact per side, in basis points of the traded value."""
    borrow_bps_per_year: float
    """Fee for a short position, in basis points of its value a year, accrued per bar."""

    def __post_init__(self) -> None:
        for key in ("commission_bps", "slippage_bps", "borrow_bps_per_year"):
            bounded(f"cost.{key}", getattr(self, key), low=0.0, high=10_000.0)

    @property
    def per_side(self) -> float:
        """Share of the traded value that one fill costs."""
        return (self.commission_bps + self.slippage_bps) / 1e4
