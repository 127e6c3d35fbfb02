import json

import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.core.types import REGIMES
from regimecast.weighting.balanced import BalancedSampling
from regimecast.weighting.base import Weighting
from regimecast.weighting.compose import apply_weights, sample_weights
from regimecast.weighting.recency import RecencyWeighting
from regimecast.weighting.regime import RegimeWeighting
from regimecast.weighting.uniform import UniformWeighting
from regimecast.weighting.uniqueness import UniquenessWeighting

REGIME = RegimeWeighting(
    low_volatility=0.8, normal=1.0, high_volatility=1.3, crash=2.0, recovery=1.5, unknown=1.0
)
TARGET = {
    "low_volatility": 0.20,
    "normal": 0.40,
    "high_volatility": 0.20,
    "crash": 0.10,
    "recovery": 0.10,
}


def codes_of(counts: list[int]) -> np.ndarray:
    return np.repeat(np.arange(5, dtype=np.int8), counts)


def test_shares_at_the_target_mix_are_those_of_the_requirement(daily_samples):
    codes = codes_of([200, 400, 200, 100, 100])
    weights, report = sample_weights([REGIME], daily_samples(1000), codes)
    assert round(100 * report.regimes["crash"].weight_share, 1) == 17.1
    assert round(100 * report.regimes["recovery"].weight_share, 1) == 12.8
    assert round(100 * report.regimes["normal"].weight_share, 1) == 34.2
    assert round(report.mean_weight, 2) == 1.17
    assert weights.dtype == np.float32
    assert weights.mean(dtype=np.float64) == pytest.approx(1.0, abs=1e-6)


def test_sampling_and_weighting_compound_and_the_report_says_so(daily_samples):
    # T-2: crash 2.5 % to 10 %, normal 62.5 % to 40 %, times 2.0.
    codes = codes_of([160, 500, 80, 20, 40])
    sampling = BalancedSampling(shares=TARGET, size="natural", absent="error")
    drawn = sampling.draw(codes, np.random.default_rng(0))
    weights, report = sample_weights([REGIME], daily_samples(800), codes, drawn=drawn)
    crash, normal = report.regimes["crash"], report.regimes["normal"]
    assert crash.emphasis / normal.emphasis == pytest.approx(12.5)
    assert (crash.natural, crash.drawn, crash.unique) == (20, 80, 20)
    assert (crash.natural_share, crash.sample_share) == (0.025, 0.1)
    assert report.samples == len(weights) == 800
    assert report.unique == len(np.unique(drawn))
    assert report.effective_size < report.unique


def test_kish_size_counts_copies_as_one_heavier_sample(daily_samples):
    codes = codes_of([0, 4, 0, 0, 0])
    twice = np.array([0, 0, 1, 2])
    _, report = sample_weights([], daily_samples(4), codes, drawn=twice)
    assert report.effective_size == pytest.approx(16 / (4 + 1 + 1))
    assert (report.samples, report.unique) == (4, 3)
    _, even = sample_weights([UniformWeighting()], daily_samples(4), codes)
    assert even.effective_size == pytest.approx(4)
    assert even.regimes["crash"].emphasis is None


def test_weight_k_is_k_copies(daily_samples):
    codes = codes_of([0, 3, 0, 1, 0])
    samples = daily_samples(4)
    weighted, first = sample_weights([REGIME], samples, codes)
    copied, second = sample_weights([], samples, codes, drawn=np.array([0, 1, 2, 3, 3]))
    assert weighted[3] / weighted[0] == pytest.approx(2.0)
    assert copied.tolist() == [1.0] * 5
    assert first.effective_size == pytest.approx(second.effective_size)
    for name in REGIMES:
        assert first.regimes[name].weight_share == pytest.approx(second.regimes[name].weight_share)


def test_copies_weigh_what_their_original_weighs(daily_samples):
    rules: list[Weighting] = [UniquenessWeighting(), RecencyWeighting(half_life=3.0, floor=0.0)]
    samples, codes = daily_samples(10, label_bars=3), codes_of([0, 10, 0, 0, 0])
    drawn = np.array([0, 0, 0, 5, 9])
    weights, report = sample_weights(rules, samples, codes, drawn=drawn)
    plain, whole = sample_weights(rules, samples, codes)
    np.testing.assert_allclose(weights / report.factor, plain[drawn] / whole.factor, rtol=1e-6)


def test_scaling_all_weights_changes_nothing(daily_samples):
    tenfold = RegimeWeighting(
        low_volatility=8.0,
        normal=10.0,
        high_volatility=13.0,
        crash=20.0,
        recovery=15.0,
        unknown=10.0,
    )
    codes = codes_of([2, 3, 1, 1, 3])
    a, _ = sample_weights([REGIME], daily_samples(10), codes)
    b, _ = sample_weights([tenfold], daily_samples(10), codes)
    np.testing.assert_allclose(a, b, rtol=1e-6)


def test_other_samples_get_the_same_rule_not_a_new_mean(daily_samples):
    _, report = sample_weights([REGIME], daily_samples(10), codes_of([0, 10, 0, 0, 0]))
    others = apply_weights(
        [REGIME], daily_samples(2), codes_of([0, 1, 0, 1, 0]), factor=report.factor
    )
    assert others.tolist() == [1.0, 2.0]


def test_unknown_regimes_are_in_the_report(daily_samples):
    codes = np.array([-1, -1, 1, 3], dtype=np.int8)
    _, report = sample_weights([REGIME], daily_samples(4), codes)
    assert report.regimes["unknown"].natural == 2
    assert report.regimes["unknown"].weight_share == pytest.approx(2 / 5)
    assert sum(share.weight_share for share in report.regimes.values()) == pytest.approx(1)


def test_report_is_plain_json(daily_samples):
    _, report = sample_weights([REGIME], daily_samples(5), codes_of([1, 1, 1, 1, 1]))
    text = json.dumps(report.to_json(), allow_nan=False)
    assert json.loads(text)["regimes"]["crash"]["natural"] == 1


def test_nothing_to_weigh_is_refused(daily_samples):
    with pytest.raises(ConfigError, match="no training samples"):
        sample_weights([], daily_samples(0), codes_of([0, 0, 0, 0, 0]))
    only_crash = RegimeWeighting(
        low_volatility=0.0, normal=0.0, high_volatility=0.0, crash=1.0, recovery=0.0, unknown=0.0
    )
    with pytest.raises(ConfigError, match="weighs 0"):
        sample_weights([only_crash], daily_samples(3), codes_of([0, 3, 0, 0, 0]))


def test_a_broken_weighting_is_named(daily_samples):
    class Broken(UniformWeighting):
        name = "broken"

        def weigh(self, samples, regime):
            return np.full(len(samples), np.nan)

    with pytest.raises(ConfigError, match="'broken'"):
        sample_weights([Broken()], daily_samples(2), codes_of([0, 2, 0, 0, 0]))


def test_a_hundred_thousand_samples_are_quick(daily_samples):
    import time

    rng = np.random.default_rng(0)
    codes = rng.integers(-1, 5, 85_000).astype(np.int8)
    samples = daily_samples(85_000, label_bars=20)
    sampling = BalancedSampling(shares=TARGET, size="natural", absent="error")
    begin = time.perf_counter()
    drawn = sampling.draw(codes, rng)
    rules: list[Weighting] = [
        REGIME,
        RecencyWeighting(half_life=100.0, floor=0.1),
        UniquenessWeighting(),
    ]
    sample_weights(rules, samples, codes, drawn=drawn)
    assert time.perf_counter() - begin < 1.0
