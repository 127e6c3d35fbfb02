"""Hydra's grammar as dimensions of a search."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from regimecast.core.errors import ConfigError
from tests.sweep.searching import swept


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=choice(1,2)", CategoricalDistribution(("1", "2"))),
        ("a=x,'y z'", CategoricalDistribution(("x", "'y z'"))),
        ("weighting=[uniform],[regime]", CategoricalDistribution(("[uniform]", "[regime]"))),
        ("a=range(1,10,2)", IntDistribution(1, 9, step=2)),
        ("a=range(5,1,-2)", IntDistribution(3, 5, step=2)),
        ("a=range(0.1,0.35,0.1)", FloatDistribution(0.1, 0.3, step=0.1)),
        ("a=tag(log,range(1,9))", IntDistribution(1, 8, log=True)),
        ("a=interval(0.0,0.5)", FloatDistribution(0.0, 0.5)),
        ("a=tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("a=interval(4,31)", IntDistribution(4, 31)),
        ("a=tag(log, interval(20, 500))", IntDistribution(20, 500, log=True)),
        ("a=tag(float,interval(0,1))", FloatDistribution(0.0, 1.0)),
        ("a=int(interval(1.0,5.0))", IntDistribution(1, 5)),
        ("a=tag(int,interval(1.0,5.0))", IntDistribution(1, 5)),
    ],
)
def test_the_grammar_is_hydras(text: str, expected: object):
    one = swept(text)
    assert one.key == text.partition("=")[0]
    assert one.distribution == expected


@pytest.mark.parametrize(
    "text",
    [
        "a=choice(1,2)",
        "a=range(1,10,2)",
        "a=interval(4,31)",
        "a=interval(0.0,0.5)",
        "a=tag(log,interval(20,500))",
        "a=tag(log,interval(0.0001,0.01))",
    ],
)
def test_it_is_described_in_the_grammar_that_it_came_in(text: str):
    assert swept(text).describe() == text


def test_a_range_between_numbers_is_described_as_itself():
    one = swept("a=range(0.1,0.35,0.1)")
    assert swept(one.describe()) == one


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=shuffle(1,2)", "own order"),
        ("a=tag(log,choice(1,2))", "is for range"),
        ("a=tag(logg,interval(1,2))", "unknown tag 'logg'"),
        ("a=range(3,3)", "empty"),
        ("a=interval(3,1)", "low"),
        ("a=tag(log,interval(0.0,1.0))", "low"),
        ("a=tag(int,interval(0.5,1.5))", "whole"),
        ("a=5", "names one value"),
        ("~a", "names one value"),
    ],
)
def test_what_cannot_be_searched_is_refused(text: str, said: str):
    with pytest.raises(ConfigError, match=said):
        swept(text)


def test_numbers_are_short_and_stay_within_their_ends():
    one = swept("a=interval(0.00012344,0.5)")
    assert one.text(0.123456789) == "0.1235"
    assert one.text(0.00012344) == "0.00012344"  # rounded, it would be below
    assert swept("a=interval(0.0,2.0)").text(2.0) == "2"
    assert swept("a=range(0.1,0.9,0.1)").choices[2] == "0.3"


def test_a_condition_is_in_the_name():
    assert swept("a=1,2", model="lstm").name == "a[model=lstm]"
    assert swept("a=1,2").name == "a"


def test_an_interval_has_no_list():
    with pytest.raises(ConfigError, match="no end of values"):
        _ = swept("a=interval(0.0,1.0)").choices
