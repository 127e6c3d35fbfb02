"""`ModelTrainer`: how to train, from config to a trained module.

    trainer = ModelTrainer.default()
    report = trainer.train(model, data)
    forecast = model.predict(data, "test")

Optimizer, schedule, callbacks and Lightning's own Trainer come from config; nothing about them is
decided here but what a config cannot know: where the run's files go, whether anyone watches.
"""

import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, EarlyStopping, ProgressBar
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from regimecast.core.seeding import derive_seed
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.loading import BatchLoader
from regimecast.losses.base import Loss
from regimecast.training.allocation import freed_memory_kept
from regimecast.training.callbacks.apply_changes import ApplyChanges
from regimecast.training.callbacks.best_weights import BestWeights
from regimecast.training.callbacks.checkpoint import TrainingCheckpoint
from regimecast.training.callbacks.epoch_loss import EpochLoss
from regimecast.training.callbacks.history import History
from regimecast.training.callbacks.report_progress import ReportProgress
from regimecast.training.changes import Change, parse_changes
from regimecast.training.checkpoints import Checkpoints
from regimecast.training.checks import (
    check_made,
    check_monitor,
    check_strategy,
    check_together,
    check_trained,
    check_unwatched,
    lacks_validation,
)
from regimecast.training.compiling import Compile, check_compile, compile_explained
from regimecast.training.defaults import default_settings
from regimecast.training.lightning import confine, explained, interruptible, quiet
from regimecast.training.module import ForecastModule
from regimecast.training.parts import make_callbacks, make_optimizer, make_schedule, make_trainer
from regimecast.training.processes import Tell, in_processes
from regimecast.training.progress import FoldProgress, Relayed, RelayedReports, Reports
from regimecast.training.relay import Relay
from regimecast.training.report import FitReport
from regimecast.training.resuming import place_in_epoch
from regimecast.training.seeding import seeded
from regimecast.training.step_profile import StepProfile
from regimecast.training.unprofiled import Unprofiled

__all__ = ["ModelTrainer", "Trainable"]


@runtime_checkable
class Trainable(Protocol):
    """What `ModelTrainer` asks of a model; every model of the registry fits."""

    def fit(self, data: FinancialDataModule, trainer: "ModelTrainer | None" = None) -> FitReport:
        """Trains on ``train`` and stops early on ``validation``."""


