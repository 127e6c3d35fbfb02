"""Networks of neuralforecast behind the adapter: what every one of them must keep to."""

import copy
import inspect
import logging
import os
import random
import runpy
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from regimecast.core.batch import Batch
from regimecast.core.config import config_folder
from regimecast.core.errors import SpecError
from regimecast.core.types import DataSpec, Task
from regimecast.models import neuralforecast as adapter
from regimecast.models.base import ModelRegistry

FOLDER = Path(adapter.__file__).parent
NAMES = sorted(p.stem for p in FOLDER.glob("*.py") if "(NeuralForecastModel):" in p.read_text())
TASKS = list(Task)

CONTEXT_ONLY = {"timesnet"}
"""Networks that read known covariates over the context only."""
SWITCHES = {"revin", "use_norm"}
"""Switches for scaling a window by its own deviation, which may be 0."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Networks this small lose time to threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def config(group: str, name: str, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((config_folder() / group / f"{name}.yaml").read_text())
    return {**values, **changes}


def make_spec(
    task: Task = Task.FORECAST,
    *,
    length: int = 16,
    horizon: int = 3,
    past: int = 3,
    known: int = 2,
    static: int = 2,
) -> DataSpec:
    return DataSpec(
        task=task,
        context_length=length,
        horizon=horizon if task is Task.FORECAST else 1,
        past=("history", *(f"past{i}" for i in range(past))),
        known=tuple(f"known{i}" for i in range(known)),
        static=tuple(f"static{i}" for i in range(static)),
        assets=("A", "B"),
        frequency="1D",
        bars_per_year=252.0,
        classes=() if task is Task.FORECAST else (-1, 0, 1),
        target="forward_return" if task is Task.FORECAST else "triple_barrier",
    )


def make_model(name: str, spec: DataSpec, loss: str | None = None, **changes: Any) -> Any:
    loss = loss or ("quantile" if spec.task is Task.FORECAST else "cross_entropy")
    params = config("model", name, **changes)
    return ModelRegistry.create(params.pop("name"), spec=spec, loss=config("loss", loss), **params)


def make_network(name: str, spec: DataSpec, *, seed: int = 0, **changes: Any) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = make_model(name, spec, **changes).build_network()
    return network


def make_batch(spec: DataSpec, size: int = 5, *, seed: int = 1) -> Batch:
    """Windows as the data module makes them: the history is a walk that ends at 0."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    length, horizon = spec.context_length, spec.horizon
    past = normal(size, length, len(spec.past))
    walk = past[:, :, 0].cumsum(1)
    past[:, :, 0] = walk - walk[:, -1:]
    return Batch(
        past=past,
        known=normal(size, length + horizon, len(spec.known)),
        static=normal(size, len(spec.static)),
        target=normal(size, horizon) if spec.task is Task.FORECAST else torch.zeros(size, 1),
        mask=torch.ones(size, horizon, dtype=torch.bool),
        scale=torch.full((size, 1), 0.01),
        weight=torch.ones(size, horizon),
        regime=torch.ones(size, dtype=torch.long),
        asset=torch.zeros(size, dtype=torch.long),
        origin=torch.arange(size) + 100,
    )


def evaluate(network: nn.Module, batch: Batch) -> torch.Tensor:
    network.eval()
    with torch.inference_mode():
        output: torch.Tensor = network(batch)
    return output


def trainable(network: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(key, p) for key, p in network.named_parameters() if p.requires_grad]


def rows(batch: Batch, index: list[int]) -> Batch:
    return Batch(**{key: value[index] for key, value in vars(batch).items()})


def test_the_zoo_is_complete() -> None:
    recurrent = {"gru"}
    convolutional = {"tcn", "bitcn", "timesnet"}
    dense = {"nhits", "nbeatsx", "tide", "dlinear", "nlinear", "kan"}
    attentive = {"tft", "patchtst"}
    assert (
        recurrent | convolutional | dense | attentive
        <= set(NAMES)
        <= set(ModelRegistry.available())
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns_from_both_tasks(name: str, task: Task) -> None:
    spec = make_spec(task)
    model = make_model(name, spec)
    torch.manual_seed(0)
    network, batch = model.build_network(), make_batch(spec, 32)
    output = network.train()(batch)
    assert output.shape == (32, spec.horizon, model.loss.n_outputs)
    model.loss(output, batch).mean().backward()
    for key, parameter in trainable(network):
        assert parameter.grad is not None, key
        assert parameter.grad.isfinite().all(), key
        assert parameter.grad.any(), key


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_short_contexts_and_no_covariates(name: str, task: Task) -> None:
    spec = make_spec(task, length=8, past=0, known=0, static=0)
    network, batch = make_network(name, spec), make_batch(spec)
    assert evaluate(network, batch).isfinite().all()
    network.train()(batch).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for _, p in trainable(network))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", ["past", "known", "static"])
