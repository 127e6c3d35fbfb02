"""What a training step costs: this house, a bare loop and peers; run by `bench training`."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from regimecast.bench import peers_darts, peers_neuralforecast, peers_pytorch_forecasting
from regimecast.bench.contestants import bare_loop, house, loader_alone, own
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
from regimecast.bench.networks import DLINEAR, LSTM, NETWORKS, NHITS, TFT, Network
from regimecast.bench.peers import absence
from regimecast.bench.results import BenchReport, Ratio
from regimecast.bench.steps import in_turn, step_seconds

__all__ = ["run"]

_OF_BARE = {"N-HiTS": 0.9, "PatchTST": 0.9, "DLinear": 0.6, "LSTM": 0.9, "TFT": 0.9}
_OF_LIBRARY = {"N-HiTS": 4.3, "PatchTST": 6.9, "DLinear": 100.0, "LSTM": 2.2, "TFT": 1.25}
_OWN_OF_LIBRARY = {"PatchTST": None, "LSTM": None, "TFT": 1.7}
"""Networks of which this house has its own, at what speed."""
_DATA_SHARE = {"N-HiTS": 0.02, "DLinear": 0.1}
_SHARED = {
    "N-HiTS": (
        (
            "model=nhits",
            "model.n_pool_kernel_size=[2,2,1]",
            "model.mlp_units=[[512,512]]",  # two layers, as the peers count them
            "model.dropout_prob_theta=0",
        ),
        16,
    ),
    "DLinear": (DLINEAR.own, DLINEAR.steps),
    "NLinear": (("model=nlinear",), DLINEAR.steps),
    "LSTM": (LSTM.own, LSTM.steps),
    "TiDE": (("model=tide",), 24),
    "TFT": (TFT.own, TFT.steps),
}
"""Our models that peers have too: overrides and steps of a repetition."""
_PEER_STEPS = 4
_LENGTHS = (1, 8, 64)
_GROWTH = 1.1
_PEERS = (peers_darts, peers_pytorch_forecasting)
_ABOUT = """{assets} series of {bars:,} bars with ten past covariates, context {context}, horizon
{horizon}, {batch} windows a step, mean absolute error. Seconds are processor time of one thread per
step, from the start of one step to the start of a later one within one training, so that set-up
does not count. *Bare loop*: gather, forward, loss, backward, the same clipped gradient and fused
AdamW, and nothing else. *regimecast*: `ModelTrainer` with every default callback, metrics, weights
and W&B offline, as `regimecast train` makes it, over the network of neuralforecast. Both gather the
channels that the network reads; only `ModelTrainer` keeps memory that a step frees, which is why it
can be the faster one. *Own*: the model that `regimecast train` takes by that name.
*neuralforecast*: `fit` of the same class of network, all series, as many windows a step, no
validation. Networks of other peers are their own, at the same sizes."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of the seconds of a step; peers that are not installed are left out."""
    bars, assets, batch = (1_000, 3, 32) if quick else (BARS, ASSETS, BATCH)
    networks = [replace(n, steps=3) if quick else n for n in NETWORKS]
    about = _ABOUT.format(assets=assets, bars=bars, context=CONTEXT, horizon=HORIZON, batch=batch)
    ratios = []
    with (
        one_thread(),
        workbench(bars, f"window.batch_size={batch}", assets=assets) as (bench, folder),
    ):
        for network in networks:
            ratios += _network(network, bench, folder, repetitions)
        for peer in _PEERS:
            if peer.installed():
                ratios += _shared(peer, bench, folder, repetitions, quick)
            else:
                about += absence(peer.PACKAGE)
        ratios += _growth(bench, folder, bars, assets, repetitions, quick)
    return BenchReport(
        name="training",
        title="Training steps",
        about=about,
        ratios=ratios,
        machine=Machine.this("lightning", "neuralforecast", *(peer.PACKAGE for peer in _PEERS)),
        quick=quick,
    )