@dataclass(frozen=True, kw_only=True)
class ModelTrainer:
    """Everything about training that is not the model, the loss or the data.

    It holds config only, so one object trains any number of models, each with fresh callbacks.

    Raises:
        ConfigError: a target is not allowed or does not take a parameter, or a callback or the
            scheduler monitors a metric that is never logged.
    """

    trainer: Mapping[str, Any]
    """Config of Lightning's Trainer."""
    callbacks: Mapping[str, Mapping[str, Any] | None]
    """Configs of callbacks by a name of one's own; null leaves one out."""
    optimizer: Mapping[str, Any]
    """Config of the optimizer, partial: it still lacks the parameters to optimise."""
    scheduler: Mapping[str, Any] | None
    """Config of the schedule with Lightning's interval, frequency and monitor beside it."""
    compile: Compile
    """Whether training steps run compiled; ``auto``: where the model was measured to gain by it."""
    seed: int
    """Seeds weights, dropout and workers; see `derive_seed` for one per fold."""
    logger: Logger | Sequence[Logger] | None = None
    """Lightning loggers, already made; none by default."""
    folder: Path | None = None
    """Folder that receives weights while it trains; None writes nothing."""
    progress: FoldProgress | None = None
    """Where a model says how it does on validation data; None is nowhere."""
    origin: Mapping[str, Any] = field(default_factory=dict)
    """What decides a training beside its seed and its network: see `Checkpoints`."""
    changes: Sequence[Mapping[str, Any]] = ()
    """Numbers of the optimizer that change on the way; see `parse_changes`."""
    resumes: bool = False
    """Whether a training goes on from the checkpoint that an earlier attempt left in the folder."""

    def __post_init__(self) -> None:
        for callback in self._callbacks():
            check_monitor(getattr(callback, "monitor", None), type(callback).__name__)
        make_optimizer(self.optimizer)
        check_monitor(getattr(make_schedule(self.scheduler), "monitor", None), "scheduler")
        make_trainer({**self.trainer, "_partial_": True})
        check_strategy(self.trainer)
        check_compile(self.compile)
        self._parsed_changes()

    def rehearse(self) -> None:
        """Nothing, if the libraries take what they will be given; for a check before data are read.

        Raises:
            ConfigError: a value is out of range, or the trainer asks for hardware that is not here.
        """
        with quiet():
            self._build([], alone=True)
        check_made(make_optimizer(self.optimizer), make_schedule(self.scheduler))
        for change in self._parsed_changes():
            check_made(make_optimizer({**self.optimizer, **change.values}), None)

    @classmethod
    def default(cls, *, seed: int = 0) -> "ModelTrainer":
        """The packaged config: at most 20 epochs, early stopping, AdamW, constant rate."""
        return cls(seed=seed, **default_settings())

    @property
    def patience(self) -> int | None:
        """Epochs without improvement before stopping; None where training never stops early."""
        stops = (c for c in self._callbacks() if isinstance(c, EarlyStopping))
        return next((int(stop.patience) for stop in stops), None)

    @property
    def checkpoints(self) -> Checkpoints | None:
        """What a training in the folder can be resumed from; None without a folder."""
        if self.folder is None:
            return None
        return Checkpoints(self.folder, {**self.origin, "seed": self.seed})

    def train(self, model: Trainable, data: FinancialDataModule) -> FitReport:
        """What `model.fit` reports, trained this way; works for boosters and baselines too.

        Raises:
            ConfigError: somebody watches the validation objective, and there is none.
            Pruned: whoever watches has stopped it.
        """
        if self.progress is None:
            return model.fit(data, self)
        report = model.fit(data, self)
        self.progress.check_made()
        return report

    def build_module(self, network: nn.Module, loss: Loss) -> ForecastModule:
        """A network ready for `fit_module`."""
        optimizer, schedule = make_optimizer(self.optimizer), make_schedule(self.scheduler)
        return ForecastModule(network, loss, optimizer=optimizer, schedule=schedule)

    def fit_module(
        self,
        module: ForecastModule,
        data: FinancialDataModule,
        *,
        compile_pays_from: Mapping[str, int] | None = None,
        resume: Path | None = None,
    ) -> FitReport:
        """Trains the module in place; it ends with the best weights, on the CPU.

        Several devices train in a process each; all else happens here, once. A script that asks for
        them needs ``if __name__ == "__main__":``, since new processes import it. Seeding is the
        caller's: weights were drawn before this.

        Args:
            module: network and loss.
            data: what to train on.
            compile_pays_from: steps from which compiling was measured to pay, by kind of device.
            resume: checkpoint to go on from, on the same data and config; the folder's own where
                left out and the trainer `resumes`. In one process the rest is then to the bit what
                it would have been, from a `TrainingCheckpoint`'s in any case. (One of Lightning's
                `ModelCheckpoint` made right after the last step of an epoch has not seen its end:
                Lightning goes on with the next epoch, and this one is not validated.)

        Raises:
            SpecError: the checkpoint is damaged or of another training.
            ConfigError: a callback watches validation and there is none, a callback that writes
                has no folder, Lightning refuses the config or the compiler the network, or no
                training step is made.
            NonFiniteError: the loss became NaN or infinite.
            ChildProcessError: one of several training processes died.
            KeyboardInterrupt: Ctrl-C; Lightning itself would exit the interpreter.
        """
        started = perf_counter()
        kept = self.checkpoints
        if resume is None and self.resumes and kept is not None:
            resume = kept.newest()
        module.compile_choice = self.compile
        module.compile_pays_from = compile_pays_from or {}
        # Overfitting is asked for in order to see the same batches again.
        train = data.loader("train", shuffle=not self.trainer.get("overfit_batches"))
        lack = lacks_validation(self.trainer, len(data.split("validation")))
        if lack:
            check_unwatched((*self._callbacks(), make_schedule(self.scheduler)), lack)
            if self.progress is not None:
                self.progress.check_possible(lack)
        validation = None if lack else data.val_dataloader()
        with quiet():
            processes = self._build([], alone=True).num_devices
        if processes == 1:
            report = self._fit(
                module, train, validation, reports=self.progress, alone=True, resume=resume
            )
        else:
            check_together(self._callbacks())
            # Loggers and reports stay here: they hold open files and connections.
            sent = (
                replace(self, logger=None, progress=None),
                (bool(self.logger), self.progress is not None),
                module,
                train,
                validation,
                resume,
            )
            trained = in_processes(processes, partial(_fit_share, *sent), hear=self._hear)
            report, module.trained_on = trained.report, trained.device
            module.load_state_dict(trained.state)
            for logger in self._loggers:
                logger.finalize("success")
        return replace(report, seconds=report.seconds + perf_counter() - started)

    def _fit(
        self,
        module: ForecastModule,
        train: BatchLoader,
        validation: BatchLoader | None,
        *,
        reports: Reports | None,
        alone: bool,
        resume: Path | None,
    ) -> FitReport:
        """Lightning's fit in this process, with others of its group unless it is alone.

        The seconds of what it returns are those of earlier attempts.
        """
        callbacks = self._callbacks()
        history = next((c for c in callbacks if isinstance(c, History)), None)
        best = next((c for c in callbacks if isinstance(c, BestWeights)), None)
        if best is not None:
            best.folder = self.folder
        confine(callbacks, self.folder)
        first = [c for c in callbacks if isinstance(c, TrainingCheckpoint)]
        for checkpoint in first:
            checkpoint.kept = self.checkpoints
        begin: list[Callback] = [*first]
        if changes := self._parsed_changes():
            begin.append(ApplyChanges(changes, self.optimizer))
        if reports is not None:
            callbacks.append(ReportProgress(reports))
        with quiet(), interruptible(), explained(), compile_explained(self.compile):
            rest = [c for c in callbacks if c not in first]
            trainer = self._build([*begin, EpochLoss(), *rest], alone=alone)
            profiler = trainer.profiler  # type: ignore[attr-defined]  # set by a connector
            if isinstance(profiler, StepProfile):
                profiler.watch(module, folder=self.folder)
            if resume is not None:
                train.load_state_dict(place_in_epoch(resume, module))
            with freed_memory_kept():
                trainer.fit(module, train, validation, ckpt_path=resume, weights_only=True)
        check_trained(self.trainer, trainer.global_step)
        module.trained_on = trainer.strategy.root_device
        if best is not None:
            best.restore(module)
        return FitReport(
            seconds=sum((checkpoint.seconds for checkpoint in first), 0.0),
            epochs=trainer.current_epoch,
            best_epoch=best.epoch if best else None,
            best_score=best.score if best else None,
            parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
            history=history.rows if history else [],
            compiled=module.compiled is not None,
        )

    def _build(self, callbacks: list[Callback], *, alone: bool) -> Trainer:
        config = dict(self.trainer)
        if alone and isinstance(config.get("strategy"), str):
            config["strategy"] = "auto"  # no group of one
        # Lightning's default is to record nothing, at a price.
        config["profiler"] = config.get("profiler") or Unprofiled()
        return make_trainer(
            config,
            callbacks=callbacks,
            logger=self.logger or False,
            default_root_dir=self.folder,
            enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks),
            enable_progress_bar=any(isinstance(c, ProgressBar) for c in callbacks),
            enable_model_summary=False,
            # Processes and their shares of the data are made here, not by Lightning or a cluster.
            use_distributed_sampler=False,
            plugins=[LightningEnvironment()],
        )

    def _parsed_changes(self) -> tuple[Change, ...]:
        return parse_changes(self.changes, self.optimizer, self.scheduler)

    @property
    def _loggers(self) -> Sequence[Logger]:
        return [self.logger] if isinstance(self.logger, Logger) else self.logger or []

    def _hear(self, message: Relayed | tuple[dict[str, float], int | None]) -> None:
        """Reports or logs what a training process relays."""
        if isinstance(message, Relayed):
            assert self.progress is not None
            message.repeat(self.progress)
            return
        metrics, step = message
        for logger in self._loggers:
            logger.log_metrics(metrics, step)
            logger.save()

    def _callbacks(self) -> list[Callback]:
        return make_callbacks(self.callbacks, logged=bool(self.logger))


@dataclass(frozen=True, eq=False)
class _Trained:
    """What a training process hands back."""

    report: FitReport
    state: dict[str, Tensor]
    device: torch.device


def _fit_share(
    trainer: ModelTrainer,
    relayed: tuple[bool, bool],
    module: ForecastModule,
    train: BatchLoader,
    validation: BatchLoader | None,
    resume: Path | None,
    tell: Tell,
) -> _Trained:
    """The work of one of several training processes."""
    # What came with the work is memory that all processes share. They are to share data, but each
    # updates weights of its own.
    module = deepcopy(module)
    logged, reported = relayed
    trainer = replace(trainer, logger=Relay(tell) if logged else None)
    reports = RelayedReports(tell) if reported else None
    with seeded(derive_seed(trainer.seed, int(os.environ["LOCAL_RANK"]))):
        report = trainer._fit(
            module, train, validation, reports=reports, alone=False, resume=resume
        )
    state = {name: value.cpu() for name, value in module.state_dict().items()}
    return _Trained(report, state, module.trained_on)
