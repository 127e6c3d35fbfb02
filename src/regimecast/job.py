"""The stages of one run: data, folds, judgement; each leaves its files in the run folder."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.assembly import Assembly
from regimecast.core.files import atomic_path, write_json
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.hashing import hash_array, hash_file
from regimecast.core.seeding import derive_seed
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.evaluation.conformal.base import Calibrated, Forecaster, Member
from regimecast.evaluation.events import event_metrics
from regimecast.evaluation.folds import judge_folds
from regimecast.evaluation.paths import Paths
from regimecast.evaluation.predictions import write_predictions
from regimecast.models.base import BaseTimeSeriesModel, FitReport
from regimecast.report.html import write_run_report
from regimecast.splits.base import Fold
from regimecast.splits.preflight import preflight, preflight_table
from regimecast.tracking.folder import RunFolder
from regimecast.tracking.lightning import TrackerLogger
from regimecast.tracking.open_trial import OpenTrial
from regimecast.training.trainer import ModelTrainer

__all__ = ["Job", "RunResult"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RunResult:
    """What a finished run leaves behind."""

    folder: Path
    metrics: dict[str, Any]
    """Content of ``metrics.json``."""
    forecast: Forecast
    """Out of sample, all folds."""
    outcomes: Outcomes
    """What happened, row by row beside `forecast`."""
    returns: pd.DataFrame | None
    """Per-bar returns after costs; content of ``returns.parquet``. None where the target is not
    tradable."""

    @property
    def report(self) -> Path:
        """The run's page."""
        return self.folder / "report.html"

    @property
    def score(self) -> float | None:
        """Mean validation objective of the folds' best checkpoints; lower is better."""
        scores = [fold["fit"]["best_score"] for fold in self.metrics["folds"]]
        known = [score for score in scores if score is not None]
        return sum(known) / len(known) if known else None

    @property
    def figures(self) -> dict[str, Any]:
        """The report's figures by name, for notebooks."""
        from regimecast.report.html import run_figures

        return run_figures(self.folder)


