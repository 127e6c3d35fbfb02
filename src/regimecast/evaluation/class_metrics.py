"""Metrics of class forecasts as pure functions of plain arrays.

Every function takes M cells with the probability of each of C classes and the class that came, and
returns a float, or None where there is no cell or no weight. Weights multiply each cell and are
normalised by their sum. `classes` are the class values in the order of the columns.
"""

import numpy as np
from jaxtyping import Float, Int

from regimecast.core.errors import SpecError
from regimecast.evaluation.forecast_metrics import weighted_mean

__all__ = [
    "accuracy",
    "brier",
    "brier_cells",
    "class_index",
    "hit_cells",
    "log_loss",
    "log_loss_cells",
    "macro_f1",
]

_SMALLEST = float(np.finfo(np.float32).eps)
"""Probabilities below this count as this in the log loss: models answer in float32."""


def class_index(
    actual: Float[np.ndarray, " M"], classes: tuple[float, ...]
) -> Int[np.ndarray, " M"]:
    """Column of the class that came.

    Raises:
        SpecError: an outcome is none of the classes.
    """
    match = actual[:, None] == np.asarray(classes)[None, :]
    missing = ~match.any(axis=1)
    if missing.any():
        raise SpecError(
            f"outcome {float(actual[missing][0])!r} is none of the forecast's classes {classes}"
        )
    return match.argmax(axis=1)


def accuracy(
    probabilities: Float[np.ndarray, "M C"],
    truth: Int[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Share of cells whose most probable class came; of equally probable ones the first counts."""
    return weighted_mean(hit_cells(probabilities, truth), weight)


def hit_cells(
    probabilities: Float[np.ndarray, "M C"], truth: Int[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """1 where the most probable class came, else 0."""
    return (probabilities.argmax(axis=1) == truth).astype(np.float64)


def macro_f1(
    probabilities: Float[np.ndarray, "M C"],
    truth: Int[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Unweighted mean over classes of F1 = 2 TP / (2 TP + FP + FN).

    Classes that neither came nor were forecast are left out, as scikit-learn does by default.
    """
    if len(truth) == 0:
        return None
    n_classes = probabilities.shape[1]
    guess = probabilities.argmax(axis=1)
    cell = np.ones(len(truth)) if weight is None else weight
    confusion = np.bincount(truth * n_classes + guess, cell, n_classes**2)
    confusion = confusion.reshape(n_classes, n_classes)
    hits = 2 * np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = total > 0
    return float((hits[present] / total[present]).mean()) if present.any() else None


def log_loss(
    probabilities: Float[np.ndarray, "M C"],
    truth: Int[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Mean of -ln p(class that came), with p kept above 1.2e-7; ln C is what knowing nothing gets.

    Good (1952), JRSS B 14.
    """
    return weighted_mean(log_loss_cells(probabilities, truth), weight)


def log_loss_cells(
    probabilities: Float[np.ndarray, "M C"], truth: Int[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """What `log_loss` is the mean of."""
    p = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return -np.log(np.clip(p, _SMALLEST, 1.0))


def brier(
    probabilities: Float[np.ndarray, "M C"],
    truth: Int[np.ndarray, " M"],
    weight: Float[np.ndarray, " M"] | None = None,
) -> float | None:
    """Mean over cells of Σ_c (p_c - [c came])², between 0 and 2. Brier (1950), eq. 2."""
    return weighted_mean(brier_cells(probabilities, truth), weight)


def brier_cells(
    probabilities: Float[np.ndarray, "M C"], truth: Int[np.ndarray, " M"]
) -> Float[np.ndarray, " M"]:
    """What `brier` is the mean of."""
    hit = np.arange(probabilities.shape[1])[None, :] == truth[:, None]
    squares: Float[np.ndarray, "M C"] = (probabilities - hit) ** 2
    return squares.sum(axis=1, dtype=np.float64)
