import numpy as np
import pytest

from regimecast.core.errors import ConfigError
from regimecast.splits.spans import EVER, NEVER, Span, distinct

GRID = np.array([0, 10, 20, 40, 80], dtype=np.int64)


def test_parse_tells_the_units_apart():
    assert Span.parse(64, key="k") == Span(bars=64)
    assert Span.parse("5D", key="k") == Span(nanoseconds=5 * 86_400 * 10**9)
    assert Span.parse("90min", key="k") == Span(nanoseconds=90 * 60 * 10**9)
    assert Span.parse(0.01, key="k") == Span(fraction=0.01)
    assert all(Span.parse(value, key="k").is_zero for value in (0, 0.0, "0D"))


@pytest.mark.parametrize("value", [-1, -0.1, 1.0, 1.5, float("nan"), "-1D", "5 moons", "", True])
def test_parse_refuses_and_names_the_key_and_the_value(value):
    with pytest.raises(ConfigError, match=r"split\.embargo=.*allowed: an integer"):
        Span.parse(value, key="split.embargo")


def test_before_and_after_in_bars_fall_off_the_grid():
    two = Span(bars=2)
    assert two.before(GRID, GRID).tolist() == [EVER, EVER, 0, 10, 20]
    assert two.after(GRID, GRID).tolist() == [20, 40, 80, NEVER, NEVER]


def test_before_and_after_in_time_and_fraction():
    for span in (Span(nanoseconds=20), Span(fraction=0.25)):
        assert span.before(GRID, GRID).tolist() == [-20, -10, 0, 20, 60]
        assert span.after(GRID, GRID).tolist() == [20, 30, 40, 60, 100]


def test_nothing_moves_no_time_even_off_the_grid():
    off = np.array([5, 33], dtype=np.int64)
    assert Span(bars=0).before(off, GRID).tolist() == [5, 33]
    assert Span(bars=0).after(off, GRID).tolist() == [5, 33]


def test_start_of_tail():
    assert Span(bars=3).start_of_tail(GRID, 5, whole=5) == 2
    assert Span(fraction=0.4).start_of_tail(GRID, 5, whole=5) == 3
    assert Span(nanoseconds=40).start_of_tail(GRID, 5, whole=5) == 4  # (40, 80]
    assert Span(nanoseconds=41).start_of_tail(GRID, 5, whole=5) == 3
    assert Span(nanoseconds=20).start_of_tail(GRID, 3, whole=5) == 1


@pytest.mark.parametrize("times", [[], [5], [5, 5], [1, 4, 9, 1, 3, 9, 2], [9, 4, 1]])
def test_distinct_is_sorted_and_without_repeats(times):
    assert distinct(np.array(times, dtype=np.int64)).tolist() == sorted(set(times))