class Job:
    """One run of an assembly in an open run folder.

    Args:
        parts: what the config names.
        folder: where files go.
        name: the job's name.
        overrides: what the user changed.
        trial: where the job is counted.
    """

    def __init__(
        self,
        parts: Assembly,
        folder: RunFolder,
        name: str,
        overrides: Sequence[str],
        trial: OpenTrial,
    ) -> None:
        self.parts = parts
        self.folder = folder
        self.name = name
        self.overrides = list(overrides)
        self.trial = trial
        self.started = time.perf_counter()

    def run(self) -> RunResult:
        """The finished run."""
        market = self._market()
        samples = market.samples(complete=True)
        folds = self.parts.folds(samples)
        rows = preflight(folds, samples)
        self.folder.update(preflight=[_plain_row(row) for row in rows])
        _log.info("windows of each part, known before training:\n%s", preflight_table(rows))
        calibrated, outcomes, reports = [], [], []
        earlier: BaseTimeSeriesModel | None = None
        for data in self.parts.modules(market, folds):
            model = self.parts.model(data, earlier)
            said, report = self._fold(model, data)
            earlier = model if self.parts.warm_start else None
            calibrated.append(said)
            outcomes.append(data.outcomes("test"))
            reports.append(_fold_row(data, report))
        _log.info("features: %s", self.parts.feature_cache.statistics())
        return self._judge(market, folds, calibrated, outcomes, reports)

    def _market(self) -> MarketData:
        raw = self.parts.source.load()
        bars, report = clean(raw, settings=self.parts.cleaning)
        for finding in report.findings:
            # What was changed is worth a warning each; what was only noticed is in the manifest.
            if finding.action != "flagged":
                _log.warning(
                    "%s: %d times %s, first %s: %s",
                    finding.asset,
                    finding.count,
                    finding.problem,
                    finding.first,
                    finding.action,
                )
        if flagged := sum(finding.action == "flagged" for finding in report.findings):
            kinds = "kind" if flagged == 1 else "kinds"
            _log.info("%d %s of oddities flagged and kept; see manifest.json", flagged, kinds)
        market = self.parts.market(bars)
        spec = market.spec
        _log.info(
            "%d bars of %s, %s to %s; %d past, %d known and %d static channels",
            bars.n_rows,
            ", ".join(bars.assets[:5]) + (" and more" if bars.n_assets > 5 else ""),
            str(bars.time.min())[:10],
            str(bars.time.max())[:10],
            len(spec.past),
            len(spec.known),
            len(spec.static),
        )
        self.folder.update(
            data={
                "origin": raw.origin,
                "hashes": market.hashes,
                "fingerprint": bars.price_hash,
                "feature_cache": self.parts.feature_cache.statistics().to_json(),
                "cleaning": report.to_json(),
                "spec": spec.to_json(),
            }
        )
        self.trial.judged_on(bars.price_hash, bars.bars_per_year)
        return market

    def _fold(
        self, model: BaseTimeSeriesModel, data: FinancialDataModule
    ) -> tuple[Calibrated, FitReport]:
        """The model trained on the fold, saved, and its forecast of the test part."""
        logger = TrackerLogger(self.parts.tracker, fold=data.number)
        folder = self.folder.path / "checkpoints" / f"fold={data.number}"
        trainer = self.parts.trainer(fold=data.number, logger=logger, folder=folder)
        report = trainer.train(model, data)
        model.save(folder)
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
        members = self._members(trainer, folder)
        calibrated = self.parts.conformal.calibrate(data, model.predict, members)
        if calibrated.state:
            write_json(folder / "conformal.json", calibrated.state)
        return calibrated, report

    def _members(self, trainer: ModelTrainer, folder: Path) -> Member:
        """Trains and saves further models of a fold, where calibration needs an ensemble."""

        def trained(number: int, data: FinancialDataModule) -> Forecaster:
            into, seed = folder / f"member={number}", derive_seed(trainer.seed, 1 + number)
            model = self.parts.model(data)
            replace(trainer, seed=seed, logger=None, folder=into).train(model, data)
            model.save(into)
            return model.predict

        return trained

    def _write_paths(self, paths: Paths) -> None:
        """Returns of the paths that the folds make, in a file where there are several."""
        if (returns := paths.returns()) is not None:
            with atomic_path(self.folder.path / "paths.parquet") as temporary:
                returns.to_parquet(temporary, index=False)
        if len(paths) > 1:
            _log.info(
                "%d paths, Sharpe ratios %s; path %d is the median and is traded",
                len(paths),
                ", ".join("none" if ratio is None else f"{ratio:.2f}" for ratio in paths.sharpe),
                paths.chosen,
            )

    def _judge(
        self,
        market: MarketData,
        folds: list[Fold],
        calibrated: list[Calibrated],
        outcomes: list[Outcomes],
        reports: list[dict[str, Any]],
    ) -> RunResult:
        parts = self.parts
        forecast = Forecast.concatenate([part.forecast for part in calibrated])
        happened = Outcomes.concatenate(outcomes)
        path = self.folder.path
        # Before they are judged: hours of training are not lost to a judgement that fails.
        fold = np.repeat(np.arange(len(calibrated)), [len(part.forecast) for part in calibrated])
        write_predictions(path / "predictions.parquet", forecast, happened, fold)
        found = judge_folds(
            calibrated,
            forecast,
            happened,
            market.bars,
            conformal=parts.conformal,
            strategy=parts.trading,
            cost=parts.cost,
            gate=parts.gate,
            seed=parts.seed,
        )
        judgement = found.judgement
        self._write_paths(found.paths)
        if judgement.returns is None:
            _log.info("no backtest: target=%s does not say which way to trade", market.spec.target)
        else:
            with atomic_path(path / "returns.parquet") as temporary:
                judgement.returns.to_parquet(temporary, index=False)
        metrics: dict[str, Any] = {
            "job": self.name,
            "status": "finished",
            "overrides": self.overrides,
            "model": parts.config["model"]["name"],
            "loss": parts.config["loss"]["name"],
            "weighting": list(parts.config["weighting"]),
            "sampling": parts.config["sampling"]["name"],
            "data": parts.config["data"]["name"],
            "seed": parts.seed,
            "task": str(market.spec.task),
            **found.metrics,
            **found.paths.metrics,
            **_events(folds, [part.forecast for part in calibrated], outcomes, judgement.returns),
            "folds": reports,
            "seconds": time.perf_counter() - self.started,
        }
        write_json(path / "metrics.json", metrics)
        self.folder.update(compiled=[row["fit"]["compiled"] for row in reports])
        checkpoints = sorted((path / "checkpoints").rglob("*"))
        self.folder.update(
            hashes={
                "predictions": hash_array(forecast.values),
                "checkpoints": {
                    str(p.relative_to(path)): hash_file(p) for p in checkpoints if p.is_file()
                },
            }
        )
        self.folder.update(status="finished")  # the report shows it
        parts.tracker.log_metrics(_numbers({**judgement.metrics, "intervals": {}}))
        report = write_run_report(path)
        parts.tracker.log_files([path / "config.yaml", path / "metrics.json", report])
        return RunResult(path, metrics, forecast, happened, judgement.returns)


def _events(
    folds: Sequence[Fold],
    forecasts: Sequence[Forecast],
    outcomes: Sequence[Outcomes],
    returns: pd.DataFrame | None,
) -> dict[str, Any]:
    """Section ``events`` of the metrics, where each fold tests something that happened."""
    events = [fold.event for fold in folds if fold.event is not None]
    if len(events) < len(folds):
        return {}
    return {"events": event_metrics(events, forecasts, outcomes, returns)}


def _fold_row(data: FinancialDataModule, report: FitReport) -> dict[str, Any]:
    fold: Fold = data.fold
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


def _plain_row(row: Any) -> dict[str, Any]:
    return {k: v if isinstance(v, int) else str(v) for k, v in asdict(row).items()}


def _numbers(metrics: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """Nested metrics as flat numbers; the rest is left out."""
    flat: dict[str, float] = {}
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            flat |= _numbers(value, f"{prefix}{key}/")
        elif isinstance(value, int | float):
            flat[f"{prefix}{key}"] = float(value)
    return flat
