"""A hash of what every stage of a run put out, so that a rerun can name the first that differs.

    manifest["stages"]   {"raw": sha256, "bars": ..., "fold=0/model": ..., "metrics": ...}, in order
    manifest["parts"]    {"raw": {"column=close": digest, ...}, ...}: where in a stage a change is

Stages: ``raw`` bars of the source, ``bars`` after cleaning, ``features``, ``target``, ``samples``;
per fold ``split``, ``fitted`` (scalers, regimes), ``regimes``, ``weights``, ``model``,
``forecast``; then ``predictions``, ``returns``, ``metrics``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from regimecast.core.forecast import Forecast, Outcomes
from regimecast.core.hashing import hash_array, hash_arrays, hash_file, hash_json
from regimecast.data.datamodule import FinancialDataModule
from regimecast.data.market import MarketData
from regimecast.data.panel import Panel
from regimecast.data.schema import RawBars
from regimecast.tracking.digests import column_digests, table_digests

__all__ = ["Stage", "StageHashes", "bars_stage", "features_stage", "raw_stage"]

_NO_RESULT = frozenset({"job", "status", "overrides", "seconds"})
"""Keys of ``metrics.json`` that say where and how long, not what came out."""
_NOT_OF_THE_MODEL = ("preprocessing.json", "conformal.json", "validation.json", "profile.json")
"""Files beside a model that other stages stand for, or that hold timings."""
_PASSING = "training-"
"""Beginning of the names of what training keeps for a resumed run."""


@dataclass(frozen=True)
class Stage:
    """What one stage put out."""

    sha256: str
    parts: Mapping[str, str] = field(default_factory=dict)
    """Digests of its columns (``column=close``), assets (``asset=SPX``) or files."""

    @classmethod
    def of(cls, parts: Mapping[str, str]) -> "Stage":
        """A stage that is the sum of its parts."""
        return cls(hash_json(dict(parts)), parts)


class StageHashes:
    """Collects the stages of a run in their order, and the content of the models' files."""

    def __init__(self) -> None:
        self._stages: dict[str, Stage] = {}
        self._checkpoints: dict[str, str] = {}

    def to_json(self) -> dict[str, Any]:
        """Entries of ``manifest.json``: `stages`, `parts` and `checkpoints`."""
        return {
            "stages": {name: stage.sha256 for name, stage in self._stages.items()},
            "parts": {name: dict(s.parts) for name, s in self._stages.items() if s.parts},
            "checkpoints": dict(self._checkpoints),
        }

    def add_market(self, raw: RawBars, market: MarketData) -> None:
        """Everything that no fold has a part in."""
        samples = market.samples(complete=True)
        self._stages |= {
            "raw": raw_stage(raw),
            "bars": bars_stage(market.bars),
            "features": features_stage(market),
            "target": _target_stage(market),
            "samples": Stage(hash_arrays(samples.row, samples.end_row)),
        }

    def add_fold(self, data: FinancialDataModule, folder: Path, forecast: Forecast) -> None:
        """A fold, from its division to its forecast.

        Args:
            data: the fold.
            folder: where its model lies, in ``checkpoints`` of the run.
            forecast: of its test part.
        """
        fold, train = data.fold, data.split("train")
        division = {
            "train": fold.train,
            "validation": fold.validation,
            "calibration": fold.of_calibration,
            "test": fold.test,
        }
        files = _files(folder)
        self._checkpoints |= {f"checkpoints/{folder.name}/{k}": v for k, v in files.items()}
        learnt = {k: v for k, v in files.items() if Path(k).name not in _NOT_OF_THE_MODEL}
        stages = {
            "split": Stage.of({f"part={name}": hash_array(at) for name, at in division.items()}),
            "fitted": Stage.of({f"part={k}": hash_json(v) for k, v in data.state().items()}),
            "regimes": Stage(hash_array(data.regime_codes)),
            "weights": Stage.of(
                {
                    "part=samples": hash_array(train.samples.row),
                    # One weight per sample: all of its steps share it.
                    "part=weights": hash_array(train.weight[:, 0]),
                }
            ),
            "model": Stage.of({f"file={name}": content for name, content in learnt.items()}),
            "forecast": Stage(hash_array(forecast.values)),
        }
        self._stages |= {f"fold={data.number}/{name}": s for name, s in stages.items()}

    def add_judgement(
        self,
        forecast: Forecast,
        happened: Outcomes,
        returns: pd.DataFrame | None,
        metrics: Mapping[str, Any],
    ) -> None:
        """What came out at the end.

        Args:
            forecast: of all folds.
            happened: row by row beside it.
            returns: content of ``returns.parquet``.
            metrics: content of ``metrics.json``.
        """
        self._stages["predictions"] = Stage(
            hash_arrays(forecast.values, forecast.asset, forecast.origin, happened.values)
        )
        if returns is not None:
            self._stages["returns"] = Stage.of(_columns(returns))
        kept = _without(metrics, _NO_RESULT)
        self._stages["metrics"] = Stage.of({f"section={k}": hash_json(v) for k, v in kept.items()})


