"""Steps on an accelerator, the panel resident there or in memory; run by `regimecast bench gpu`."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean

import torch

from regimecast.bench.contestants import house
from regimecast.bench.fold import ASSETS, BARS, CONTEXT, HORIZON, Workbench, workbench
from regimecast.bench.machine import Machine
from regimecast.bench.networks import DLINEAR, NETWORKS, NHITS
from regimecast.bench.results import BenchReport, Ratio
from regimecast.bench.steps import in_turn
from regimecast.core.errors import ConfigError
from regimecast.models.neural import NeuralModel

__all__ = ["run"]

_BATCHES = (512, 2_048, 8_192, 16_384)
_PLACEMENTS = {"resident": "device", "in memory": "memory"}
_STEPS = 60
_WATCH_SECONDS = 0.05
_ABOUT = """{assets} series of {bars:,} bars with ten past covariates, context {context}, horizon
{horizon}, on {device}; `ModelTrainer` with every default callback, the models that `regimecast
train` takes by these names. *Resident*: `window.placement=device`, so that batches are gathered on
the accelerator and only positions travel. *In memory*: batches are gathered by the processor and
copied. Wall time per window, and the share of time in which the accelerator was at work."""


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Ratios of the seconds of a window; a quick run does without an accelerator.

    Raises:
        ConfigError: there is no accelerator.
    """
    present = torch.cuda.is_available()
    if not present and not quick:
        raise ConfigError(
            "bench=gpu: there is no CUDA device here. Allowed without one: --quick, which shows "
            "only that the benchmark works"
        )
    bars, assets, batches = (1_000, 3, (32,)) if quick else (BARS, ASSETS, _BATCHES)
    accelerator = "gpu" if present else "cpu"
    ratios = []
    for batch in batches:
        settings = (
            f"window.batch_size={batch}",
            f"trainer={accelerator}",
            "trainer.precision=32-true",
        )
        with workbench(bars, *settings, assets=assets) as (bench, folder):
            for network in (DLINEAR, NHITS) if quick else NETWORKS:
                overrides = (*settings, *network.own)
                ratios.append(
                    _placements(network.title, overrides, bench, folder, batch, repetitions, quick)
                )
    return BenchReport(
        name="gpu",
        title="Steps on an accelerator",
        about=_ABOUT.format(
            assets=assets,
            bars=bars,
            context=CONTEXT,
            horizon=HORIZON,
            device=torch.cuda.get_device_name() if present else "no accelerator",
        ),
        ratios=ratios,
        machine=Machine.this("lightning"),
        quick=quick,
    )


def _placements(
    title: str,
    overrides: tuple[str, ...],
    bench: Workbench,
    folder: Path,
    batch: int,
    repetitions: int,
    quick: bool,
) -> Ratio:
    """One network at one batch size, with the panel here and there."""
    watches = {name: _Watch() for name in _PLACEMENTS}
    contestants: dict[str, Callable[[], float]] = {}
    for name, placement in _PLACEMENTS.items():
        placed = bench.with_model([*overrides, f"window.placement={placement}"])
        data = next(placed.parts.modules(bench.data.market, [bench.data.fold]))
        model = placed.parts.model(data)
        assert isinstance(model, NeuralModel)
        train = house(
            model,
            Workbench(bench.parts, data),
            folder,
            steps=3 if quick else _STEPS,
            clock="wall",
        )
        contestants[name] = watches[name].around(train)
    found = in_turn(contestants, repetitions=repetitions)
    resident, in_memory = (found[name].per("sample", batch) for name in _PLACEMENTS)
    speeds = (
        f"{name} {1 / found[name].per('sample', batch).median:,.0f} windows/s{watch}"
        for name, watch in watches.items()
    )
    return Ratio(
        name=f"{title}, {batch:,} windows a step",
        over=in_memory,
        under=resident,
        notes=", ".join(speeds),
    )


@dataclass
class _Watch:
    """Looks now and then at how busy the accelerator is, if there is one that tells."""

    seen: list[int] = field(default_factory=list)
    """Percent of the time since the last look."""

    def around(self, call: Callable[[], float]) -> Callable[[], float]:
        """The same call, watched."""

        def watched() -> float:
            with self._looking():
                return call()

        return watched

    @contextmanager
    def _looking(self) -> Iterator[None]:
        done = threading.Event()
        watch = threading.Thread(target=self._look, args=(done,), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def _look(self, done: threading.Event) -> None:
        # Without the driver's library there is no utilisation, and nothing else is lost.
        with suppress(ModuleNotFoundError, RuntimeError):
            while torch.cuda.is_available() and not done.wait(_WATCH_SECONDS):
                self.seen.append(torch.cuda.utilization())

    def __str__(self) -> str:
        return f" at {mean(self.seen):.0f} % utilisation" if self.seen else ""
