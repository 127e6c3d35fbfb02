"""What forecasts of every origin of a panel cost; run by `regimecast bench inference`."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from lightning.pytorch import Trainer

from regimecast.bench import peers_neuralforecast
from regimecast.bench.contestants import own
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
from regimecast.bench.machine import Machine
from regimecast.bench.networks import DLINEAR, NHITS, PATCHTST, Network
from regimecast.bench.results import BenchReport, Ratio
from regimecast.bench.steps import unheard
from regimecast.bench.timing import take_turns
from regimecast.models.neural import NeuralModel

__all__ = ["run"]

_NETWORKS = {NHITS: 4, PATCHTST: 4, DLINEAR: 1}
"""Each with the part of the panel's bars that it takes; forecasts of the whole take minutes."""
_PEER_TARGET = 5.0
_VALIDATE_TARGET = 1.0
_ABOUT = """Forecasts at every origin of {assets} series, context {context}, horizon {horizon}.
*regimecast*: `model.predict(data, "all")`. *validate*: Lightning's `Trainer.validate` of the same
module over the same windows, {batch} at a time, which keeps no forecast. *neuralforecast*:
`cross_validation` of the fitted model at a step of one bar without a refit; it forecasts only where
the future is known. The same networks, but for *own*: the one that `regimecast train` takes by that
name. Processor time of one thread per window."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of the seconds of a forecast."""
    bars, assets, batch = (1_000, 3, 32) if quick else (BARS, ASSETS, BATCH)
    ratios = []
    with one_thread():
        for network, part in _NETWORKS.items():
            length = bars if quick else bars // part
            settings = f"window.batch_size={batch}"
            with workbench(length, settings, assets=assets) as (bench, folder):
                ratios += _network(network, bench, folder, repetitions)
    return BenchReport(
        name="inference",
        title="Forecasts of every origin",
        about=_ABOUT.format(assets=assets, context=CONTEXT, horizon=HORIZON, batch=batch),
        ratios=ratios,
        machine=Machine.this("lightning", peers_neuralforecast.PACKAGE),
        quick=quick,
    )


def _network(network: Network, bench: Workbench, folder: Path, repetitions: int) -> list[Ratio]:
    data = bench.data
    windows, assets = len(data.split("all")), len(data.spec.assets)
    complete = windows - assets * HORIZON
    model = network.model(data.spec, bench.parts.config["loss"])
    models = [model, *([own(network.own, bench)] if network is PATCHTST else [])]
    trainer = bench.trainer(folder)
    one_step = {**trainer.trainer, "max_epochs": 1, "limit_train_batches": 1}
    for each in models:
        each.fit(data, replace(trainer, trainer=one_step))
    library = peers_neuralforecast.inference(
        network,
        data.market,
        batch_size=data.batch_size,
        windows=complete // assets,
    )
    rows = len(library())
    if rows != complete * HORIZON:
        raise AssertionError(f"{rows} forecasts of neuralforecast; wanted {complete * HORIZON}")
    names = ("`regimecast`", "own")
    found = take_turns(
        {
            **{n: partial(m.predict, data, "all") for n, m in zip(names, models, strict=False)},
            "validate": _validation(model, bench),
            "`neuralforecast`": library,
        },
        repetitions=repetitions,
        clock="processor",
    )
    mine = found["`regimecast`"].per("sample", windows)
    ratios = [
        Ratio(
            name=f"{network.title}, {windows:,} windows: neuralforecast",
            over=found["`neuralforecast`"].per("sample", complete),
            under=mine,
            at_least=_PEER_TARGET,
        ),
        Ratio(
            name=f"{network.title}, {windows:,} windows: time of `Trainer.validate`",
            over=mine,
            under=found["validate"].per("sample", windows),
            at_most=_VALIDATE_TARGET,
        ),
    ]
    if "own" in found:
        ratios.append(
            Ratio(
                name=f"{network.title}, {windows:,} windows: own network, neuralforecast",
                over=found["`neuralforecast`"].per("sample", complete),
                under=found["own"].per("sample", windows),
                at_least=_PEER_TARGET,
            )
        )
    return ratios


def _validation(model: NeuralModel, bench: Workbench) -> Callable[[], object]:
    module = bench.parts.trainer().build_module(model.network, model.loss)

    def validate() -> None:
        with unheard():
            trainer = Trainer(
                accelerator="cpu",
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
            )
            trainer.validate(module, dataloaders=bench.data.loader("all"), verbose=False)

    return validate
