"""From a config to its parts, all checked before any data are read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger

from regimecast.assembly_checks import check_changes, check_int, check_warm_start
from regimecast.core.config import split_name
from regimecast.core.errors import ConfigError, RegimecastError, SpecError
from regimecast.core.parts import check_keys, component, settings
from regimecast.core.seeding import derive_seed
from regimecast.core.types import DataSpec, Samples
from regimecast.core.values import fitting
from regimecast.data.cleaning import CleaningSettings
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.loading import check_loading
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.data.placement import Placement, Store
from regimecast.data.scaling import check_clip
from regimecast.data.shuffling import Shuffle
from regimecast.data.sources.base import Source, SourceRegistry
from regimecast.evaluation.conformal.base import Conformal, ConformalRegistry
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.strategies.base import Strategy, StrategyRegistry
from regimecast.features.cache import (
    CachedFeaturePipeline,
    FeatureCache,
    FeatureCacheSettings,
    shared_cache,
)
from regimecast.features.pipeline import FeaturePipeline, Missing
from regimecast.labels.base import Target, TargetRegistry
from regimecast.losses.base import LossRegistry
from regimecast.models.base import BaseTimeSeriesModel, ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.regimes.base import RegimeLabeller, RegimeRegistry
from regimecast.splits.base import Fold, SplitRegistry, Splitter
from regimecast.splits.purging import PurgeRule
from regimecast.tracking.base import Tracker, TrackerRegistry
from regimecast.training.compiling import check_compile
from regimecast.training.progress import FoldProgress
from regimecast.training.seeding import seeded
from regimecast.training.threads import check_threads
from regimecast.training.trainer import ModelTrainer
from regimecast.weighting.base import Sampling, SamplingRegistry, Weighting, WeightingRegistry

__all__ = ["TOP_LEVEL", "Assembly"]

TOP_LEVEL: tuple[str, ...] = (
    "callbacks", "changes", "cleaning", "compile", "conformal", "cost", "data", "feature_cache",
    "features", "gate", "ledger", "loss", "missing_features", "model", "optimizer", "regime",
    "runs", "sampling", "scheduler", "seed", "split", "strategy", "study", "target", "threads",
    "tracker", "trainer", "warm_start", "weighting", "window",
)  # fmt: skip
"""Every key that a config may have at the top; anything else is an error."""

_WINDOW: Mapping[str, Any] = {
    "context_length": int,
    "batch_size": int,
    "num_workers": int,
    "clip": float,
    "asset_identity": bool,
    "shuffle": Shuffle,
    "placement": Placement,
    "mapped_folder": str | None,
}
_FAMILIES: Any = Mapping[str, Mapping[str, Any]]
"""Groups of which several options are chosen: the parameters of each by its name."""


@dataclass(frozen=True, eq=False)
class Assembly:
    """The parts that a config names, not yet fed with data.

    What is fitted on a fold (model, loss, regimes) is made anew for every fold.
    """

    config: Mapping[str, Any]
    source: Source
    cleaning: CleaningSettings
    feature_cache: FeatureCache
    pipeline: FeaturePipeline
    target: Target
    weightings: Sequence[Weighting]
    sampling: Sampling
    splitter: Splitter
    conformal: Conformal
    tracker: Tracker
    strategy: Strategy
    cost: CostModel
    gate: Gate

    @classmethod
    def from_config(cls, config: Mapping[str, Any], *, trains: bool = True) -> "Assembly":
        """Parts of a resolved config of plain values.

        Args:
            config: see ``conf/train.yaml``; without ``features`` a model sees the history alone.
            trains: whether training follows, and its hardware has to be here.

        Raises:
            ConfigError: a key or a name is unknown, a parameter is unknown, missing or out of
                range, or parts do not fit each other: target, loss, model and strategy.
            LeakageError: the split would let the label reach across a border.
        """
        if "features" not in config:  # Hydra leaves out a group of which none is chosen
            config = {**config, "features": {}}
        check_keys("config", config, TOP_LEVEL)
        check_keys("window", config["window"], tuple(_WINDOW))
        for key, kind in _WINDOW.items():
            fitting(f"window.{key}", config["window"][key], kind)
        missing = fitting("missing_features", config["missing_features"], Missing)
        features = fitting("features", config["features"], _FAMILIES)
        weighting = fitting("weighting", config["weighting"], _FAMILIES)
        check_compile(config["compile"])
        check_threads(config["threads"])
        check_int("seed", config["seed"], minimum=0)
        window = config["window"]
        check_int("window.context_length", window["context_length"], minimum=1)
        check_loading(window["batch_size"], window["num_workers"], window["placement"])
        check_clip(float(window["clip"]))
        Store(window["placement"], window["mapped_folder"]).check(rows=0, columns=0)
        target: Target = component(TargetRegistry, "target", config)
        splitter: Splitter = component(SplitRegistry, "split", config)
        splitter.check(label_bars=target.label_bars)
        check_warm_start(config, splitter)
        check_changes(config)
        cache = shared_cache(settings(FeatureCacheSettings, "feature_cache", config))
        assembly = cls(
            config=config,
            source=component(SourceRegistry, "data", config),
            cleaning=settings(CleaningSettings, "cleaning", config),
            feature_cache=cache,
            pipeline=CachedFeaturePipeline(features, missing=missing, cache=cache),
            target=target,
            weightings=[
                WeightingRegistry.create(name, **params) for name, params in weighting.items()
            ],
            sampling=component(SamplingRegistry, "sampling", config),
            splitter=splitter,
            conformal=component(ConformalRegistry, "conformal", config),
            tracker=component(TrackerRegistry, "tracker", config),
            strategy=component(StrategyRegistry, "strategy", config),
            cost=settings(CostModel, "cost", config),
            gate=settings(Gate, "gate", config),
        )
        if assembly.gate.rules and not target.tradable:
            raise ConfigError(
                f"gate={assembly.gate.name} judges a backtest, and target={target.name} does not "
                "say which way to trade; allowed: gate=none"
            )
        assembly.regime()
        trainer = assembly.trainer()
        # Built with the data's spec later; their names and parameters can be checked now.
        name, params = split_name(config["model"], "model")
        ModelRegistry.check(name, params, given=("spec", "loss"))
        name, params = split_name(config["loss"], "loss")
        LossRegistry.check(name, params, given=("spec",))
        if trains:
            trainer.rehearse()
        assembly.rehearsed_model()
        return assembly

    def rehearsed_model(self) -> BaseTimeSeriesModel:
        """The model for the plainest data: target, loss, model and strategy fit each other.

        Raises:
            ConfigError: they do not, and nothing need be trained to know.
        """
        target = self.target
        spec = DataSpec(
            task=target.task,
            context_length=self.config["window"]["context_length"],
            horizon=target.horizon,
            past=("history",),
            known=(),
            static=(),
            assets=("any",),
            frequency="1D",
            bars_per_year=252.0,
            classes=target.classes,
            target=target.name,
        )
        name, params = split_name(self.config["model"], "model")
        try:
            model = ModelRegistry.create(name, spec=spec, loss=self.config["loss"], **params)
            if isinstance(model, NeuralModel):
                with seeded(self.seed):
                    model.build_network()
            self.conformal.check(model.loss.kind, model.loss.levels, spec.horizon)
            if self.trading is not None:
                self.trading.check(
                    model.loss.kind, self.conformal.levels(model.loss.levels), spec.horizon
                )
            return model
        except SpecError as error:
            raise ConfigError(str(error)) from error
        except RegimecastError:
            raise
        except Exception as error:
            shown = ", ".join(f"{key}={value!r}" for key, value in params.items())
            raise ConfigError(
                f"model {name!r} cannot be built: {type(error).__name__}: {error}. Given: {shown}"
            ) from error

    @property
    def trading(self) -> Strategy | None:
        """What trades on the forecasts; None where the target does not say which way."""
        return self.strategy if self.target.tradable else None

    @property
    def seed(self) -> int:
        """Seed of the run."""
        return int(self.config["seed"])

    @property
    def warm_start(self) -> bool:
        """Whether each fold's network begins with the weights of the fold before."""
        return bool(self.config["warm_start"])

    def market(self, bars: Panel) -> MarketData:
        """Features and target of the bars."""
        window = self.config["window"]
        return MarketData.build(
            bars,
            pipeline=self.pipeline,
            target=self.target,
            context_length=window["context_length"],
            asset_identity=window["asset_identity"],
            store=Store(window["placement"], window["mapped_folder"]),
        )

    def folds(self, samples: Samples) -> list[Fold]:
        """Folds of the splitter, with a part for calibration where intervals are calibrated.

        Raises:
            DataError: a part would be empty or too small.
        """
        split = self.config["split"]
        rule = PurgeRule.parse(split.get("purge", "auto"), split.get("embargo", 0))
        folds = self.splitter.split(samples)
        return [self.conformal.divide(fold, samples, rule) for fold in folds]

    def modules(self, market: MarketData, folds: Sequence[Fold]) -> Iterator[FinancialDataModule]:
        """One data module per fold."""
        window = self.config["window"]
        for number, fold in enumerate(folds):
            yield FinancialDataModule(
                market,
                fold,
                number=number,
                regime=self.regime(),
                weightings=self.weightings,
                sampling=self.sampling,
                batch_size=window["batch_size"],
                num_workers=window["num_workers"],
                clip=float(window["clip"]),
                seed=self.seed,
                shuffle=window["shuffle"],
                placement=window["placement"],
            )

    def model(
        self, data: FinancialDataModule, earlier: BaseTimeSeriesModel | None = None
    ) -> BaseTimeSeriesModel:
        """A fresh model for the fold.

        Args:
            data: the fold.
            earlier: trained network with whose weights it begins, with `warm_start` that of the
                fold before; none for weights of its own.
        """
        name, params = split_name(self.config["model"], "model")
        model = ModelRegistry.create(name, spec=data.spec, loss=self.config["loss"], **params)
        if isinstance(model, NeuralModel) and isinstance(earlier, NeuralModel):
            model.start_from(earlier)
        return model

    def regime(self) -> RegimeLabeller:
        """A fresh regime labeller."""
        labeller: RegimeLabeller = component(RegimeRegistry, "regime", self.config)
        return labeller

    def trainer(
        self,
        *,
        fold: int = 0,
        logger: Logger | None = None,
        folder: Path | None = None,
        progress: FoldProgress | None = None,
        origin: Mapping[str, Any] | None = None,
        resumes: bool = False,
    ) -> ModelTrainer:
        """How to train, with a seed of the fold's own."""
        config = self.config
        return ModelTrainer(
            trainer=config["trainer"],
            callbacks=config["callbacks"],
            optimizer=config["optimizer"],
            scheduler=config["scheduler"],
            compile=config["compile"],
            seed=derive_seed(self.seed, fold) if fold else self.seed,
            logger=logger,
            folder=folder,
            progress=progress,
            origin=origin or {},
            changes=config["changes"],
            resumes=resumes,
        )
