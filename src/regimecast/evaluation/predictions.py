"""``predictions.parquet``: forecasts beside outcomes as one long table, and back without loss."""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int

from regimecast.core.errors import DataError
from regimecast.core.files import atomic_path
from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.types import ForecastKind
from regimecast.evaluation.scoring import check_aligned

__all__ = ["predictions_frame", "read_predictions", "write_predictions"]

_PREFIX = {ForecastKind.QUANTILES: "q", ForecastKind.PROBABILITIES: "p"}
_POSITION = "position"
_KEY = "regimecast"
"""Key of the table's metadata, which pandas stores in the file."""
_ROWS_AT_ONCE = 1_048_576


def predictions_frame(
    forecast: Forecast, outcomes: Outcomes, fold: Int[np.ndarray, " N"] | int
) -> pd.DataFrame:
    """One row per sample and step, in the samples' order.

    Columns: fold, asset (name), origin (datetime64[ns]), step (1 to H), regime (code known at the
    origin), actual (NaN where not known), weight, then one column per level: ``q0.1`` for
    quantiles, ``p-1`` for class probabilities, ``position``.

    Raises:
        SpecError: forecast and outcomes are not of the same samples.
    """
    check_aligned(forecast, outcomes)
    values = forecast.values  # noqa: PD011  # an array, not a pandas object
    happened = outcomes.values  # noqa: PD011  # an array, not a pandas object
    n, horizon, _ = values.shape
    asset = pd.Categorical.from_codes(
        np.repeat(forecast.asset, horizon).astype(np.int64), categories=pd.Index(forecast.assets)
    )
    columns: dict[str, object] = {
        "fold": np.repeat(np.broadcast_to(fold, n).astype(np.int32), horizon),
        "asset": asset,
        "origin": np.repeat(forecast.origin, horizon),
        "step": np.tile(np.arange(1, horizon + 1, dtype=np.int32), n),
        "regime": np.repeat(outcomes.regime, horizon),
        "actual": np.where(outcomes.mask, happened, happened.dtype.type(np.nan)).ravel(),
        "weight": outcomes.weight.ravel(),
    }
    for index, name in enumerate(_level_columns(forecast)):
        columns[name] = values[:, :, index].ravel()
    frame = pd.DataFrame(columns, copy=False)
    frame.attrs = {
        _KEY: {
            "kind": str(forecast.kind),
            "levels": [float(level) for level in forecast.levels],
            "assets": list(forecast.assets),
            "horizon": horizon,
        }
    }
    return frame


def write_predictions(
    path: Path, forecast: Forecast, outcomes: Outcomes, fold: Int[np.ndarray, " N"] | int
) -> None:
    """Parquet file of a `predictions_frame`, written atomically.

    It is made some samples at a time: the table of a long horizon is many times its forecast.

    Raises:
        SpecError: forecast and outcomes are not of the same samples.
    """
    folds = np.broadcast_to(fold, len(forecast))
    size = max(1, _ROWS_AT_ONCE // forecast.horizon)
    with atomic_path(path) as temporary, ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for start in range(0, max(1, len(forecast)), size):
            part = np.arange(start, min(start + size, len(forecast)))
            frame = predictions_frame(forecast.take(part), outcomes.take(part), folds[part])
            table = pa.Table.from_pandas(frame, preserve_index=False)
            # Where pandas itself keeps `DataFrame.attrs`, so that `read_parquet` finds them.
            attributes = {"PANDAS_ATTRS": json.dumps(frame.attrs)}
            table = table.replace_schema_metadata({**table.schema.metadata, **attributes})
            writer = writer or stack.enter_context(pq.ParquetWriter(temporary, table.schema))
            writer.write_table(table)


def read_predictions(path: Path) -> tuple[Forecast, Outcomes]:
    """Forecast and outcomes of a file that `write_predictions` wrote, bit for bit.

    Outcomes that were not known are NaN, whatever stood there before.

    Raises:
        DataError: the file is missing, damaged, or was made by something else.
    """
    try:
        frame = pd.read_parquet(path)
        header = frame.attrs[_KEY]
        kind = ForecastKind(header["kind"])
        levels = tuple(float(level) for level in header["levels"])
        assets = tuple(str(name) for name in header["assets"])
        horizon = int(header["horizon"])
        samples = frame.iloc[::horizon]
        n = len(samples)
        if not np.array_equal(frame["step"], np.tile(np.arange(1, horizon + 1), n)):
            raise DataError(f"{path}: rows are not sample by sample, step 1 to {horizon}")
        names = [_level_column(kind, level) for level in levels]
        values = np.stack([frame[name].to_numpy() for name in names], axis=1)
        position = {name: code for code, name in enumerate(assets)}
        asset = samples["asset"].astype(str).map(position).to_numpy(dtype=np.int64)
        origin = samples["origin"].to_numpy().astype("datetime64[ns]")
        actual = frame["actual"].to_numpy().reshape(n, horizon)
        forecast = Forecast(
            values.reshape(n, horizon, len(levels)), levels, kind, asset, origin, assets
        )
        outcomes = Outcomes(
            values=actual,
            mask=~np.isnan(actual),
            regime=samples["regime"].to_numpy(),
            weight=frame["weight"].to_numpy().reshape(n, horizon),
            asset=asset,
            origin=origin,
        )
    except DataError:
        raise
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} does not hold predictions: {error!r}") from error
    return forecast, outcomes


def _level_columns(forecast: Forecast) -> list[str]:
    return [_level_column(forecast.kind, level) for level in forecast.levels]


def _level_column(kind: ForecastKind, level: float) -> str:
    if kind is ForecastKind.POSITIONS:
        return _POSITION
    number = float(level)
    return f"{_PREFIX[kind]}{int(number) if number.is_integer() else number!r}"
