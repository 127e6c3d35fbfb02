"""The model PatchTST: what it refuses, and what it says it uses."""

from typing import Any

import pytest
from tests.models.network_zoo import make_model, make_spec

from regimecast.core.errors import SpecError
from regimecast.core.types import Task
from regimecast.models.base import ModelRegistry


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"patch_length": 25}, r"patch_length=25; allowed: 1 to 24"),
        ({"patch_length": 0}, "patch_length=0"),
        ({"stride": 0}, "stride=0"),
        ({"heads": 5}, "width=32; allowed: multiples of heads=5"),
        ({"heads": 0}, "heads=0"),
        ({"layers": 0}, "layers=0"),
        ({"dropout": 1.0}, r"dropout=1.0; allowed: 0 to below 1"),
        ({"head_dropout": -0.1}, r"head_dropout=-0.1"),
        ({"norm": "instance"}, "norm='instance'; allowed: batch, layer"),
        ({"revin": "median"}, "revin='median'; allowed: none, last, mean"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], key: str) -> None:
    with pytest.raises(SpecError, match=key):
        make_model("patchtst", make_spec(length=16), **changes)


def test_the_longest_patch_is_taken() -> None:
    make_model("patchtst", make_spec(length=16), patch_length=24).build_network()


def test_a_density_cannot_be_shifted_back() -> None:
    with pytest.raises(SpecError, match="loss=student_t"):
        make_model("patchtst", make_spec(), "student_t", revin="mean")
    make_model("patchtst", make_spec(), "student_t", revin="none")


@pytest.mark.parametrize(
    ("task", "loss", "restored"),
    [
        (Task.FORECAST, "quantile", True),
        (Task.FORECAST, "mse", True),
        (Task.FORECAST, "mae", True),
        (Task.FORECAST, "huber", True),
        (Task.FORECAST, "sharpe", False),
        (Task.CLASSIFICATION, "cross_entropy", False),
    ],
)
def test_only_values_of_the_target_are_scaled_back(task: Task, loss: str, restored: bool) -> None:
    network = make_model("patchtst", make_spec(task), loss, revin="mean").build_network()
    assert network.restore is restored


@pytest.mark.parametrize("covariates", [False, True])
def test_unused_channels_follow_the_option(covariates: bool) -> None:
    spec = make_spec()
    model = make_model("patchtst", spec, covariates=covariates)
    able = model.capabilities
    assert able.past is able.known is able.static is covariates
    assert model.unused == (() if covariates else (*spec.past[1:], *spec.known, *spec.static))
    # The class names what its models can use at most, whatever a model was made with.
    most = ModelRegistry.get("patchtst").capabilities
    assert (most.past, most.known, most.static) == (True, True, True)
