"""Regimes of a Markov-switching model of returns."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int
from statsmodels.tools.sm_exceptions import ConvergenceWarning, EstimationWarning
from statsmodels.tsa.regime_switching.markov_regression import MarkovRegression

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import TrainingTime
from regimecast.data.panel import Panel
from regimecast.data.returns import log_returns
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.regimes.price_rule import PriceRule
from regimecast.regimes.training import inside, require_fit, require_some

__all__ = ["MarkovRegime"]

_STATES = 3


@dataclass(frozen=True)
class _Chain:
    """Three normal states of an asset's standardised returns, in order of variance."""

    scale: float
    """Standard deviation of the training returns, by which returns are divided."""
    mean: Float[np.ndarray, " K"]
    variance: Float[np.ndarray, " K"]
    transition: Float[np.ndarray, "K K"]
    """Row i, column j: probability of state j after state i."""

    def to_json(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mean": self.mean.tolist(),
            "variance": self.variance.tolist(),
            "transition": self.transition.tolist(),
        }


@RegimeRegistry.register("markov")
class MarkovRegime(RegimeLabeller):
    """Most probable of three variance states, with crash and recovery by price over them.

    A Markov chain with three states, each with its own mean and variance of returns (Hamilton 1989,
    Econometrica 57(2)). Parameters are maximum-likelihood estimates on the training interval, by EM
    and BFGS from one fixed start, the same each time (a few seconds per asset). States are ordered
    by variance and named low volatility, normal and high volatility. The code at t is the state
    with the largest *filtered* probability, from returns up to t, never the smoothed one. The code
    is -1 before the training interval and for assets with too little training history, unless
    prices say crash or recovery.

    Args:
        minimum: fewest returns in training that an asset is fitted on.
        iterations: most steps of the optimiser.
        price: parameters of `PriceRule`.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(self, *, minimum: int, iterations: int, price: Mapping[str, Any]) -> None:
        if minimum < 30:
            raise ConfigError(f"regime.minimum={minimum}; allowed: 30 or more, for 12 parameters")
        if iterations < 1:
            raise ConfigError(f"regime.iterations={iterations}; allowed: 1 or more")
        self._minimum = minimum
        self._iterations = iterations
        self._price = PriceRule.of(price)
        self._interval: TrainingTime | None = None
        self._chains: dict[str, _Chain] = {}
        self.lookback = self._price.lookback + 1

    def fit(self, panel: Panel, interval: TrainingTime) -> "MarkovRegime":
        """Estimates one chain per asset; see `RegimeLabeller.fit`.

        Returns of several intervals are taken as one run, with a step from each into the next.

        Raises:
            DataError: the optimiser does not converge for an asset, or no asset has enough history.
        """
        returns = log_returns(panel)
        usable = inside(panel, interval, lookback=1) & ~np.isnan(returns)
        self._chains = {}
        for asset, name in enumerate(panel.assets):
            rows = panel.rows(asset)
            training = returns[rows][usable[rows]]
            if len(training) >= self._minimum:
                self._chains[name] = _estimate(training, name, self._iterations)
        unfitted = [name for name in panel.assets if name not in self._chains]
        require_some(unfitted, panel, self._minimum, interval)
        self._interval = interval
        return self

    def label(self, panel: Panel) -> Int[np.ndarray, " R"]:
        """Regime code per row as int8; see `RegimeLabeller.label`.

        Raises:
            SpecError: `fit` was not called.
            LeakageError: every bar lies before the training interval.
        """
        interval = require_fit(self._interval, panel, self.name)
        returns = log_returns(panel)
        returns[panel.time < interval.first_use] = np.nan
        codes = np.full(panel.n_rows, -1, dtype=np.int8)
        for asset, name in enumerate(panel.assets):
            if name in self._chains:
                rows = panel.rows(asset)
                probability = self.filtered(name, returns[rows])
                known = ~np.isnan(probability[:, 0])
                codes[rows] = np.where(known, probability.argmax(axis=1), -1)
        return self._price.override(codes, panel)

    def filtered(self, asset: str, returns: Float[np.ndarray, " T"]) -> Float[np.ndarray, "T 3"]:
        """Probability of each state given returns up to t; NaN where the return is missing.

        The chain starts from its stationary distribution and runs on through missing returns.
        """
        chain = self._chains[asset]
        return _filter(
            returns / chain.scale,
            chain.mean,
            chain.variance,
            chain.transition,
            _stationary(chain.transition),
        )

    def state(self) -> dict[str, Any]:
        """Parameters per asset and the training interval."""
        return {
            "chains": {name: chain.to_json() for name, chain in self._chains.items()},
            "interval": None if self._interval is None else self._interval.to_json(),
        }


def _estimate(returns: Float[np.ndarray, " T"], asset: str, iterations: int) -> _Chain:
    """Maximum-likelihood chain of an asset's training returns."""
    scale = float(returns.std())
    if not scale > 0:
        raise DataError(f"regime 'markov': returns of {asset!r} do not vary in training")
    model = MarkovRegression(returns / scale, k_regimes=_STATES, switching_variance=True)
    with warnings.catch_warnings():
        # Both are told by the result, which is checked below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", EstimationWarning)
        try:
            result = model.fit(maxiter=iterations, em_iter=50, cov_type="none", disp=False)
        except (np.linalg.LinAlgError, ValueError, RuntimeError) as error:
            raise DataError(_no_convergence(asset, len(returns), str(error))) from error
    if not result.mle_retvals["converged"] or not np.isfinite(result.params).all():
        raise DataError(_no_convergence(asset, len(returns), f"{iterations} iterations"))
    named = dict(zip(model.param_names, np.asarray(result.params).tolist(), strict=True))
    variance = np.array([named[f"sigma2[{k}]"] for k in range(_STATES)])
    order = np.argsort(variance)
    # statsmodels: element [j, i] is the probability of j after i.
    transition = np.asarray(result.regime_transition)[:, :, 0].T
    return _Chain(
        scale=scale,
        mean=np.array([named[f"const[{k}]"] for k in range(_STATES)])[order],
        variance=variance[order],
        transition=np.ascontiguousarray(transition[np.ix_(order, order)]),
    )


