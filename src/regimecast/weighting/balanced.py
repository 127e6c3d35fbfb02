"""Sampling to a target mix of regimes."""

import logging
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.types import REGIMES, Regime
from regimecast.weighting.base import Sampling, SamplingRegistry

__all__ = ["BalancedSampling"]

_log = logging.getLogger(__name__)

_ABSENT = ("redistribute", "error")


@SamplingRegistry.register("balanced")
class BalancedSampling(Sampling):
    """Draws regimes in target shares, exact to one sample.

    A regime with more samples than its share is thinned without replacement. One with fewer is
    repeated: every sample floor(k) times, k being how many times the regime must grow, and a random
    rest once more. Copies add no information; `WeightReport.unique` tells how much there is.
    Samples with an unknown regime are left out and their number is logged.

    Args:
        shares: target share by regime name, summing to 1; a regime not named has share 0.
        size: samples to draw; ``natural`` for as many as have a known regime.
        absent: ``redistribute`` gives the share of a regime without samples to the others in
            proportion to theirs, with a warning; ``error`` refuses.

    Raises:
        ConfigError: an unknown regime, shares that are negative or do not sum to 1, or an unknown
            `size` or `absent`.
    """

    def __init__(self, *, shares: Mapping[str, float], size: int | str, absent: str) -> None:
        target = np.zeros(len(REGIMES))
        for name, share in shares.items():
            if not share >= 0:
                raise ConfigError(f"sampling.shares.{name}={share!r} is negative")
            target[Regime.of(name, key="sampling.shares")] += share
        if not math.isclose(target.sum(), 1.0, abs_tol=1e-9):
            raise ConfigError(f"sampling.shares sum to {target.sum():g}; they must sum to 1")
        if isinstance(size, bool) or not (
            size == "natural" or (isinstance(size, int) and size >= 1)
        ):
            raise ConfigError(f"sampling.size={size!r}; allowed: 'natural' or a number of samples")
        if absent not in _ABSENT:
            raise ConfigError(
                f"sampling.absent={absent!r} is unknown.{did_you_mean(absent, _ABSENT)} "
                f"Allowed: {', '.join(_ABSENT)}"
            )
        self._target = target
        self._size = size
        self._absent = absent

    def draw(
        self, regime: Int[np.ndarray, " N"], generator: np.random.Generator
    ) -> Int[np.ndarray, " M"]:
        """Positions in the target mix; see `Sampling.draw`."""
        known = regime >= 0
        if not known.all():
            _log.warning(
                "balanced sampling leaves out %d of %d training samples with an unknown regime",
                int((~known).sum()),
                len(regime),
            )
        available = np.bincount(regime[known], minlength=len(REGIMES))
        size = int(known.sum()) if isinstance(self._size, str) else self._size
        quotas = _largest_remainder(self._reachable(available), size)
        parts = []
        for code in np.flatnonzero(quotas):
            pool = np.flatnonzero(regime == code)
            copies, rest = divmod(int(quotas[code]), len(pool))
            parts += [np.repeat(pool, copies), generator.choice(pool, rest, replace=False)]
        return np.sort(np.concatenate(parts))

    def _reachable(self, available: Int[np.ndarray, " K"]) -> Float[np.ndarray, " K"]:
        """Target shares over the regimes that have samples."""
        missing = [
            f"{REGIMES[code]} ({self._target[code]:.0%})"
            for code in np.flatnonzero((available == 0) & (self._target > 0))
        ]
        if not missing:
            return self._target
        present = np.where(available > 0, self._target, 0.0)
        if self._absent == "error" or present.sum() == 0:
            raise ConfigError(
                f"sampling.shares cannot be reached: no training sample of {', '.join(missing)}. "
                "Use sampling.absent=redistribute, sampling=natural or a longer training part"
            )
        _log.warning(
            "no training sample of %s; its share goes to the other regimes", ", ".join(missing)
        )
        return present / present.sum()


def _largest_remainder(shares: Float[np.ndarray, " K"], size: int) -> Int[np.ndarray, " K"]:
    """Whole numbers that sum to `size`, each within one of its share (Hamilton's method)."""
    exact = shares * size
    quotas = np.floor(exact + 1e-9).astype(np.int64)  # 0.1 * 30 is a little more or less than 3
    order = np.argsort(quotas - exact, kind="stable")
    quotas[order[: size - int(quotas.sum())]] += 1
    return quotas