def _network(network: Network, bench: Workbench, folder: Path, repetitions: int) -> list[Ratio]:
    """One network in the bare loop, here and in neuralforecast, and our own of its kind."""
    data, steps, title = bench.data, network.steps, network.title
    model = network.model(data.spec, bench.parts.config["loss"])
    rate = float(bench.parts.config["optimizer"]["lr"])
    fit = peers_neuralforecast.training(
        network, data.market, batch_size=data.batch_size, steps=_PEER_STEPS
    )
    contestants: dict[str, Callable[[], float]] = {
        "bare loop": bare_loop(model, data, steps=steps, rate=rate),
        "`regimecast`": house(model, bench, folder, steps=steps),
        "`neuralforecast`": partial(step_seconds, fit),
    }
    if title in _OWN_OF_LIBRARY:
        contestants["own"] = house(own(network.own, bench), bench, folder, steps=steps)
    if title in _DATA_SHARE:
        contestants["loader alone"] = loader_alone(model, data, steps=100)
    found = in_turn(contestants, repetitions=repetitions)
    mine, library = found["`regimecast`"], found["`neuralforecast`"]
    ratios = [
        Ratio(
            name=f"{title}: speed of the bare loop",
            over=found["bare loop"],
            under=mine,
            at_least=_OF_BARE[title],
        ),
        Ratio(
            name=f"{title}: same network in neuralforecast",
            over=library,
            under=mine,
            at_least=_OF_LIBRARY[title],
        ),
    ]
    if title in _OWN_OF_LIBRARY:
        ratios.append(
            Ratio(
                name=f"{title}: own network against neuralforecast's",
                over=library,
                under=found["own"],
                at_least=_OWN_OF_LIBRARY[title],
            )
        )
    if title in _DATA_SHARE:
        ratios.append(
            Ratio(
                name=f"{title}: data's share of a step",
                over=found["loader alone"],
                under=mine,
                at_most=_DATA_SHARE[title],
            )
        )
    return ratios


def _shared(
    peer: Any, bench: Workbench, folder: Path, repetitions: int, quick: bool
) -> list[Ratio]:
    """The models that a peer has too: its network in its training, ours in ours."""
    ratios = []
    for title in peer.MODELS:
        overrides, steps = _SHARED[title]
        fit = peer.training(
            title, bench.data.market, batch_size=bench.data.batch_size, steps=_PEER_STEPS
        )
        found = in_turn(
            {
                f"`{peer.PACKAGE}`": partial(step_seconds, fit),
                "`regimecast`": house(
                    own(overrides, bench), bench, folder, steps=2 if quick else steps
                ),
            },
            repetitions=repetitions,
        )
        over, under = found.values()
        ratios.append(Ratio(name=f"{title}: {peer.PACKAGE}", over=over, under=under, at_least=1.0))
    return ratios


def _growth(
    bench: Workbench, folder: Path, bars: int, assets: int, repetitions: int, quick: bool
) -> list[Ratio]:
    """The cheapest network and N-HiTS on longer panels."""
    ratios = []
    overrides = [f"window.batch_size={bench.data.batch_size}"]
    benches = {
        times: bench if times == 1 else Workbench.of(bars * times, *overrides, assets=assets)
        for times in _LENGTHS
    }
    for network in (DLINEAR, NHITS):
        found = in_turn(
            {
                f"{times} × {bars:,} bars": house(
                    network.model(bench.data.spec, bench.parts.config["loss"]),
                    replace(bench, data=long.data),
                    folder,
                    steps=2 if quick else network.steps,
                )
                for times, long in benches.items()
            },
            repetitions=repetitions,
        )
        short, *longer = found.values()
        ratios += [
            Ratio(
                name=f"{network.title}: step on a longer panel",
                over=sample,
                under=short,
                at_most=_GROWTH,
            )
            for sample in longer
        ]
    return ratios
