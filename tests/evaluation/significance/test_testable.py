import numpy as np
import pytest

from regimecast.core.errors import SpecError
from regimecast.evaluation.significance.testable import (
    NotTestableError,
    check_episodes,
    check_testable,
    spells,
    varies,
)


def marks(text):
    return np.array([letter == "x" for letter in text], dtype=bool)


@pytest.mark.parametrize(
    ("text", "horizon", "number"),
    [
        ("", 1, 0),
        (".....", 1, 0),
        ("..xxx..", 1, 1),
        ("xx....xx", 1, 1),  # four between: one event that flickers
        ("xx.....xx", 1, 2),
        ("xx.....xx", 6, 1),  # outcomes of six steps overlap
        ("xx......xx.....x", 6, 2),
        ("x.....x.....x", 5, 3),
    ],
)
def test_spells(text, horizon, number):
    assert spells(marks(text), horizon=horizon) == number


def test_few_episodes_say_nothing():
    five = marks("x.....x.....x.....x.....x")
    check_episodes(five, horizon=1)
    with pytest.raises(NotTestableError, match="one episode; at least 5"):
        check_episodes(five, horizon=6)
    with pytest.raises(NotTestableError, match="4 episodes; at least 5"):
        check_episodes(five[:-1], horizon=1)
    with pytest.raises(NotTestableError, match="no episode"):
        check_episodes(marks("..."), horizon=1)


@pytest.mark.parametrize(
    ("series", "horizon", "said"),
    [
        (np.arange(31.0), 1, "31 times; at least 32"),
        (np.arange(49.0)[:, None], 5, "49 times; at least 50 are needed for a horizon of 5"),
        (np.empty((0, 3)), 1, "0 times"),
        (np.r_[np.arange(40.0), np.nan], 1, "NaN"),
        (np.r_[np.arange(40.0), np.inf], 1, "infinite"),
        (np.full((40, 2), 0.1), 1, "all values are equal"),
    ],
)
def test_what_is_not_testable(series, horizon, said):
    with pytest.raises(NotTestableError, match=said):
        check_testable(series, horizon=horizon)


def test_horizons_start_at_one():
    with pytest.raises(SpecError, match="horizon=0"):
        check_testable(np.arange(50.0), horizon=0)


def test_rounding_is_no_variation():
    series = np.column_stack(
        [np.full(9, 1e6), np.full(9, 0.1), np.arange(9.0) * 1e-15, np.zeros(9)]
    )
    series[4, :2] += [1e-8, 1e-9]
    assert varies(series).tolist() == [False, True, True, False]
