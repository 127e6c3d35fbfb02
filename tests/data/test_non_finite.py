"""A value that is not a number is named by asset, time and column."""

from dataclasses import replace

import pytest
import torch

from regimecast.data.non_finite import describe_non_finite
from tests.data.test_gathering import build


def finite(**how):
    dataset = build(**how)
    batch = dataset.gather(torch.arange(10))
    return dataset, replace(batch, past=batch.past.nan_to_num())


def test_a_finite_batch_has_nothing_to_say():
    dataset, batch = finite()
    assert describe_non_finite(batch, dataset) is None
    batch.target[~batch.mask] = float("nan")  # never trains
    assert describe_non_finite(batch, dataset) is None


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        ("past", (3, 1, 2), "past channel 'x1' of {asset} at {before}, in the window with origin "),
        ("known", (3, 1, 3), "known channel 'k3' of {asset} at {before}, in the window"),
        ("known", (3, 5, 0), "known channel 'k0' of {asset} at 2 bars ahead, in the window"),
        ("static", (3, 0), "static channel 's' of {asset} is"),
        ("scale", (3, 0), "scale of {asset} at {origin} is"),
        ("weight", (3, 1), "weight of {asset}, step 2 of the window with origin {origin} is"),
        ("target", (3, 2), "target of {asset}, step 3 of the window with origin {origin} is"),
    ],
)
def test_the_first_value_is_named(name, place, expected):
    dataset, batch = finite()
    batch.mask[:] = True
    tensor = getattr(batch, name).clone()
    tensor[place] = float("inf")
    row = dataset.samples.row[3]
    day = lambda r: f"2020-{'01' if r < 31 else '02'}-{r % 31 + 1:02d} 00:00:00"  # noqa: E731
    expected = expected.format(
        asset="AB"[int(dataset.samples.asset[3])], origin=day(row), before=day(row - 2)
    )
    found = describe_non_finite(replace(batch, **{name: tensor}), dataset)
    assert found.startswith(expected), found
    assert found.endswith("is inf (1 such values)")


def test_rows_are_numbered_where_times_are_not_known():
    dataset, batch = finite()
    dataset.source._time = None
    batch.past[0, 3, 0] = float("nan")
    found = describe_non_finite(batch, dataset)
    assert f"'history' of {'AB'[int(batch.asset[0])]} at row {int(batch.origin[0])}, in" in found
