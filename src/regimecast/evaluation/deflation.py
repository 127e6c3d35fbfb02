"""How much of a Sharpe ratio is left once one knows how many were tried.

Sharpe ratios here are per observation, mean / standard deviation of the returns as they come; only
a display annualises. Kurtosis is the full fourth moment, 3 for a normal distribution.
"""

import math
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

from regimecast.core.errors import SpecError
from regimecast.evaluation.likeness import clusters

__all__ = [
    "deflated_sharpe_ratio",
    "effective_number_of_trials",
    "expected_maximum_sharpe",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "probabilistic_sharpe_ratio",
]

_NORMAL = NormalDist()
"""Of the standard library: scipy.stats takes half a second to import."""
_ROUNDING = 1e-9
"""Share by which computed moments may miss their limit, which returns of two values reach."""


def probabilistic_sharpe_ratio(
    sharpe: float,
    *,
    n_observations: int,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
) -> float:
    """Probability that the true Sharpe ratio is above a benchmark, given the one that was measured.

    Bailey & López de Prado (2012), *The Sharpe Ratio Efficient Frontier*, J. of Risk 15(2), eq. 9.

    Args:
        sharpe: measured, per observation.
        n_observations: returns it was measured on.
        skew: of those returns.
        kurtosis: of those returns.
        benchmark: Sharpe ratio per observation to beat.

    Raises:
        SpecError: fewer than two observations, a value that is not finite, or moments that no
            returns have.
    """
    _check(sharpe=sharpe, skew=skew, kurtosis=kurtosis, benchmark=benchmark)
    if n_observations < 2:
        raise SpecError(f"n_observations={n_observations}; allowed: 2 or more")
    spread = math.sqrt(_variance(sharpe, skew, kurtosis) / (n_observations - 1))
    return _NORMAL.cdf((sharpe - benchmark) / spread)


def expected_maximum_sharpe(*, n_trials: int, trial_sharpe_variance: float) -> float:
    """Sharpe ratio per observation that the best of so many trials without skill shows on average.

    Bailey & López de Prado (2014), *The Deflated Sharpe Ratio*, J. of Portfolio Management 40(5),
    doi:10.3905/jpm.2014.40.5.094, eq. 1. One trial chooses nothing: 0.

    Args:
        n_trials: how many independent ones.
        trial_sharpe_variance: of the trials' Sharpe ratios per observation.

    Raises:
        SpecError: no trial, or a variance that is negative or not finite.
    """
    if n_trials < 1:
        raise SpecError(f"n_trials={n_trials}; allowed: 1 or more")
    _check(trial_sharpe_variance=trial_sharpe_variance)
    if trial_sharpe_variance < 0:
        raise SpecError(f"trial_sharpe_variance={trial_sharpe_variance}; allowed: 0 or more")
    return math.sqrt(trial_sharpe_variance) * _expected_maximum(n_trials)


def deflated_sharpe_ratio(
    sharpe: float,
    *,
    n_observations: int,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    n_trials: int,
    trial_sharpe_variance: float,
) -> float:
    """Probability that the best of so many trials has a true Sharpe ratio above that of luck alone.

    `probabilistic_sharpe_ratio` against `expected_maximum_sharpe`; see both for arguments, sources
    and errors.
    """
    return probabilistic_sharpe_ratio(
        sharpe,
        n_observations=n_observations,
        skew=skew,
        kurtosis=kurtosis,
        benchmark=expected_maximum_sharpe(
            n_trials=n_trials, trial_sharpe_variance=trial_sharpe_variance
        ),
    )


def minimum_track_record_length(
    sharpe: float,
    *,
    skew: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Observations after which `probabilistic_sharpe_ratio` reaches a confidence; inf if never.

    Bailey & López de Prado (2012), eq. 11.

    Raises:
        SpecError: a value that is not finite, a confidence outside (0, 1), or moments that no
            returns have.
    """
    _check(sharpe=sharpe, skew=skew, kurtosis=kurtosis, benchmark=benchmark)
    if not 0 < confidence < 1:
        raise SpecError(f"confidence={confidence}; allowed: above 0 and below 1")
    if sharpe <= benchmark:
        return math.inf
    needed = _NORMAL.inv_cdf(confidence) / (sharpe - benchmark)
    return 1 + _variance(sharpe, skew, kurtosis) * needed**2


def minimum_backtest_length(*, n_trials: int, sharpe: float) -> float:
    """Observations below which the best of so many trials without skill shows this on average.

    Bailey, Borwein, López de Prado & Zhu (2014), *Pseudo-Mathematics and Financial Charlatanism*,
    Notices of the AMS 61(5), theorem 2. With an annual Sharpe ratio the answer is in years.

    Args:
        n_trials: how many independent ones.
        sharpe: expected maximum, per observation.

    Raises:
        SpecError: no trial, or a Sharpe ratio that is not above 0.
    """
    if n_trials < 1:
        raise SpecError(f"n_trials={n_trials}; allowed: 1 or more")
    if not 0 < sharpe < math.inf:
        raise SpecError(f"sharpe={sharpe}; allowed: above 0")
    return (_expected_maximum(n_trials) / sharpe) ** 2


def effective_number_of_trials(
    returns: Float[np.ndarray, "T N"], *, correlation: float = 0.5
) -> int:
    """How many of the trials are different: clusters of those whose returns move together.

    A hundred settings of one idea count once, and unrelated ones count each, see `clusters`; the
    number of clusters by best silhouette, which is often used, is arbitrary where nothing is
    correlated. Trials that never trade have no correlation; all of them are one.

    Args:
        returns: of each trial at the same times.
        correlation: from which two trials are the same one, above -1 and at most 1.

    Raises:
        SpecError: no trial, fewer than two times, or returns that are not finite.
    """
    if returns.shape[1] < 1 or len(returns) < 2:
        raise SpecError(
            f"returns of shape {returns.shape}; allowed: 2 or more times, 1 or more trials"
        )
    if not np.isfinite(returns).all():
        raise SpecError("returns hold NaN or infinity; leave out the trials that did not finish")
    return int(clusters(returns, correlation=correlation).max()) + 1


def _expected_maximum(n: int) -> float:
    """Expected maximum of n standard normal numbers, to the order that the sources use."""
    if n == 1:
        return 0.0
    return float(
        (1 - np.euler_gamma) * _NORMAL.inv_cdf(1 - 1 / n)
        + np.euler_gamma * _NORMAL.inv_cdf(1 - 1 / (n * math.e))
    )


def _variance(sharpe: float, skew: float, kurtosis: float) -> float:
    """Variance of a measured Sharpe ratio, times the observations less one (Mertens 2002)."""
    variance = 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2
    if kurtosis < (1 + skew**2) * (1 - _ROUNDING) or variance <= 0:
        raise SpecError(
            f"skew={skew} and kurtosis={kurtosis} are of no returns: kurtosis is the full fourth "
            "moment (3 for a normal distribution) and at least 1 + skew²"
        )
    return variance


def _check(**values: float) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise SpecError(f"{name}={value} is not finite")