def raw_stage(raw: RawBars) -> Stage:
    """Bars as the source gave them, in its order."""
    frame = raw.frame[["asset", "time", *(column.name for column in raw.columns)]]
    layout = hash_json([[asdict(column) for column in raw.columns], raw.frequency, raw.calendar])
    parts = {"rows": str(len(frame)), "layout": layout[:32]} | _columns(frame)
    return Stage(raw.content_hash, parts)


def bars_stage(bars: Panel) -> Stage:
    """Cleaned bars, by column and by asset."""
    values, by_asset = table_digests(bars.values, bars.offsets)
    time, _ = table_digests(bars.time[:, None], bars.offsets)
    names = dict(zip(bars.names, values, strict=True)) | {"time": time[0]}
    assets = dict(zip(bars.assets, by_asset, strict=True))
    return Stage(bars.content_hash, _named(column=names, asset=assets))


def features_stage(market: MarketData) -> Stage:
    """What models are fed before it is scaled, by channel; those of past bars by asset too."""
    spec = market.spec
    past, by_asset = table_digests(market.past[:, 1:], market.bars.offsets)
    ahead = [*table_digests(market.known)[0], *table_digests(market.scheduled)[0]]
    names = (
        dict(zip(spec.past[1:], past, strict=True))
        | dict(zip(spec.known, ahead, strict=True))
        | dict(zip(spec.static, table_digests(market.static)[0], strict=True))
    )
    assets = dict(zip(market.bars.assets, by_asset, strict=True))
    return Stage.of(_named(column=names, asset=assets))


def _target_stage(market: MarketData) -> Stage:
    target = market.target
    found = {"series": target.series, "scale": target.scale, "end_row": target.end_row}
    if target.label is not None:
        found["label"] = target.label
    return Stage.of(_named(column=dict(zip(found, column_digests(*found.values()), strict=True))))


def _named(**kinds: Mapping[str, str]) -> dict[str, str]:
    """Parts by their kind and name, such as ``column=close``."""
    return {f"{kind}={name}": text for kind, parts in kinds.items() for name, text in parts.items()}


def _columns(frame: pd.DataFrame) -> dict[str, str]:
    """Digest of every column of a table; what is no number counts by its place among its kind."""
    digests: dict[str, str] = {}
    for name in frame.columns:
        series = frame[name]
        if series.dtype.kind in "OUST" or isinstance(
            series.dtype, pd.CategoricalDtype | pd.StringDtype
        ):
            codes, kinds = pd.factorize(series)
            (digest,) = column_digests(codes)
            digests[f"column={name}"] = digest
            digests[f"names={name}"] = hash_json([str(kind) for kind in kinds])[:32]
        else:
            (digests[f"column={name}"],) = column_digests(series.to_numpy())
    return digests


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of the files of a fold that stay, by their path in its folder."""
    found: Iterable[Path] = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in found
        if path.suffix != ".ckpt" and not path.name.startswith((_PASSING, "."))
    }


def _without(value: Any, keys: frozenset[str]) -> Any:
    """Plain values without these keys, however deep."""
    if isinstance(value, Mapping):
        return {k: _without(v, keys) for k, v in value.items() if k not in keys}
    return [_without(v, keys) for v in value] if isinstance(value, list | tuple) else value
