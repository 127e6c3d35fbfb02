import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError
from regimecast.core.types import REGIMES
from regimecast.weighting.balanced import BalancedSampling
from regimecast.weighting.natural import NaturalSampling

TARGET = {
    "low_volatility": 0.20,
    "normal": 0.40,
    "high_volatility": 0.20,
    "crash": 0.10,
    "recovery": 0.10,
}


def balanced(**changes):
    return BalancedSampling(
        **{"shares": TARGET, "size": "natural", "absent": "redistribute", **changes}
    )


def codes_of(counts: list[int]) -> np.ndarray:
    codes = np.repeat(np.arange(len(counts), dtype=np.int8), counts)
    return np.random.default_rng(1).permutation(codes)


def test_natural_takes_everything_once():
    codes = np.array([-1, 0, 3], dtype=np.int8)
    assert NaturalSampling().draw(codes, np.random.default_rng(0)).tolist() == [0, 1, 2]


def test_the_example_of_the_requirement_has_no_deviation():
    # 62.5 % normal and 2.5 % crash become 40.0 % and 10.0 %.
    codes = codes_of([160, 500, 80, 20, 40])
    drawn = balanced().draw(codes, np.random.default_rng(0))
    shares = np.bincount(codes[drawn], minlength=5) / len(drawn)
    assert shares.tolist() == [0.20, 0.40, 0.20, 0.10, 0.10]
    assert len(drawn) == 800
    assert (np.diff(drawn) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=5, max_size=5),
    raw=st.lists(st.integers(0, 20), min_size=5, max_size=5).filter(any),
    size=st.one_of(st.just("natural"), st.integers(1, 300)),
    seed=st.integers(0, 9),
)
def test_quotas_are_exact_and_copies_even(counts, raw, size, seed):
    codes = codes_of(counts)
    shares = {name: value / sum(raw) for name, value in zip(REGIMES, raw, strict=True)}
    drawn = balanced(shares=shares, size=size).draw(codes, np.random.default_rng(seed))
    total = sum(counts) if size == "natural" else size
    assert len(drawn) == total
    got = np.bincount(codes[drawn], minlength=5)
    assert (np.abs(got - np.array(list(shares.values())) * total) < 1).all()
    copies = np.bincount(drawn, minlength=len(codes))
    for code in range(5):
        own = copies[codes == code]
        # Every sample floor(k) or floor(k) + 1 times: thinning never repeats, growth never skips.
        assert own.max() - own.min() <= 1


def test_the_draw_depends_on_the_generator_alone():
    codes = codes_of([50, 400, 80, 10, 30])
    first = balanced().draw(codes, np.random.default_rng(7))
    assert first.tolist() == balanced().draw(codes, np.random.default_rng(7)).tolist()
    assert first.tolist() != balanced().draw(codes, np.random.default_rng(8)).tolist()


def test_absent_regimes_give_their_share_away_with_a_warning(caplog):
    codes = codes_of([100, 100, 100, 100, 0])
    with caplog.at_level(logging.WARNING):
        drawn = balanced(size=900).draw(codes, np.random.default_rng(0))
    assert "recovery (10%)" in caplog.text
    assert np.bincount(codes[drawn], minlength=5).tolist() == [200, 400, 200, 100, 0]
    with pytest.raises(ConfigError, match=r"no training sample of recovery \(10%\)"):
        balanced(absent="error").draw(codes, np.random.default_rng(0))


def test_unknown_regimes_stay_out_and_are_counted(caplog):
    codes = np.concatenate([codes_of([10, 10, 10, 10, 10]), np.full(7, -1, dtype=np.int8)])
    with caplog.at_level(logging.WARNING):
        drawn = balanced().draw(codes, np.random.default_rng(0))
    assert "7 of 57" in caplog.text
    assert len(drawn) == 50
    assert (codes[drawn] >= 0).all()


def test_no_sample_at_all_is_refused():
    with pytest.raises(ConfigError, match="cannot be reached"):
        balanced().draw(np.full(3, -1, dtype=np.int8), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shares": {**TARGET, "crash": 0.2}}, "sum to 1.1"),
        ({"shares": {**TARGET, "crash": -0.1}}, r"sampling\.shares\.crash=-0\.1"),
        ({"shares": {"crahs": 1.0}}, "Did you mean 'crash'"),
        ({"size": 0}, r"sampling\.size=0"),
        ({"size": "double"}, r"sampling\.size='double'"),
        ({"absent": "eror"}, "Did you mean 'error'"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        balanced(**changes)


def test_aliases_name_the_same_regime():
    shares = {"high_vol" if name == "high_volatility" else name: v for name, v in TARGET.items()}
    codes = codes_of([10, 20, 10, 5, 5])
    drawn = balanced(shares=shares).draw(codes, np.random.default_rng(0))
    assert np.bincount(codes[drawn], minlength=5).tolist() == [10, 20, 10, 5, 5]
