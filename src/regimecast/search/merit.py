"""What a barrier setting is worth: the profit that its labels leave room for, and their balance.

A label is made with hindsight, so the profit of having known it says nothing: it grows without end
as barriers shrink and trades multiply. What is judged instead is the profit of somebody with a
stated, modest skill. He takes a side at every entry, long or short, and is right about the sign of
the move up to the exit with probability ``(1 + skill) / 2``, whatever the size of the move. He pays
a round trip for each entry, also where the deadline comes first. With r the return of an entry, c
the round trip and s the skill, one bet has the mean ``s·E|r| - c`` and the variance
``E r² - (s·E|r|)²``. Overlapping labels are not separate bets: as many count as their average
uniqueness adds up to (López de Prado 2018, section 4.3). The Sharpe ratio of a year is then that of
one bet times the square root of the bets of a year, as in the fundamental law of active management
(Grinold and Kahn 2000, Active Portfolio Management, chapter 6).

On a random walk it is best where the barriers are 2·c/s away: nearer ones are eaten by the cost,
farther ones leave too few bets. The skill has no preferred side, so that a drift earns nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from regimecast.data.overlap import average_uniqueness
from regimecast.labels.barrier_setting import BarrierSetting
from regimecast.labels.barriers import Tie, TripleBarrierLabels, barrier_labels

__all__ = ["Judge", "Merit"]


@dataclass(frozen=True)
class Merit:
    """What the labels of one setting are like on the bars that they were made on."""

    edge: float
    """Annual Sharpe ratio after costs of the forecaster with the stated skill; see the module."""
    imbalance: float
    """Share of labels that would have to be of another class for the wanted shares, 0 to 1."""
    down: float
    """Share of labels whose lower barrier is met first."""
    neutral: float
    """Share of labels at the deadline."""
    up: float
    """Share of labels whose upper barrier is met first."""
    uniqueness: float
    """Mean of the labels' average uniqueness, in (0, 1]."""
    bars: float
    """Mean number of bars from entry to exit."""
    move: float
    """Mean absolute return from entry to exit, before costs."""
    labels: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Judge:
    """Merit of any setting on the bars of one asset, which end where the training interval ends."""

    close: Float[np.ndarray, " T"]
    high: Float[np.ndarray, " T"] | None
    low: Float[np.ndarray, " T"] | None
    unit: Float[np.ndarray, " T"]
    """One unit of distance at each close as a fraction of the close; NaN where no entry is."""
    first: int
    """First bar that may be an entry."""
    bars_per_year: float
    label_cost_bps: float
    """Cost that the target adds to the distance of its barriers."""
    tie: Tie
    round_trip: float
    """What a trade costs, as a share of the traded value."""
    skill: float
    wanted: tuple[float, float, float]
    """Shares of down, neutral and up."""

    def entries(self, horizon: int) -> Int[np.ndarray, " N"]:
        """Bars whose label is complete whichever barrier is met.

        A label that ends early is left out too where its deadline lies beyond the last bar:
        otherwise the last labels would mostly be those that met a price barrier.
        """
        usable = np.flatnonzero(np.isfinite(self.unit[: max(len(self.unit) - horizon, 0)]))
        return usable[usable >= self.first]

    def labels(self, setting: BarrierSetting) -> tuple[Int[np.ndarray, " N"], TripleBarrierLabels]:
        """Entries, and their labels with returns before costs."""
        entries = self.entries(setting.horizon)
        cost = self.label_cost_bps * 1e-4
        return entries, barrier_labels(
            self.close,
            self.high,
            self.low,
            upper=setting.upper * self.unit + cost,
            lower=setting.lower * self.unit + cost,
            horizon=setting.horizon,
            entries=entries,
            tie=self.tie,
        )

    def merit(self, setting: BarrierSetting) -> Merit:
        """What the setting is worth.

        Raises:
            DataError: prices are missing or not positive.
        """
        entries, labels = self.labels(setting)
        if not len(entries):
            return Merit(-math.inf, 1.0, 0.0, 0.0, 0.0, math.nan, math.nan, math.nan, 0)
        shares = [float(np.mean(labels.label == value)) for value in (-1, 0, 1)]
        unique = float(average_uniqueness(entries, labels.exit, len(self.close)).mean())
        move = float(np.abs(labels.ret).mean())
        gain = self.skill * move
        variance = float(np.square(labels.ret).mean()) - gain**2
        bets = unique * self.bars_per_year
        return Merit(
            # Prices that stand still leave nothing to bet on.
            edge=math.sqrt(bets / variance) * (gain - self.round_trip)
            if variance > 0
            else -math.inf,
            imbalance=sum(abs(s - w) for s, w in zip(shares, self.wanted, strict=True)) / 2,
            down=shares[0],
            neutral=shares[1],
            up=shares[2],
            uniqueness=unique,
            bars=float((labels.exit - entries).mean()),
            move=move,
            labels=len(entries),
        )
