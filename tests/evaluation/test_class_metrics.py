import numpy as np
import pytest
from sklearn import metrics as oracle

from regimecast.core.errors import SpecError
from regimecast.evaluation import class_metrics as metrics

CLASSES = (-1.0, 0.0, 1.0)


@pytest.fixture
def cells():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 500)
    return probabilities, rng.integers(0, 3, 500), rng.uniform(0, 2, 500)


@pytest.mark.parametrize("weighted", [False, True])
def test_against_sklearn(cells, weighted):
    p, truth, weight = cells
    w = weight if weighted else None
    guess = p.argmax(axis=1)
    expected = {
        metrics.accuracy: oracle.accuracy_score(truth, guess, sample_weight=w),
        metrics.macro_f1: oracle.f1_score(truth, guess, average="macro", sample_weight=w),
        metrics.log_loss: oracle.log_loss(truth, p, sample_weight=w),
        metrics.brier: oracle.brier_score_loss(
            truth, p, sample_weight=w, labels=[0, 1, 2], scale_by_half=False
        ),
    }
    for metric, value in expected.items():
        assert metric(p, truth, w) == pytest.approx(value, rel=1e-9)


def test_macro_f1_leaves_out_a_class_that_never_occurs(cells):
    p, truth, _ = cells
    p = p * np.array([1.0, 1.0, 0.0])
    truth = np.minimum(truth, 1)
    expected = oracle.f1_score(truth, p.argmax(axis=1), average="macro")
    assert metrics.macro_f1(p, truth) == pytest.approx(expected)


def test_a_certain_mistake_stays_finite():
    certain = np.array([[1.0, 0.0]], dtype=np.float32)
    assert metrics.log_loss(certain, np.array([1])) == pytest.approx(-np.log(2**-23), rel=1e-6)
    assert metrics.brier(certain, np.array([1])) == 2.0


def test_class_index_and_unknown_class():
    found = metrics.class_index(np.array([1.0, -1.0, 0.0]), CLASSES)
    assert found.tolist() == [2, 0, 1]
    with pytest.raises(SpecError, match=r"2\.0 is none of"):
        metrics.class_index(np.array([2.0]), CLASSES)


def test_nothing_in_nothing_out():
    p, truth = np.empty((0, 3)), np.empty(0, dtype=np.int64)
    for metric in (metrics.accuracy, metrics.macro_f1, metrics.log_loss, metrics.brier):
        assert metric(p, truth) is None
