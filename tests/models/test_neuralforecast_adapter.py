"""The adapter itself: side effects, refusals, and where it departs from the library."""

import inspect
import logging
import os
import random
import runpy
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from lightning_utilities.core import rank_zero
from tests.models.network_zoo import (
    FOLDER,
    NAMES,
    evaluate,
    make_batch,
    make_model,
    make_network,
    make_spec,
)

from regimecast.core.errors import SpecError
from regimecast.models.base import ModelRegistry


def test_building_leaves_the_process_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    make_network("nlinear", make_spec())  # imports the library
    monkeypatch.setenv("PL_GLOBAL_SEED", "17")
    monkeypatch.delenv("PL_SEED_WORKERS", raising=False)
    log = logging.getLogger("lightning_fabric.utilities.seed")
    model = make_model("nhits", make_spec())
    capfd.readouterr()

    def state() -> list[Any]:
        numpy_state = np.random.get_state()  # noqa: NPY002  # what the library seeds
        return [torch.get_rng_state().tolist(), random.getstate(), numpy_state[1].tolist()]

    torch.manual_seed(5)
    torch.randint(2**31, ())
    drawn = state()
    torch.manual_seed(5)
    model.build_network()
    assert state() == drawn
    assert os.environ["PL_GLOBAL_SEED"] == "17"
    assert "PL_SEED_WORKERS" not in os.environ
    assert not log.disabled
    assert rank_zero.log.name.startswith("lightning.")
    assert capfd.readouterr() == ("", "")


def test_naming_a_model_does_not_import_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ["neuralforecast", "pytorch_lightning", *sys.modules]:
        if module.split(".")[0] in {"neuralforecast", "pytorch_lightning"}:
            monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(ModelRegistry, "_classes", {})
    for name in ["neuralforecast", *NAMES]:
        runpy.run_path(str(FOLDER / f"{name}.py"))
    with pytest.raises(SpecError, match="neuralforecast"):
        make_network("nlinear", make_spec())


@pytest.mark.parametrize("name", NAMES)
def test_the_library_takes_every_parameter(name: str) -> None:
    from neuralforecast import models

    model = make_model(name, make_spec())
    architecture = getattr(models, model.architecture)
    # The library hands what it does not know to a trainer that never runs: a typo would be silent.
    assert set(model.arguments()) <= set(inspect.signature(architecture).parameters)
    able = model.capabilities
    assert not able.past or architecture.EXOGENOUS_HIST or model.channels_as_series
    assert not able.known or architecture.EXOGENOUS_FUTR
    assert not able.static or architecture.EXOGENOUS_STAT


@pytest.mark.parametrize(
    ("name", "length", "changes", "key"),
    [
        ("nhits", 16, {"n_pool_kernel_size": [2, 1]}, "n_pool_kernel_size"),
        ("nhits", 16, {"n_freq_downsample": [1]}, "n_freq_downsample"),
        ("nhits", 16, {"interpolation_mode": "cubic"}, "interpolation_mode"),
        ("nbeatsx", 16, {"n_blocks": [1]}, "n_blocks"),
        ("nbeatsx", 16, {"stack_types": ["identity", "trend", "exogenous"]}, "stack_types"),
        ("timexer", 20, {}, "patch_len"),
        ("timesnet", 16, {"top_k": 10}, "top_k"),
        ("dlinear", 16, {"moving_avg_window": 4}, "moving_avg_window"),
        ("gru", 16, {"encoder_dropout": 0.5}, "encoder_dropout"),
        ("tcn", 16, {"encoder_activation": "Relu"}, "encoder_activation"),
        ("kan", 16, {"grid_range": [1.0]}, "grid_range"),
    ],
)
def test_what_does_not_fit_is_named(
    name: str, length: int, changes: dict[str, Any], key: str
) -> None:
    with pytest.raises(SpecError, match=key):
        make_model(name, make_spec(length=length), **changes).build_network()


def test_a_refused_network_leaves_the_random_state_alone() -> None:
    model = make_model("tcn", make_spec(), encoder_activation="Relu")
    torch.manual_seed(5)
    torch.randint(2**31, ())
    drawn = torch.get_rng_state()
    torch.manual_seed(5)
    with pytest.raises(SpecError):
        model.build_network()
    assert torch.equal(torch.get_rng_state(), drawn)


def test_tide_hears_its_covariates_with_a_single_output() -> None:
    spec = make_spec()
    network = make_model("tide", spec, "huber").build_network()
    batch = make_batch(spec)
    changed = replace(batch, static=batch.static + 1.0)
    assert not torch.allclose(evaluate(network, batch), evaluate(network, changed))


def test_gru_goes_beyond_its_context() -> None:
    spec = make_spec(length=4, horizon=9)
    output = evaluate(make_network("gru", spec), make_batch(spec))
    assert output.shape[1] == 9
    assert len({float(value) for value in output[0, :, 0]}) == 9


@pytest.mark.parametrize("length", [9, 16, 25])
def test_timesnet_folds_a_single_window_as_the_library_does(length: int) -> None:
    from neuralforecast.models.timesnet import TimesBlock

    from regimecast.models.timesnet import _PeriodBlock

    torch.manual_seed(0)
    theirs = TimesBlock(length - 1, 1, k=3, hidden_size=4, conv_hidden_size=5, num_kernels=2)
    windows = torch.randn(6, length, 4)
    ours = _PeriodBlock(theirs.conv, 3)(windows)
    # For a batch of one the library's mean spectrum is the window's own.
    expected = torch.cat([theirs(window[None]) for window in windows])
    torch.testing.assert_close(ours, expected)
