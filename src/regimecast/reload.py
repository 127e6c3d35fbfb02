"""A finished run read back: its models forecast again, and are judged again."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import Container, DictConfig, OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.assembly import TOP_LEVEL, Assembly
from regimecast.core.config import config_folder, dotted_keys, plain, split_name
from regimecast.core.errors import ConfigError, DataError, SpecError, did_you_mean
from regimecast.core.files import read_json
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.hashing import hash_file
from regimecast.core.hydra_errors import hydra_explained
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.panel import Panel
from regimecast.evaluation.conformal.base import Forecaster, Member
from regimecast.evaluation.folds import judge_folds
from regimecast.evaluation.predictions import read_predictions
from regimecast.experiment import compose, deciding
from regimecast.models.base import load_model
from regimecast.tracking.folder import read_status
from regimecast.tracking.ledger import Ledger, Trial
from regimecast.tracking.manifest import code_version
from regimecast.tracking.open_trial import new_trial

__all__ = ["Evaluation", "evaluate_run"]

_JUDGEMENT = ("strategy", "cost", "gate", "data")
"""Groups that a second judgement reads anew: all others are in the saved models or their folds."""
_LATER = (
    "compile", "conformal", "feature_cache", "ledger", "threads", "warm_start", "window.shuffle",
)  # fmt: skip
"""Keys that stored configs of older runs lack."""
_log = logging.getLogger(__name__)


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
    if not (folder / "manifest.json").is_file():
        raise ConfigError(f"{folder} is not a run folder: it has no manifest.json")
    with _whole(folder / "manifest.json"):
        status = read_status(folder)
        manifest = read_json(folder / "manifest.json")
    if status != "finished":
        raise ConfigError(f"{folder} is {status}; only a finished run can be evaluated")
    with _whole(folder / "manifest.json"):
        written, data_hashes = manifest["hashes"]["checkpoints"], manifest["data"]["hashes"]
    # Everything that can be wrong with the run's files is said before the long part.
    _check_checkpoints(folder, written)
    with _whole(folder / "predictions.parquet"):
        stored, _ = read_predictions(folder / "predictions.parquet")
    parts = Assembly.from_config(_stored_config(folder, overrides), trains=False)
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    folds = parts.folds(market.samples(complete=True))
    calibrated, outcomes = [], []
    for data in parts.modules(market, folds):
        checkpoint = folder / "checkpoints" / f"fold={data.number}"
        model = load_model(checkpoint, spec=data.spec)
        _check_same_data(data, checkpoint)
        calibrated.append(parts.conformal.calibrate(data, model.predict, _members(checkpoint)))
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
        changed_data=tuple(k for k, v in market.hashes.items() if data_hashes.get(k) != v),
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
    place = manifest.get("trial", {}).get("ledger")
    ledger = Ledger(Path(config["ledger"]) if place is None else folder.resolve() / place)
    return ledger.append(
        Trial(
            trial=new_trial(),
            status="finished",
            study=str(config["study"]),
            job=f"{folder.resolve().name} evaluated {' '.join(overrides)}",
            config=deciding(config),
            data=bars.price_hash,
            commit=code_version().get("commit"),
            split=split_name(config["split"], "split")[0],
            metrics=metrics,
            bars_per_year=bars.bars_per_year,
            time=returns["time"].to_numpy(),
            returns=returns["strategy"].to_numpy(np.float64),
        )
    )


def _members(checkpoint: Path) -> Member:
    """Reads the further models of a fold that calibration trained."""

    def read(number: int, data: FinancialDataModule) -> Forecaster:
        return load_model(checkpoint / f"member={number}", spec=data.spec).predict

    return read


def _stored_config(folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Config of the run with groups and values of the judgement replaced."""
    with _whole(folder / "config.yaml"):
        config = OmegaConf.load(folder / "config.yaml")
        if not isinstance(config, DictConfig) or not config:
            raise ValueError("it holds no config")
        _add_later_keys(config)
        if missing := sorted({*TOP_LEVEL} - {"features", *config}):
            raise ValueError(f"it lacks {', '.join(map(str, missing))}")
    with hydra_explained(overrides):
        changes = OverridesParser.create().parse_overrides(list(overrides))
    for change in changes:
        key = change.key_or_group
        known = [k for k in dotted_keys(plain(config)) if k.partition(".")[0] in _JUDGEMENT]
        if key not in known or change.is_add() or change.is_delete() or change.is_sweep_override():
            raise ConfigError(
                f"override {change.input_line!r} does not change one key of how the run is judged."
                f"{did_you_mean(key, known)} Allowed: {', '.join(_JUDGEMENT)}, and their keys"
            )
        if (config_folder() / key).is_dir():
            config[key] = compose(str(change.input_line))[key]
        else:
            OmegaConf.update(config, key, change.value(), merge=False)
    return plain(config)


def _add_later_keys(config: Container) -> None:
    """Fills in keys that came after the run; their defaults do what was done without them."""
    defaults = OmegaConf.create(compose())
    later = []
    for key in _LATER:
        group, _, name = key.rpartition(".")
        holder: Any = OmegaConf.select(config, group) if group else config
        if holder is not None and name not in holder:
            OmegaConf.update(config, key, OmegaConf.select(defaults, key), force_add=True)
            later.append(key)
    if later:
        _log.info("the run is older than %s; their defaults are taken", ", ".join(later))


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """A file of the run that cannot be read raises `DataError` with its name."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, YAMLError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise DataError(f"{path} is damaged: {type(error).__name__}: {said}") from error


def _check_checkpoints(folder: Path, written: Mapping[str, str]) -> None:
    """A changed checkpoint forecasts something else, whatever the data and the hardware."""
    for name, content in written.items():
        path = folder / name
        if not path.is_file():
            raise SpecError(f"{path} is missing; the run wrote it, so its models cannot be judged")
        if hash_file(path) != content:
            raise SpecError(
                f"{path} is not the file that the run wrote: its content has changed since "
                "(see hashes in manifest.json)"
            )


def _check_same_data(data: FinancialDataModule, checkpoint: Path) -> None:
    """A different scaler means different training bars."""
    with _whole(checkpoint / "preprocessing.json"):
        state = read_json(checkpoint / "preprocessing.json")
    if state != data.state():
        raise DataError(
            f"{checkpoint}: the training bars are not those of the run (scaler or regimes differ)"
        )