def test_any_one_kind_of_covariates_will_do(name: str, part: str) -> None:
    counts = dict.fromkeys(("past", "known", "static"), 0) | {part: 2}
    spec = make_spec(**counts)
    network = make_network(name, spec)
    network.train()(make_batch(spec)).mean().backward()
    assert not [key for key, p in trainable(network) if p.grad is None]


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        *((name, {}) for name in NAMES),
        *((name, {key: True}) for name in NAMES for key in SWITCHES & set(config("model", name))),
    ],
)
def test_flat_and_wild_windows_stay_finite(name: str, switch: dict[str, bool]) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec, **switch), make_batch(spec, 4)
    for factor in (0.0, 1e4):
        extreme = replace(batch, past=batch.past * factor, known=batch.known * factor)
        network.zero_grad()
        output = network.train()(extreme)
        assert output.isfinite().all()
        output.mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for _, p in trainable(network))


@pytest.mark.parametrize("name", NAMES)
def test_capabilities_tell_the_truth(name: str) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec), make_batch(spec)
    able = ModelRegistry.get(name).capabilities
    before = evaluate(network, batch)
    for kind in ("past", "known", "static"):
        for channel in range(1 if kind == "past" else 0, getattr(batch, kind).shape[-1]):
            changed = getattr(batch, kind).clone()
            changed[..., channel] = changed[..., channel].flip(0)
            after = evaluate(network, replace(batch, **{kind: changed}))
            assert torch.equal(before, after) is not getattr(able, kind), (kind, channel)
    assert make_model(name, spec).unused == tuple(
        channel
        for kind in ("past", "known", "static")
        for channel in getattr(spec, kind)
        if not getattr(able, kind) and channel != "history"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_step_has_seen_the_newest_bar(name: str) -> None:
    spec = make_spec(known=0)
    network, batch = make_network(name, spec), make_batch(spec)
    past = batch.past.clone()
    past[:, -1] += 1.0
    moved = (evaluate(network, replace(batch, past=past)) - evaluate(network, batch)).abs()
    assert (moved.amax(dim=2) > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_known_covariates_count_over_context_and_horizon(name: str) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec), make_batch(spec)
    able = ModelRegistry.get(name).capabilities.known
    before = evaluate(network, batch)
    for part, read in ((slice(0, 16), able), (slice(16, 19), able and name not in CONTEXT_ONLY)):
        known = batch.known.clone()
        known[:, part] += 1.0
        assert torch.equal(before, evaluate(network, replace(batch, known=known))) is not read


@pytest.mark.parametrize("name", NAMES)
def test_a_forecast_depends_on_its_own_inputs_alone(name: str) -> None:
    spec = make_spec()
    network, batch = make_network(name, spec), make_batch(spec, 6)
    together = evaluate(network, batch)
    # Neighbours in the batch, even absurd ones.
    others = replace(batch, past=batch.past * 100.0, known=-batch.known)
    mixed = Batch(**{k: torch.cat([v[:1], vars(others)[k][1:]]) for k, v in vars(batch).items()})
    torch.testing.assert_close(evaluate(network, mixed)[:1], together[:1], rtol=1e-4, atol=1e-5)
    alone = torch.cat([evaluate(network, rows(batch, [i])) for i in range(6)])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)
    # What is not an input: the outcome, the weight, the regime, the asset.
    told = replace(
        batch,
        target=batch.target + 1.0,
        mask=~batch.mask,
        scale=batch.scale * 2.0,
        weight=batch.weight * 3.0,
        regime=batch.regime + 1,
        asset=batch.asset + 1,
        origin=batch.origin + 1,
    )
    assert torch.equal(evaluate(network, told), together)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_weights_are_the_whole_state(name: str) -> None:
    spec = make_spec()
    batch = make_batch(spec)
    first, again, other = (make_network(name, spec, seed=seed) for seed in (3, 3, 4))
    expected = evaluate(first, batch)
    assert torch.equal(evaluate(again, batch), expected)
    assert not torch.equal(evaluate(other, batch), expected)
    first.train()(batch).mean().backward()
    other.load_state_dict(copy.deepcopy(first).state_dict())
    assert torch.equal(evaluate(other, batch), evaluate(first, batch))


@pytest.mark.parametrize("name", NAMES)
def test_dropout_works_in_training_only(name: str) -> None:
    spec = make_spec()
    given = {k: v for k, v in config("model", name).items() if "dropout" in k}
    network, batch = make_network(name, spec), make_batch(spec)
    assert network.training
    random_parts = not torch.equal(network(batch), network(batch))
    assert random_parts is any(share > 0 for share in given.values())
    assert torch.equal(evaluate(network, batch), evaluate(network, batch))


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
        ("patchtst", 16, {"patch_len": 25}, "patch_len"),
        ("patchtst", 16, {"n_heads": 5}, "n_heads"),
        ("tft", 16, {"n_head": 3}, "n_head"),
        ("tft", 16, {"rnn_type": "rnn"}, "rnn_type"),
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


def test_tft_selects_variables_as_the_library_does() -> None:
    from neuralforecast.models.tft import VariableSelectionNetwork

    from regimecast.models.tft import _VariableSelection

    torch.manual_seed(0)
    theirs = VariableSelectionNetwork(8, 4, dropout=0.0, grn_activation="ELU")
    embedded, context = torch.randn(3, 6, 4, 8, requires_grad=True), torch.randn(3, 8)
    expected, share = theirs(embedded, context)
    found, our_share = _VariableSelection(theirs)(embedded, context)
    assert torch.equal(found, expected)
    assert torch.equal(our_share, share)
    gradients = [torch.autograd.grad(o.square().sum(), embedded)[0] for o in (found, expected)]
    torch.testing.assert_close(*gradients)


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
