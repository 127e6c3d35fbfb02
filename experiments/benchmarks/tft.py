"""Our Temporal Fusion Transformer beside neuralforecast's: time of a step, and accuracy.

python experiments/benchmarks/tft.py time
python experiments/benchmarks/tft.py sp500 stocks20 [--seeds 0 1 2]
REGIMECAST_SHARED_DATA=FOLDER python experiments/benchmarks/tft.py ETTh1

Both networks get the same windows in the same order, a rate that falls to zero, and no early
stopping. One thread.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from regimecast.assembly import Assembly
from regimecast.bench.timing import take_turns
from regimecast.core.batch import Batch
from regimecast.core.compose import composed
from regimecast.core.types import DataSpec, Task
from regimecast.data.cleaning import clean
from regimecast.models.neuralforecast import NeuralForecastModel, using
from regimecast.networks.tft import TFTNetwork

LEVELS = torch.tensor([0.1, 0.5, 0.9])
WINDOWS = 256
REPETITIONS = 5
SHAPES = {  # windows, context, horizon, past covariates, known, static, width
    "L = 60, H = 5, 10 past covariates, 32 wide": (512, 60, 5, 10, 0, 0, 32),
    "L = 32, H = 5, 15 past covariates, 10 known, 2 static, 16 wide": (256, 32, 5, 15, 10, 2, 16),
    "L = 64, H = 5, 75 past covariates, 10 known, 2 static, 16 wide": (256, 64, 5, 75, 10, 2, 16),
}
RECIPES = {"sp500": (200, 1e-3), "stocks20": (300, 1e-3), "ETTh1": (400, 3e-3)}
"""Steps and first rate of a training."""
FEATURES = {"sp500": "[volatility,calendar]", "stocks20": "[volatility,momentum,calendar]"}
BORDERS = {"train": (0, 8_640, 1), "validation": (8_640, 11_520, 2), "test": (11_520, 14_400, 2)}
"""Hours of ETTh1, and every which origin is used: 12, 4 and 4 months."""
CONTEXT, HORIZON = 48, 6  # of ETTh1

Windows = tuple[int, Callable[[Tensor], Batch]]
"""How many there are, and how to get those at some places."""


class Library(NeuralForecastModel):
    """neuralforecast's network as it is."""

    name = "tft"
    architecture = "TFT"
    capabilities = using(past=True, known=True, static=True)

    def __init__(self, *, spec: DataSpec, loss: dict[str, Any], **sizes: Any) -> None:
        super().__init__(spec=spec, loss=loss)


class Unbound(Library):
    """The same to the bit, faster: variables are taken apart at once, as our adapter did."""

    def adjust(self, network: Any) -> None:
        """Puts the faster selection in place of the library's."""
        encoder = network.temporal_encoder
        encoder.history_vsn = UnboundSelection(encoder.history_vsn)
        encoder.future_vsn = UnboundSelection(encoder.future_vsn)


