"""What a fold learns from its training bars before any model: scalers and regimes."""

from dataclasses import dataclass
from typing import Any

from regimecast.core.types import TrainingTime
from regimecast.data.market import MarketData
from regimecast.data.panel import Role
from regimecast.data.scaling import AssetScaler, FeatureScaler
from regimecast.regimes.base import RegimeLabeller

__all__ = ["Fitted"]


@dataclass(frozen=True, eq=False)
class Fitted:
    """Scalers of every kind of channel, and a fitted regime labeller."""

    scaler: FeatureScaler
    """Of past features."""
    scheduled: FeatureScaler
    """Of the source's columns that are known ahead."""
    static: FeatureScaler
    """Of the source's static columns."""
    target: AssetScaler | None
    """Of a target that is standardised."""
    regime: RegimeLabeller

    @classmethod
    def on(
        cls, market: MarketData, interval: TrainingTime, *, regime: RegimeLabeller, clip: float
    ) -> "Fitted":
        """What the bars of training teach.

        Args:
            market: bars, features and target.
            interval: of training; bars between two of several are neither read nor learnt from.
            regime: labeller to fit.
            clip: scaled features are limited to ±clip.
        """
        bars, known = market.bars, market.spec.known
        given = sum(column.role is Role.STATIC for column in market.bars.columns)
        channels = (
            (market.past[:, 1:], market.spec.past[1:], bars.earlier(market.lookback)),
            (market.scheduled, known[len(known) - market.scheduled.shape[1] :], bars.time),
            (market.static[bars.asset_of_row, :given], market.spec.static[:given], bars.time),
        )
        scaler, scheduled, static = (
            FeatureScaler.fit(values, bars.time, names, interval=interval, clip=clip, since=since)
            for values, names, since in channels
        )
        target = None
        if market.target.standardised:
            target = AssetScaler.fit(market.target.series, bars, interval=interval)
        return cls(scaler, scheduled, static, target, regime.fit(bars, interval))

    def state(self) -> dict[str, Any]:
        """What was learnt, as plain values."""
        state: dict[str, Any] = {"scaler": self.scaler.to_json(), "regime": self.regime.state()}
        if self.target is not None:
            state["target"] = self.target.to_json()
        return state
