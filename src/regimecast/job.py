"""The stages of one run: data, folds, judgement; each leaves its files in the run folder."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.assembly import Assembly
from regimecast.core.files import atomic_path, write_json
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.hashing import hash_file
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.evaluation.conformal.base import Calibrated
from regimecast.evaluation.events import event_metrics
from regimecast.evaluation.folds import judge_folds
from regimecast.evaluation.paths import Paths
from regimecast.evaluation.predictions import write_predictions
from regimecast.evaluation.validation import validation_section
from regimecast.fold_job import FoldJob, epochs_of_fold, read_validation
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.report.html import write_run_report
from regimecast.same_job import check_same_bars, origin_of
from regimecast.splits.base import Fold
from regimecast.splits.preflight import preflight, preflight_table
from regimecast.tracking.folder import RunFolder
from regimecast.tracking.identity import job_identity
from regimecast.tracking.open_trial import OpenTrial
from regimecast.tracking.stage_hashes import StageHashes
from regimecast.training.progress import FILENAME, RunProgress
from regimecast.training.watch import Watch

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
        """The validation objective, which a search goes by; lower is better. None without it."""
        score = self.metrics.get("validation", {}).get("val/loss")
        return None if score is None else float(score)

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
        watch: is told of every step.
        resumed: whether an earlier attempt has left results in the folder.
    """

    def __init__(
        self,
        parts: Assembly,
        folder: RunFolder,
        name: str,
        overrides: Sequence[str],
        trial: OpenTrial,
        *,
        watch: Watch | None = None,
        resumed: bool = False,
    ) -> None:
        self.parts = parts
        self.folder = folder
        self.name = name
        self.overrides = list(overrides)
        self.trial = trial
        most = epochs_of_fold(parts.config)
        self.progress = RunProgress(folder.path / FILENAME, watch, epochs=most)
        self.resumed = resumed
        self.origin: dict[str, Any] = {}
        self.stages = StageHashes()
        self.started = time.perf_counter()

    def run(self) -> RunResult:
        """The finished run."""
        market = self._market()
        samples = market.samples(complete=True)
        folds = self.parts.folds(samples)
        rows = preflight(folds, samples)
        self.folder.update(preflight=[_plain_row(row) for row in rows])
        self.progress.check_possible([len(fold.validation) for fold in folds])
        _log.info("windows of each part, known before training:\n%s", preflight_table(rows))
        calibrated, outcomes, reports = [], [], []
        earlier: BaseTimeSeriesModel | None = None
        logged: int | None = 0
        for data in self.parts.modules(market, folds):
            fold = self._fold(data)
            done = fold.run(earlier, logged=logged)
            earlier, logged = done.model if self.parts.warm_start else None, done.logged
            calibrated.append(done.calibrated)
            self.stages.add_fold(data, fold.folder, done.calibrated.forecast)
            self.folder.update(**self.stages.to_json())
            outcomes.append(data.outcomes("test"))
            reports.append(done.row)
        if self.resumed and logged is not None:
            self.parts.tracker.rewind(logged)
        _log.info("features: %s", self.parts.feature_cache.statistics())
        return self._judge(market, folds, calibrated, outcomes, reports)

    def _market(self) -> MarketData:
        raw = self.parts.source.load()
        self.origin = origin_of(self.parts.config, raw.content_hash)
        check_same_bars(self.folder.manifest, self.origin)
        self.folder.update(
            identity=job_identity(self.parts.config, raw.content_hash), origin=self.origin
        )
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
                "files": {str(path): hash_file(path) for path in self.parts.source.files()},
                "feature_set": market.pipeline.version,
                "fingerprint": bars.price_hash,
                "feature_cache": self.parts.feature_cache.statistics().to_json(),
                "cleaning": report.to_json(),
                "spec": spec.to_json(),
            }
        )
        self.stages.add_market(raw, market)
        self.folder.update(**self.stages.to_json())
        self.trial.judged_on(bars.price_hash, bars.bars_per_year)
        return market

    def _fold(self, data: FinancialDataModule) -> FoldJob:
        return FoldJob(
            self.parts,
            data,
            self.folder.path / "checkpoints" / f"fold={data.number}",
            progress=self.progress.fold(data.number),
            origin=self.origin,
            resumed=self.resumed,
        )

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
            **validation_section(
                [read_validation(path / "checkpoints" / f"fold={row['fold']}") for row in reports],
                [row["fit"] for row in reports],
            ),
            **found.metrics,
            **found.paths.metrics,
            **_events(folds, [part.forecast for part in calibrated], outcomes, judgement.returns),
            "folds": reports,
            "seconds": time.perf_counter() - self.started,
        }
        write_json(path / "metrics.json", metrics)
        self.folder.update(compiled=[row["fit"]["compiled"] for row in reports])
        self.stages.add_judgement(forecast, happened, judgement.returns, metrics)
        self.folder.update(**self.stages.to_json())
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