class UnboundSelection(nn.Module):
    """The library's selection of variables without a gradient of all of them for each."""

    def __init__(self, selection: Any) -> None:
        super().__init__()
        self.joint_grn, self.var_grns = selection.joint_grn, selection.var_grns

    def forward(self, embedded: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """The selected vectors and the shares."""
        share = self.joint_grn(embedded.flatten(2), c=context).softmax(-1)
        variables = zip(self.var_grns, embedded.unbind(2), strict=True)
        transformed = torch.stack([gate(variable) for gate, variable in variables], dim=-1)
        return (transformed @ share[..., None])[..., 0], share


def ours(spec: DataSpec, width: int) -> nn.Module:
    return TFTNetwork(
        spec=spec, n_outputs=3, hidden_size=width, heads=4, layers=1, dropout=0.1,
        attention_dropout=0.0,
    )  # fmt: skip


def theirs(model: type[Library]) -> Callable[[DataSpec, int], nn.Module]:
    def build(spec: DataSpec, width: int) -> nn.Module:
        loss = {"name": "quantile", "levels": LEVELS.tolist()}
        return model(spec=spec, loss=loss, hidden_size=width, dropout=0.1).build_network()

    return build


NETWORKS = {"neuralforecast's": theirs(Unbound), "ours": ours}


def spec_of(context: int, horizon: int, past: int, known: int, static: int) -> DataSpec:
    return DataSpec(
        task=Task.FORECAST, context_length=context, horizon=horizon,
        past=("history", *(f"past{i}" for i in range(past))),
        known=tuple(f"known{i}" for i in range(known)),
        static=tuple(f"static{i}" for i in range(static)), assets=("A",), frequency="1h",
        bars_per_year=8766.0, classes=(), target="level",
    )  # fmt: skip


def batch_of(past: Tensor, known: Tensor, static: Tensor, target: Tensor) -> Batch:
    n, zeros = len(past), torch.zeros(len(past), dtype=torch.long)
    return Batch(
        past=past, known=known, static=static, target=target, mask=torch.ones_like(target).bool(),
        scale=torch.ones(n, 1), weight=torch.ones_like(target), regime=zeros, asset=zeros,
        origin=zeros,
    )  # fmt: skip


def pinball(output: Tensor, batch: Batch) -> Tensor:
    error = batch.target[..., None] - output
    loss = torch.maximum(LEVELS * error, (LEVELS - 1) * error).mean(-1)
    return (loss * batch.mask).sum() / batch.mask.sum()


def hourly() -> tuple[DataSpec, dict[str, Windows]]:
    """ETTh1: oil temperature from its own past, the other columns' and the hour of the day."""
    folder = Path(os.environ["REGIMECAST_SHARED_DATA"])
    frame = pd.read_parquet(folder / "ltsf" / "ETTh1.parquet").iloc[:14_400, ::-1]
    values = torch.tensor(frame.to_numpy("float32"))
    training = values[: BORDERS["train"][1]]
    values = (values - training.mean(0)) / training.std(0, correction=0)
    angle = torch.tensor(pd.DatetimeIndex(frame.index).hour.to_numpy("float32")) * torch.pi / 12
    hour = torch.stack([angle.sin(), angle.cos()], 1)

    def windows(first: int, end: int, stride: int) -> Windows:
        origins = torch.arange(first + CONTEXT, end - HORIZON, stride)

        def get(places: Tensor) -> Batch:
            origin = origins[places][:, None]
            before = origin + torch.arange(1 - CONTEXT, 1)
            after = origin + torch.arange(1, HORIZON + 1)
            past, level = values[before].clone(), values[origin, 0]
            past[..., 0] -= level
            known = hour[torch.cat([before, after], 1)]
            return batch_of(past, known, torch.zeros(len(past), 0), values[after, 0] - level)

        return len(origins), get

    spec = spec_of(CONTEXT, HORIZON, values.shape[1] - 1, 2, 0)
    return spec, {name: windows(*border) for name, border in BORDERS.items()}


def market(name: str) -> tuple[DataSpec, dict[str, Windows]]:
    """A fold of packaged bars, as `regimecast train` makes it."""
    overrides = [f"data={name}", f"features={FEATURES[name]}", "window.context_length=32"]
    parts = Assembly.from_config(composed([*overrides, "model=tft", "regime=none"]))
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    whole = parts.market(bars)
    (data,) = parts.modules(whole, parts.splitter.split(whole.samples(complete=True)))
    sets = {name: data.split(name) for name in BORDERS}
    return data.spec, {name: (len(windows), windows.gather) for name, windows in sets.items()}


@dataclass(frozen=True)
class Fit:
    """Mean pinball losses after the last step."""

    validation: float
    test: float


def trained(
    network: nn.Module, sets: dict[str, Windows], steps: int, seed: int, rate: float
) -> Fit:
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(1_000 + seed)  # of dropout
    size, get = sets["train"]
    for _ in range(steps):
        batch = get(torch.randint(size, (WINDOWS,), generator=generator))
        optimizer.zero_grad()
        pinball(network(batch), batch).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        falling.step()
    return Fit(loss_of(network, sets["validation"]), loss_of(network, sets["test"]))


def loss_of(network: nn.Module, windows: Windows) -> float:
    size, get = windows
    network.eval()
    total = 0.0
    with torch.inference_mode():
        for places in torch.arange(size).split(512):
            batch = get(places)
            total += pinball(network(batch), batch).item() * len(places)
    network.train()
    return total / size


def compare(data: str, seeds: list[int]) -> None:
    steps, rate = RECIPES[data]
    spec, sets = hourly() if data == "ETTh1" else market(data)
    print(f"\n{data}, {steps} steps\n\n| seed | network | validation | test |\n|---|---|---|---|")
    fits: dict[str, list[Fit]] = {name: [] for name in NETWORKS}
    for seed in seeds:
        for name, build in NETWORKS.items():
            torch.manual_seed(seed)
            fit = trained(build(spec, 16), sets, steps, seed, rate)
            fits[name].append(fit)
            print(f"| {seed} | {name} | {fit.validation:.5f} | {fit.test:.5f} |", flush=True)
    for name, found in fits.items():
        for part in ("validation", "test"):
            values = [getattr(fit, part) for fit in found]
            spread = f" ± {stdev(values):.5f}" if len(values) > 1 else ""
            print(f"{name}, {part}: {mean(values):.5f}{spread}")


def time_steps() -> None:
    contestants = {
        "neuralforecast's": theirs(Library),
        "neuralforecast's, unbound": theirs(Unbound),
        "ours": ours,
    }
    for title, (n, context, horizon, past, known, static, width) in SHAPES.items():
        spec = spec_of(context, horizon, past, known, static)
        torch.manual_seed(0)
        batch = batch_of(
            torch.randn(n, context, past + 1), torch.randn(n, context + horizon, known),
            torch.randn(n, static), torch.randn(n, horizon),
        )  # fmt: skip
        steps = {name: step_of(build(spec, width), batch) for name, build in contestants.items()}
        samples = take_turns(steps, repetitions=REPETITIONS, clock="processor")
        first = samples["neuralforecast's"].median
        print(f"\n{title}, {n} windows\n\n| network | ms a step | times as fast |\n|---|---|---|")
        for name, sample in samples.items():
            print(f"| {name} | {1e3 * sample.median:.0f} | {first / sample.median:.2f} |")


def step_of(network: nn.Module, batch: Batch) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)

    def step() -> None:
        optimizer.zero_grad()
        pinball(network(batch), batch).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="+", choices=["time", *RECIPES])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for what in arguments.what:
        if what == "time":
            time_steps()
        else:
            compare(what, arguments.seeds)


if __name__ == "__main__":
    main()
