"""What `torch.compile` gains per step and what it costs first; run by `bench compile`."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from regimecast.bench.contestants import house, own
from regimecast.bench.fold import (
    ASSETS,
    BARS,
    BATCH,
    CONTEXT,
    HORIZON,
    Workbench,
    one_thread,
    workbench,
)
from regimecast.bench.results import BenchReport, Ratio, Sample
from regimecast.bench.steps import in_turn
from regimecast.core.errors import ConfigError
from regimecast.models.base import ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.training.compiling import Compile

__all__ = ["run"]

_MODELS = {
    "tft": (("model.hidden_size=32",), 3),
    "patchtst": ((), 24),
    "lstm": (("model.hidden_size=64", "model.layers=2"), 8),
    "transformer": ((), 8),
    "nhits": ((), 24),
    "dlinear": ((), 150),
}
"""Overrides and steps of a repetition."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Seconds of a step as it is, over those of a compiled one, and when that has paid."""
    bars, assets, batch = (1_000, 3, 32) if quick else (BARS, ASSETS, BATCH)
    names = ("dlinear",) if quick else tuple(_MODELS)
    ratios, refused = [], []
    with (
        one_thread(),
        workbench(bars, f"window.batch_size={batch}", assets=assets) as (bench, folder),
    ):
        for name in names:
            more, steps = _MODELS[name]
            overrides = (f"model={name}", *more)
            try:
                ratios.append(_ratio(name, overrides, bench, folder, repetitions, min(steps, 24)))
            except ConfigError as error:
                refused.append(f" {name} is left out: {error}.")
    return BenchReport(
        name="compile",
        title="Compiled training steps",
        about=(
            f"{assets} series of {bars:,} bars with ten past covariates, context {CONTEXT}, "
            f"horizon {HORIZON}, {batch} windows a step, one thread. "
            "*As it is* and *compiled* are processor time of a step of `model.fit` with every "
            "default callback. Compiling is wall time of a first step, less one that follows, "
            "without any cache. *Pays from* is the number of steps that make up for it: the value "
            "of the model's `compile_pays_from`, which `compile=auto` goes by."
        )
        + "".join(refused),
        ratios=ratios,
        quick=quick,
    )


def _ratio(
    name: str,
    overrides: Sequence[str],
    bench: Workbench,
    folder: Path,
    repetitions: int,
    steps: int,
) -> Ratio:
    model = own(overrides, bench)
    seconds = _compile_seconds(model, bench)
    found = in_turn(
        {
            "as it is": house(model, _choosing(bench, False), folder, steps=steps),
            "compiled": house(model, _choosing(bench, True), folder, steps=steps),
        },
        repetitions=repetitions,
    )
    gain = found["as it is"].median - found["compiled"].median
    pays = f"pays from {ceil(seconds.median / gain):,} steps" if gain > 0 else "never pays"
    declared = ModelRegistry.get(name)
    assert issubclass(declared, NeuralModel)
    known = declared.compile_pays_from.get("cpu")
    return Ratio(
        name=f"{name}: as it is over compiled",
        over=found["as it is"],
        under=found["compiled"],
        notes=(
            f"compiling takes {seconds}; {pays}; compile=auto "
            + ("leaves it" if known is None else f"compiles from {known:,} steps")
        ),
    )


def _choosing(bench: Workbench, choice: Compile) -> Workbench:
    """The same, with its tracker, but for the key ``compile``."""
    parts = bench.parts
    return replace(bench, parts=replace(parts, config={**parts.config, "compile": choice}))


def _compile_seconds(model: NeuralModel, bench: Workbench) -> Sample:
    """Wall time that compiling adds to the first step."""
    data = model.narrowed(bench.data)
    batch = data.split("train").gather(torch.arange(data.batch_size))
    network = model.build_network().train()
    torch.compiler.reset()
    taken = []
    with torch.compiler.config.patch(force_disable_caches=True):  # type: ignore[attr-defined]  # made at import
        run = torch.compile(network, dynamic=False)
        for _ in range(4):
            started = perf_counter()
            run(batch).sum().backward()
            taken.append(perf_counter() - started)
    return Sample("compiling", (max(taken[0] - median(taken[1:]), 1e-9),))
