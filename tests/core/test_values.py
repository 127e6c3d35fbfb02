from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from regimecast.core.errors import ConfigError
from regimecast.core.values import fitting


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (3, int),
        (0.5, float),
        ("a", str),
        (True, bool),
        (None, int | None),
        ([1, 2], Sequence[int]),
        ((1, 2), tuple[int, int]),
        ([[1], [2, 3]], Sequence[Sequence[int]]),
        ({"a": {"b": 1}}, Mapping[str, Mapping[str, Any]]),
        ("warn", bool | Literal["warn"] | None),
        ("5D", float | str | None),
        (7, float | int),
        ({"any": "thing"}, object),
        (Path("a"), str | Path),
        (object, Any),
    ],
)
def test_what_fits_stays_what_it_is(value: Any, annotation: Any):
    fitted = fitting("x", value, annotation)
    assert fitted == value
    assert type(fitted) is type(value)


def test_whole_numbers_become_floats_where_floats_are_asked_for():
    assert type(fitting("x", 1, float)) is float
    assert type(fitting("x", 1, float | None)) is float
    assert [type(v) for v in fitting("x", [1, 2.0], Sequence[float])] == [float, float]
    assert type(fitting("x", {"a": 1}, Mapping[str, float])["a"]) is float


@pytest.mark.parametrize(
    ("value", "annotation", "wanted"),
    [
        ("3", int, "a whole number"),
        (3.0, int, "a whole number"),
        (True, int, "a whole number"),
        (True, float, "a number"),
        ("0.5", float | None, "a number or null"),
        (None, float, "a number"),
        (1, bool, "true or false"),
        ("fast", float | Path, "a number or Path"),
        (1, str, "text"),
        ("abc", Sequence[str], "a list of text"),
        ([1, "2"], Sequence[int], "a list of a whole number"),
        (3, Mapping[str, Any], "a mapping of values"),
        ({"a": 1}, Mapping[str, str], "a mapping of text"),
        ("off", Literal["on", "half"], "one of on, half"),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(value: Any, annotation: Any, wanted: str):
    with pytest.raises(ConfigError) as caught:
        fitting("part.key", value, annotation)
    assert str(caught.value) == f"part.key={value!r} must be {wanted}"
