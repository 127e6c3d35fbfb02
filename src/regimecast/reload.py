"""A finished run read back: its models forecast again, and are judged again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from regimecast.assembly import Assembly
from regimecast.core.config import split_name
from regimecast.core.errors import ConfigError
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.data.cleaning import clean
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.evaluation.folds import judge_folds
from regimecast.evaluation.predictions import read_predictions
from regimecast.saved_folds import check_file, read_fold, read_members
from regimecast.stored_run import changed_config, ledger_of, stored_config, stored_manifest, whole
from regimecast.tracking.identity import described
from regimecast.tracking.ledger import Ledger, Trial
from regimecast.tracking.manifest import code_version
from regimecast.tracking.open_trial import new_trial
from regimecast.tracking.stage_hashes import features_stage

__all__ = ["Evaluation", "evaluate_run"]

_JUDGEMENT = ("strategy", "cost", "gate", "data")
"""Groups that a second judgement reads anew: all others are in the saved models or their folds."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A judged second forecast."""

    metrics: dict[str, Any]
    forecast: Forecast
    outcomes: Outcomes
    identical: bool
    """Whether every number equals the stored forecast, bit for bit."""
    changed_data: tuple[str, ...]
    """Which of bars, features and feature set are not those of the run."""
    trial: Path | None
    """Its record in the ledger, where it was traded in another way than the run was."""

    @property
    def same_data(self) -> bool:
        """Whether they all are; without it no forecast need be."""
        return not self.changed_data


def evaluate_run(folder: Path, overrides: Sequence[str] = ()) -> Evaluation:
    """Forecasts of a run's saved models on its own test parts, judged.

    To trade them in another way and to look at what comes out is a trial, and recorded as one.

    Args:
        folder: a finished run.
        overrides: changes to strategy, cost, gate and data, ``group=option`` of the packaged config
            or ``key=value``.

    Raises:
        ConfigError: not a finished run, or an override names something unknown or something that
            would change nothing.
        DataError: a file of the run is missing or damaged, or the data are not those that the
            models were trained on.
        SpecError: a checkpoint is not the one that the run wrote, or does not fit the data that the
            config now asks for.
    """
    manifest, status = stored_manifest(folder)
    if status != "finished":
        raise ConfigError(f"{folder} is {status}; only a finished run can be evaluated")
    with whole(folder / "manifest.json"):
        written, made_of = _written(manifest), _made_of(manifest)
    # Everything that can be wrong with the run's files is said before the long part.
    for name, content in written.items():
        check_file(folder / name, content)
    with whole(folder / "predictions.parquet"):
        stored, _ = read_predictions(folder / "predictions.parquet")
    config = changed_config(
        stored_config(folder), overrides, _JUDGEMENT, what="how the run is judged"
    )
    parts = Assembly.from_config(config, trains=False)
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    folds = parts.folds(market.samples(complete=True))
    calibrated, outcomes = [], []
    for data in parts.modules(market, folds):
        checkpoint = folder / "checkpoints" / f"fold={data.number}"
        model, members = read_fold(checkpoint, data), read_members(checkpoint)
        calibrated.append(parts.conformal.calibrate(data, model.predict, members))
        outcomes.append(data.outcomes("test"))
    forecast = Forecast.concatenate([part.forecast for part in calibrated])
    happened = Outcomes.concatenate(outcomes)
    found = judge_folds(
        calibrated,
        forecast,
        happened,
        bars,
        conformal=parts.conformal,
        strategy=parts.trading,
        cost=parts.cost,
        gate=parts.gate,
        seed=parts.seed,
    )
    returns, trial = found.judgement.returns, None
    if returns is not None and _trades_otherwise(overrides):
        trial = _record(folder, manifest, parts, overrides, bars, found.metrics, returns)
    return Evaluation(
        found.metrics,
        forecast,
        happened,
        identical=np.array_equal(stored.values, forecast.values, equal_nan=True),
        changed_data=_changed(market, made_of),
        trial=trial,
    )


def _trades_otherwise(overrides: Sequence[str]) -> bool:
    """Whether a change is of more than the gate, which judges what was earned anyway."""
    return any(not change.startswith(("gate=", "gate.")) for change in overrides)


def _record(
    folder: Path,
    manifest: Mapping[str, Any],
    parts: Assembly,
    overrides: Sequence[str],
    bars: Panel,
    metrics: Mapping[str, Any],
    returns: pd.DataFrame,
) -> Path:
    """The evaluation's record in the run's ledger."""
    config = parts.config
    return Ledger(ledger_of(folder, manifest, config)).append(
        Trial(
            trial=new_trial(),
            status="finished",
            study=str(config["study"]),
            job=f"{folder.resolve().name} evaluated {' '.join(overrides)}",
            config=described(config),
            data=bars.price_hash,
            commit=code_version().get("commit"),
            split=split_name(config["split"], "split")[0],
            metrics=metrics,
            bars_per_year=bars.bars_per_year,
            time=returns["time"].to_numpy(),
            returns=returns["strategy"].to_numpy(np.float64),
        )
    )


def _written(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """Content of the run's checkpoints, by file."""
    if "stages" in manifest:
        return dict(manifest["checkpoints"])
    return dict(manifest["hashes"]["checkpoints"])  # of a run before there were stages


def _made_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What is known of the run's bars and features."""
    if "stages" not in manifest:
        hashes = manifest["data"]["hashes"]
        return {name: hashes[name] for name in ("bars", "feature_set")}
    stages = {name: manifest["stages"][name] for name in ("bars", "features")}
    return {**stages, "feature_set": manifest["data"]["feature_set"]}


def _changed(market: MarketData, made_of: Mapping[str, str]) -> tuple[str, ...]:
    """Which of them are others now."""
    now = {
        "bars": market.bars.content_hash,
        "features": features_stage(market).sha256,
        "feature_set": market.pipeline.version,
    }
    return tuple(name for name, content in made_of.items() if now[name] != content)