def _no_convergence(asset: str, n: int, reason: str) -> str:
    return (
        f"regime 'markov' did not converge on {n} training returns of {asset!r} ({reason}). "
        "Raise regime.iterations, use a longer training part, or use regime=realised_volatility"
    )


def _stationary(transition: Float[np.ndarray, "K K"]) -> Float[np.ndarray, " K"]:
    """Distribution that the chain keeps: pi P = pi, sum 1 (Hamilton 1994, eq. 22.2.26)."""
    k = len(transition)
    equations = np.vstack([np.eye(k) - transition.T, np.ones(k)])
    solution: Float[np.ndarray, " K"] = np.linalg.lstsq(
        equations, np.append(np.zeros(k), 1.0), rcond=None
    )[0]
    return solution


@numba.njit(cache=True)
@no_type_check  # numba compiles the body, which a run-time type check would wrap
def _filter(
    returns: Float[np.ndarray, " T"],
    mean: Float[np.ndarray, " K"],
    variance: Float[np.ndarray, " K"],
    transition: Float[np.ndarray, "K K"],
    start: Float[np.ndarray, " K"],
) -> Float[np.ndarray, "T K"]:
    """Hamilton filter (Hamilton 1994, *Time Series Analysis*, eq. 22.4.5 and 22.4.6)."""
    k = len(start)
    result = np.full((len(returns), k), np.nan)
    current = start.copy()
    began = False
    for t in range(len(returns)):
        predicted = np.zeros(k)
        for i in range(k):
            for j in range(k):
                predicted[j] += current[i] * transition[i, j]
        if np.isnan(returns[t]):
            if began:
                current = predicted
            continue
        began = True
        # In logs: far from every state the densities themselves would all be 0.
        score = np.empty(k)
        best = -np.inf
        for j in range(k):
            distance = returns[t] - mean[j]
            score[j] = -0.5 * (np.log(variance[j]) + distance * distance / variance[j])
            best = max(best, score[j])
        total = 0.0
        for j in range(k):
            predicted[j] *= np.exp(score[j] - best)
            total += predicted[j]
        for j in range(k):
            current[j] = predicted[j] / total
            result[t, j] = current[j]
    return result
