"""One fold of a run: its model is trained, or read back where an earlier attempt has trained it."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from regimecast.assembly import Assembly
from regimecast.core.files import read_json, write_json
from regimecast.core.seeding import derive_seed
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.conformal.base import Calibrated, Forecaster, Member
from regimecast.evaluation.validation import validation_scores
from regimecast.models.base import BaseTimeSeriesModel, FitReport, ModelRegistry, load_model
from regimecast.models.neural import NeuralModel
from regimecast.saved_folds import mark_done, member_folder, read_done, read_fold
from regimecast.tracking.lightning import TrackerLogger
from regimecast.training.progress import FoldProgress
from regimecast.training.trainer import ModelTrainer

__all__ = ["FoldJob", "FoldResult", "epochs_of_fold", "read_validation"]

_log = logging.getLogger(__name__)

_VALIDATION = "validation.json"
"""Beside a fold's model: its scores on the validation part."""


@dataclass(frozen=True, eq=False)
class FoldResult:
    """What a fold leaves behind."""

    model: BaseTimeSeriesModel
    calibrated: Calibrated
    """Forecast of the test part."""
    row: dict[str, Any]
    """Its entry in ``metrics.json``."""
    logged: int | None
    """How far the run's log had come when its model was trained, see `Tracker.place`."""


@dataclass(frozen=True, eq=False)
class FoldJob:
    """A fold in its folder."""

    parts: Assembly
    data: FinancialDataModule
    folder: Path
    progress: FoldProgress
    origin: Mapping[str, Any]
    """What decides the run, see `Checkpoints`."""
    resumed: bool
    """Whether an earlier attempt may have left something in the folder."""

    def run(
        self, earlier: BaseTimeSeriesModel | None = None, *, logged: int | None = None
    ) -> FoldResult:
        """The fold's model and its forecast.

        Args:
            earlier: see `Assembly.model`.
            logged: how far the run's log had come when the fold before was done.
        """
        origin = {**self.origin, "fold": self.data.number}
        logger = TrackerLogger(self.parts.tracker, fold=self.data.number)
        trainer = self.parts.trainer(
            fold=self.data.number,
            logger=logger,
            folder=self.folder,
            progress=self.progress,
            origin=origin,
            resumes=self.resumed,
        )
        mark = read_done(self.folder, origin) if self.resumed else None
        if mark is None:
            self._rewind(trainer, logged)
            model = self.parts.model(self.data, earlier)
            row = self._trained(trainer, model)
            logged = self.parts.tracker.place
            epochs = row["fit"]["epochs"]
            mark_done(self.folder, origin, epochs=epochs, row=row, logged=logged)
        else:
            model, row, logged = read_fold(self.folder, self.data), mark["row"], mark["logged"]
            _log.info("fold %d: read back, trained by an earlier attempt", self.data.number)
        calibrated = self.parts.conformal.calibrate(
            self.data, model.predict, self._members(trainer)
        )
        if calibrated.state:
            write_json(self.folder / "conformal.json", calibrated.state)
        return FoldResult(model, calibrated, row, logged)

    def _rewind(self, trainer: ModelTrainer, logged: int | None) -> None:
        """Drops what an earlier attempt has logged and will be logged again."""
        kept = trainer.checkpoints
        if self.resumed and kept is not None and kept.newest() is not None:
            logged = kept.logged()
        if self.resumed and logged is not None:
            self.parts.tracker.rewind(logged)

    def _trained(self, trainer: ModelTrainer, model: BaseTimeSeriesModel) -> dict[str, Any]:
        """Trains and saves the model; returns the fold's entry in the metrics."""
        data, folder = self.data, self.folder
        report = trainer.train(model, data)
        model.save(folder)
        self._validate(model)
        write_json(folder / "preprocessing.json", data.state())
        _log.info(
            "fold %d: trained in %.1f s, %d epochs, best validation %s",
            data.number,
            report.seconds,
            report.epochs,
            "none" if report.best_score is None else f"{report.best_score:.5f}",
        )
        weights = data.weight_report
        _log.info(
            "fold %d: %d of %d samples unique, effective size %.0f; emphasis %s",
            data.number,
            weights.unique,
            weights.samples,
            weights.effective_size,
            ", ".join(
                f"{regime} {share.emphasis:.2f}"
                for regime, share in weights.regimes.items()
                if share.emphasis is not None
            ),
        )
        return _row(data, report)

    def _validate(self, model: BaseTimeSeriesModel) -> None:
        """Writes down how the model does on the fold's validation part, if there is one."""
        data = self.data
        if not len(data.fold.validation):
            return
        scores = validation_scores(
            model.predict(data, "validation"),
            data.outcomes("validation"),
            data.market.bars,
            strategy=self.parts.trading,
            cost=self.parts.cost,
        )
        write_json(self.folder / _VALIDATION, {"val/loss": self.progress.best, **scores})

    def _members(self, trainer: ModelTrainer) -> Member:
        """Trains and saves further models of the fold, where calibration needs an ensemble."""

        def trained(number: int, data: FinancialDataModule) -> Forecaster:
            into = member_folder(self.folder, number)
            origin = {**trainer.origin, "member": number}
            if self.resumed and read_done(into, origin) is not None:
                return load_model(into, spec=data.spec).predict
            model = self.parts.model(data)
            seed = derive_seed(trainer.seed, 1 + number)
            own = replace(
                trainer, seed=seed, logger=None, folder=into, progress=None, origin=origin
            )
            report = own.train(model, data)
            model.save(into)
            mark_done(into, origin, epochs=report.epochs)
            return model.predict

        return trained


def read_validation(folder: Path) -> dict[str, Any]:
    """Scores of a fold's model on its validation part; empty where it has none."""
    path = folder / _VALIDATION
    return dict(read_json(path)) if path.exists() else {}


def _row(data: FinancialDataModule, report: FitReport) -> dict[str, Any]:
    fold = data.fold
    return {
        "fold": data.number,
        "train": len(data.split("train")),
        "validation": len(fold.validation),
        **({} if fold.calibration is None else {"calibration": len(fold.calibration)}),
        "test": len(fold.test),
        "purged": fold.purged,
        "purged_validation": fold.purged_validation,
        "weights": data.weight_report.to_json(),
        "fit": asdict(report),
    }


def epochs_of_fold(config: Mapping[str, Any]) -> int | None:
    """Most epochs that a fold may take; None for a model that has none, or for no limit."""
    most = config["trainer"].get("max_epochs")
    neural = issubclass(ModelRegistry.get(config["model"]["name"]), NeuralModel)
    return int(most) if neural and most is not None and most > 0 else None
