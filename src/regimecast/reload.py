"""A finished run read back: its models forecast again, and are judged again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from regimecast.assembly import Assembly
from regimecast.core.config import config_folder, dotted_keys, plain
from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.files import read_json
from regimecast.core.types import Forecast, Outcomes
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.judge import judge, read_predictions
from regimecast.experiment import compose
from regimecast.models.base import load_model
from regimecast.tracking.folder import read_status

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
    same_data: bool
    """Whether bars, features and target are those of the run; without it no forecast need be."""


def evaluate_run(folder: Path, overrides: Sequence[str] = ()) -> Evaluation:
    """Forecasts of a run's saved models on its own test parts, judged.

    Args:
        folder: a finished run.
        overrides: changes to strategy, cost, gate and data, ``group=option`` of the packaged config
            or ``key=value``.

    Raises:
        ConfigError: not a finished run, or an override names something unknown or something that
            would change nothing.
        hydra.errors.HydraException: an override does not parse or names an unknown option.
        DataError: the data are not those that the models were trained on.
        SpecError: a checkpoint does not fit the data that the config now asks for.
    """
    try:
        status = read_status(folder)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{folder} is not a run folder: {error}") from error
    if status != "finished":
        raise ConfigError(f"{folder} is {status}; only a finished run can be evaluated")
    parts = Assembly.from_config(_stored_config(folder, overrides))
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    folds = parts.splitter.split(market.samples(complete=True))
    forecasts, outcomes = [], []
    for data in parts.modules(market, folds):
        checkpoint = folder / "checkpoints" / f"fold={data.number}"
        model = load_model(checkpoint, spec=data.spec)
        _check_same_data(data, checkpoint)
        forecasts.append(model.predict(data, "test"))
        outcomes.append(data.outcomes("test"))
    forecast, happened = Forecast.concatenate(forecasts), Outcomes.concatenate(outcomes)
    judgement = judge(
        forecast, happened, bars, strategy=parts.strategy, cost=parts.cost, gate=parts.gate
    )
    stored, _ = read_predictions(folder / "predictions.parquet")
    return Evaluation(
        judgement.metrics,
        forecast,
        happened,
        identical=np.array_equal(stored.values, forecast.values, equal_nan=True),
        same_data=market.hashes == read_json(folder / "manifest.json")["data"]["hashes"],
    )


def _stored_config(folder: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """Config of the run with groups and values of the judgement replaced."""
    config = OmegaConf.load(folder / "config.yaml")
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{folder / 'config.yaml'} holds no config")
    for change in OverridesParser.create().parse_overrides(list(overrides)):
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


def _check_same_data(data: FinancialDataModule, checkpoint: Path) -> None:
    """A different scaler means different training bars."""
    if read_json(checkpoint / "preprocessing.json") != data.state():
        raise DataError(
            f"{checkpoint}: the training bars are not those of the run (scaler or regimes differ)"
        )
