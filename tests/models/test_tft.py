"""What a TFT can be built with."""

from typing import Any

import pytest
from tests.models.network_zoo import make_model, make_spec

from regimecast.core.errors import SpecError


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"heads": 0}, "heads=0; allowed: whole numbers from 1"),
        ({"heads": 3}, "hidden_size=8; allowed: multiples of heads=3"),
        ({"layers": 0}, "layers=0"),
        ({"dropout": 1.0}, "dropout=1.0; allowed: 0 to below 1"),
        ({"attention_dropout": 1.5}, "attention_dropout=1.5"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        make_model("tft", make_spec(length=16), **{"hidden_size": 8, **changes})
