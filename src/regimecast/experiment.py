"""One experiment from config to report: the only place that knows every room.

result = run("model=nhits", "data=sp500")
result.metrics["forecast"]["test/pinball"]
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from regimecast.assembly import Assembly
from regimecast.core.config import config_folder, plain
from regimecast.core.files import atomic_path, write_json, write_text
from regimecast.core.hashing import hash_array, hash_file, hash_json
from regimecast.core.types import Forecast, Outcomes
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.evaluation.judge import Judgement, judge, predictions_frame, write_predictions
from regimecast.models.base import FitReport
from regimecast.report.html import write_run_report
from regimecast.splits.base import Fold
from regimecast.splits.preflight import preflight, preflight_table
from regimecast.tracking.base import INTERRUPTED, Tracker
from regimecast.tracking.folder import RunFolder
from regimecast.tracking.lightning import TrackerLogger
from regimecast.tracking.manifest import code_version, environment

__all__ = ["RunResult", "compose", "execute", "run"]

_log = logging.getLogger(__name__)

_NOT_IN_NAME = ("runs=", "study=", "tracker=", "tracker.", "hydra/", "hydra.")
"""Overrides that say where a run is kept, not what it is."""


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
    returns: pd.DataFrame
    """Per-bar returns after costs; content of ``returns.parquet``."""

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


def compose(*overrides: str) -> dict[str, Any]:
    """Resolved config of the packaged defaults and these overrides, as plain values.

    Raises:
        hydra.errors.HydraException: an override does not parse or names something unknown.
        ConfigError: a value that has no default is missing.
    """
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = hydra_compose("train", overrides=list(overrides))
    return plain(config)


def run(*overrides: str) -> RunResult:
    """One run in this process, the same as ``regimecast train OVERRIDES``."""
    return execute(compose(*overrides), overrides=overrides)


def execute(
    config: Mapping[str, Any], *, overrides: Sequence[str] = (), number: int | None = None
) -> RunResult:
    """One run of a resolved config.

    Args:
        config: plain values with the keys of ``conf/train.yaml``.
        overrides: what the user changed; names the job.
        number: number of the job in a sweep.

    Raises:
        RegimecastError: config or data are not usable; nothing was trained.
    """
    # What is wrong with a single run's config is said before it leaves a folder behind. A job of a
    # sweep leaves one in any case, so that the leaderboard lists it.
    parts = Assembly.from_config(config) if number is None else None
    study = Path(str(config["runs"])) / str(config["study"])
    with RunFolder(study, job_name(overrides, number)) as folder:
        job = folder.path.name
        write_text(folder.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(config))))
        folder.update(
            job=job,
            study=str(config["study"]),
            overrides=list(overrides),
            config_sha256=_config_hash(config),
            seed=config["seed"],
            code=code_version(),
            environment=environment(),
        )
        parts = parts or Assembly.from_config(config)
        parts.tracker.start(study=study.name, job=job, config=config, folder=folder.path)
        try:
            result = _Job(parts, folder, job, overrides).run()
        except BaseException as error:
            _abandon(parts.tracker, 1 if isinstance(error, Exception) else INTERRUPTED)
            raise
        parts.tracker.finish(0)
    return result


def job_name(overrides: Sequence[str], number: int | None) -> str:
    """Folder name of a job: its number in a sweep and what was changed, safe on any file system."""
    changes = [o for o in overrides if not o.lstrip("+~").startswith(_NOT_IN_NAME)]
    text = ",".join(changes) or "defaults"
    safe = "".join(c if c.isalnum() or c in "=,.-+" else "_" for c in text)[:80].strip("._")
    return safe if number is None else f"{number:03d}_{safe}"


def _abandon(tracker: Tracker, exit_code: int) -> None:
    """Closes the tracker of a run that ended with an error."""
    try:
        tracker.finish(exit_code)
    except Exception as error:  # noqa: BLE001  # the run's own error is the one to show
        _log.warning("tracker %s could not be closed: %s", tracker.name, error)


def _config_hash(config: Mapping[str, Any]) -> str:
    """Hash of what decides the result: where it is written and how it is tracked do not."""
    kept = {k: v for k, v in config.items() if k not in {"runs", "study", "tracker"}}
    return hash_json(kept)


class _Job:
    """The stages of one run, each leaving its files in the run folder."""

    def __init__(
        self, parts: Assembly, folder: RunFolder, job: str, overrides: Sequence[str]
    ) -> None:
        self.parts = parts
        self.folder = folder
        self.job = job
        self.overrides = list(overrides)
        self.started = time.perf_counter()

    def run(self) -> RunResult:
        market = self._market()
        samples = market.samples(complete=True)
        folds = self.parts.splitter.split(samples)
        rows = preflight(folds, samples)
        self.folder.update(preflight=[_plain_row(row) for row in rows])
        _log.info("windows of each part, known before training:\n%s", preflight_table(rows))
        forecasts, outcomes, reports = [], [], []
        for data in self.parts.modules(market, folds):
            forecast, report = self._fold(data)
            forecasts.append(forecast)
            outcomes.append(data.outcomes("test"))
            reports.append(_fold_row(data, report))
        return self._judge(market, forecasts, outcomes, reports)

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
            _log.info("%d kinds of oddities flagged and kept; see manifest.json", flagged)
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
                "cleaning": report.to_json(),
                "spec": spec.to_json(),
            }
        )
        return market

    def _fold(self, data: FinancialDataModule) -> tuple[Forecast, FitReport]:
        """A fresh model, trained on the fold, saved, and its forecast of the test part."""
        logger = TrackerLogger(self.parts.tracker, fold=data.number)
        folder = self.folder.path / "checkpoints" / f"fold={data.number}"
        trainer = self.parts.trainer(fold=data.number, logger=logger, folder=None)
        model = self.parts.model(data)
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
        return trainer.evaluate(model, data, "test"), report

    def _judge(
        self,
        market: MarketData,
        forecasts: list[Forecast],
        outcomes: list[Outcomes],
        reports: list[dict[str, Any]],
    ) -> RunResult:
        parts = self.parts
        forecast = Forecast.concatenate(forecasts)
        happened = Outcomes.concatenate(outcomes)
        judgement: Judgement = judge(
            forecast,
            happened,
            market.bars,
            strategy=parts.strategy,
            cost=parts.cost,
            gate=parts.gate,
        )
        path = self.folder.path
        fold = np.repeat(np.arange(len(forecasts)), [len(part) for part in forecasts])
        write_predictions(path / "predictions.parquet", predictions_frame(forecast, happened, fold))
        with atomic_path(path / "returns.parquet") as temporary:
            judgement.returns.to_parquet(temporary, index=False)
        metrics: dict[str, Any] = {
            "job": self.job,
            "status": "finished",
            "overrides": self.overrides,
            "model": parts.config["model"]["name"],
            "loss": parts.config["loss"]["name"],
            "weighting": list(parts.config["weighting"]),
            "sampling": parts.config["sampling"]["name"],
            "data": parts.config["data"]["name"],
            "seed": parts.seed,
            "task": str(market.spec.task),
            **judgement.metrics,
            "folds": reports,
            "seconds": time.perf_counter() - self.started,
        }
        write_json(path / "metrics.json", metrics)
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
        parts.tracker.log_metrics(_numbers(judgement.metrics))
        report = write_run_report(path)
        parts.tracker.log_files([path / "config.yaml", path / "metrics.json", report])
        return RunResult(path, metrics, forecast, happened, judgement.returns)


def _fold_row(data: FinancialDataModule, report: FitReport) -> dict[str, Any]:
    fold: Fold = data.fold
    return {
        "fold": data.number,
        "train": len(data.split("train")),
        "validation": len(fold.validation),
        "test": len(fold.test),
        "purged": fold.purged,
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
