import numpy as np

from regimecast.bench import selection
from regimecast.bench.catalogue import run_bench
from regimecast.evaluation.overfitting import probability_of_backtest_overfitting
from regimecast.evaluation.significance.bootstrap import Blocks
from regimecast.evaluation.significance.confidence_set import eliminated


def test_it_runs():
    report = run_bench("selection", repetitions=1, quick=True)
    assert [ratio.target for ratio in report.ratios] == ["at least 10", "at least 10", ""]
    assert "8 blocks" in report.about


def test_loops_find_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    returns = rng.normal(size=(90, 12))
    fast = probability_of_backtest_overfitting(returns, n_blocks=6)
    assert selection.plain_overfitting(returns, 6) == fast.pbo
    losses = rng.gamma(2.0, size=(200, 7)) * (1 + 0.05 * np.arange(7))
    blocks = Blocks.draw(200, length=5.0, repetitions=150, seed=0)
    monkeypatch.setattr(selection, "_drawn", lambda rng, n, resamples, length: iter(blocks.times))
    plain = selection.plain_confidence_set(losses, 150, 5.0, 0)
    resampled = losses[blocks.times].mean(axis=1)
    assert np.array_equal(eliminated(losses.mean(axis=0), resampled), plain)


def test_resamples_of_the_loop_are_a_stationary_bootstrap():
    drawn = np.array(list(selection._drawn(np.random.default_rng(0), 50, 2000, 8.0)))
    assert drawn.shape == (2000, 50)
    goes_on = (np.diff(drawn, axis=1) % 50 == 1).mean()
    assert abs(goes_on - (1 - 1 / 8 * 49 / 50)) < 0.01
