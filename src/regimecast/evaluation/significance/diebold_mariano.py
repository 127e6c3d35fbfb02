"""The test of Diebold & Mariano: is one forecast's mean loss another's?

All variants are t = mean difference / √(long-run variance / n); they differ in the variance, and so
in the distribution that t has. Their measured size is in experiments/benchmarks.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.fft import dct
from scipy.stats import t as student

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.testable import NotTestableError, check_testable, varies

__all__ = ["DieboldMariano", "Variance", "diebold_mariano", "holm", "pairwise", "t_statistics"]

Variance = Literal["cosine", "rectangular", "bartlett"]
"""``cosine``
    Mean of the first ν squared cosine coefficients of the series, against Student's t with ν
    degrees of freedom; ν = 0.4 n^(2/3), at most 0.4 n / h, so that the periods that are averaged
    are long beside the horizon. Lazarus, Lewis, Stock & Watson (2018), JBES 36, eq. 4. The default:
    the only one of the three that keeps its size under correlated losses.
``rectangular``
    Autocovariances up to lag h - 1 with equal weights, the factor √((n + 1 - 2h + h (h - 1) / n) /
    n), and Student's t with n - 1 degrees of freedom. Diebold & Mariano (1995), JBES 13, as
    corrected by Harvey, Leybourne & Newbold (1997), IJF 13, eqs. 8-9. Right where losses are
    correlated over the horizon and no longer; its variance can come out negative.
``bartlett``
    Weights that fall to 0 after max(h - 1, 4 (n / 100)^(2/9)) lags, Newey & West (1994), with the
    same factor and distribution. What most libraries do; rejects too often."""

_COEFFICIENTS = 0.4
_FEWEST_COEFFICIENTS = 4


@dataclass(frozen=True)
class DieboldMariano:
    """Result of the test that two mean losses are equal."""

    difference: float
    """Mean loss of the first less that of the second."""
    statistic: float
    p_value: float
    """Two-sided."""
    degrees: int
    """Degrees of freedom of Student's t."""
    n: int
    """Times."""


def diebold_mariano(
    first: Float[np.ndarray, " T"],
    second: Float[np.ndarray, " S"],
    *,
    horizon: int = 1,
    variance: Variance = "cosine",
) -> DieboldMariano:
    """Test that two series of losses at the same times have the same mean.

    Args:
        first: losses of one forecast in time order; of a panel, averaged over assets.
        second: of the other at the same times.
        horizon: steps ahead, over which neighbouring losses overlap.
        variance: estimator of the long-run variance, see `Variance`.

    Raises:
        NotTestableError: too few times (`check_testable`), values that are not finite, losses that
            differ by the same everywhere, or a variance that came out at 0 or below.
        SpecError: series of different lengths.
    """
    if len(first) != len(second):
        raise SpecError(f"losses are of {len(first)} and {len(second)} times; allowed: the same")
    difference = (first - second)[:, None]
    check_testable(difference, horizon=horizon)
    statistic, degrees = t_statistics(difference, horizon=horizon, variance=variance)
    if not np.isfinite(statistic[0]):
        raise NotTestableError(f"the {variance} estimate of the variance is not above 0")
    return DieboldMariano(
        difference=float(difference.mean()),
        statistic=float(statistic[0]),
        p_value=float(2 * student.sf(abs(statistic[0]), degrees)),
        degrees=degrees,
        n=len(first),
    )


def pairwise(
    losses: Float[np.ndarray, "T K"], *, horizon: int = 1
) -> tuple[Float[np.ndarray, "K K"], Float[np.ndarray, "K K"]]:
    """Statistics and two-sided p-values of `diebold_mariano` for every pair of columns.

    NaN on the diagonal and for columns between which the difference does not vary.

    Raises:
        NotTestableError: see `check_testable`.
    """
    check_testable(losses, horizon=horizon)
    k = losses.shape[1]
    statistic, p_value = np.full((k, k), np.nan), np.full((k, k), np.nan)
    for i in range(k - 1):
        difference = losses[:, i : i + 1] - losses[:, i + 1 :]
        statistic[i, i + 1 :], degrees = t_statistics(difference, horizon=horizon)
        statistic[i + 1 :, i] = -statistic[i, i + 1 :]
        p_value[i, i + 1 :] = 2 * student.sf(np.abs(statistic[i, i + 1 :]), degrees)
        p_value[i + 1 :, i] = p_value[i, i + 1 :]
    return statistic, p_value


def t_statistics(
    difference: Float[np.ndarray, "T K"], *, horizon: int, variance: Variance = "cosine"
) -> tuple[Float[np.ndarray, " K"], int]:
    """Value of t for each column and the degrees of freedom; NaN where the variance is not above 0.

    Args:
        difference: one loss less another, per time and pair.
        horizon: see `diebold_mariano`.
        variance: likewise.
    """
    n = len(difference)
    mean = difference.mean(axis=0)
    if variance == "cosine":
        # Of 32 times and ten horizons, as `check_testable` wants, this is 4 or more.
        wished = min(_COEFFICIENTS * n ** (2 / 3), _COEFFICIENTS * n / horizon)
        degrees = max(_FEWEST_COEFFICIENTS, int(wished))
        wave = dct(difference, type=2, axis=0, norm="ortho")[1 : degrees + 1]
        long_run, correction = (wave**2).mean(axis=0), 1.0
    else:
        lags, degrees = horizon - 1, n - 1
        if variance == "bartlett":
            lags = max(lags, int(4 * (n / 100) ** (2 / 9)))
        weight = (
            np.ones(lags) if variance == "rectangular" else 1 - np.arange(1, lags + 1) / (lags + 1)
        )
        gamma = _autocovariances(difference - mean, lags)
        long_run = gamma[0] + 2 * weight @ gamma[1:]
        h = lags + 1
        correction = float(np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n))
    usable = (long_run > 0) & varies(difference)
    return np.where(
        usable, correction * mean / np.sqrt(np.where(usable, long_run, 1.0) / n), np.nan
    ), degrees


def holm(p_values: Float[np.ndarray, " M"]) -> Float[np.ndarray, " M"]:
    """p-values that hold for all hypotheses together; NaN stays and counts for none.

    Holm (1979), Scandinavian J. of Statistics 6.
    """
    adjusted = np.full(len(p_values), np.nan)
    order = np.argsort(p_values)[: int(np.isfinite(p_values).sum())]
    stepped = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def _autocovariances(moved: Float[np.ndarray, "T K"], lags: int) -> Float[np.ndarray, "L K"]:
    """Autocovariances of series of mean 0 from lag 0 to `lags`, divided by n."""
    n = len(moved)
    return np.stack([(moved[lag:] * moved[: n - lag]).sum(axis=0) / n for lag in range(lags + 1)])
