"""One fold of a panel of random walks with ten past covariates, and how to train on it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from regimecast.assembly import Assembly
from regimecast.bench.bars import panel_of
from regimecast.core.compose import composed
from regimecast.data.datamodule import FinancialDataModule
from regimecast.tracking.lightning import TrackerLogger
from regimecast.training.trainer import ModelTrainer

__all__ = ["ASSETS", "BARS", "BATCH", "CONTEXT", "HORIZON", "Workbench", "one_thread", "workbench"]

ASSETS, BARS = 20, 8_312
CONTEXT, HORIZON, BATCH = 60, 5, 512
_OVERRIDES = (
    "data=synthetic",
    "features=[momentum]",
    "features.momentum.return_windows=[1,5,21]",  # ten columns in all
    f"target.horizon={HORIZON}",
    f"window.context_length={CONTEXT}",
    f"window.batch_size={BATCH}",
    "window.asset_identity=false",
    "loss=mae",
    "regime=none",
    "trainer=cpu",
    "model=dlinear",
    "feature_cache.memory_mb=0",
)


@dataclass(frozen=True, eq=False)
class Workbench:
    """Parts from config, as `regimecast train` makes them, and a fold of their market."""

    parts: Assembly
    data: FinancialDataModule

    @classmethod
    def of(cls, bars: int, *overrides: str, assets: int = ASSETS) -> "Workbench":
        """A panel of so many bars per asset."""
        parts = Assembly.from_config(composed([*_OVERRIDES, *overrides]))
        market = parts.market(panel_of(bars, assets))
        folds = parts.splitter.split(market.samples(complete=True))
        (data,) = parts.modules(market, folds)
        return cls(parts, data)

    def with_model(self, overrides: Sequence[str]) -> "Workbench":
        """The same fold with another model, or anything else that the data do not hang on."""
        parts = Assembly.from_config(composed([*_OVERRIDES, *overrides]))
        return Workbench(parts, self.data)

    def trainer(self, folder: Path) -> ModelTrainer:
        """How to train, with every default callback and a tracker that has started."""
        return self.parts.trainer(logger=TrackerLogger(self.parts.tracker, fold=0), folder=folder)


@contextmanager
def workbench(bars: int, *overrides: str, assets: int = ASSETS) -> Iterator[tuple[Workbench, Path]]:
    """A workbench with a folder, whose tracker (W&B offline) runs until the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Workbench.of(bars, *overrides, assets=assets)
        tracker = bench.parts.tracker
        tracker.start(study="bench", job="training", config=bench.parts.config, folder=folder)
        stack.callback(tracker.finish, 0)
        yield bench, folder


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch: processor time is then what an idle machine would take."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
