"""What a run left on disk, read so that a page can be written whatever is missing or damaged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from regimecast.core.errors import DataError
from regimecast.core.files import read_json
from regimecast.evaluation.comparable import parse_config
from regimecast.evaluation.run_parts import part_names
from regimecast.report.numbers import plain
from regimecast.tracking.folder import read_status

__all__ = ["RunFiles"]

_MARKS = ("manifest.json", "metrics.json", "config.yaml")
_RETURNS = ("time", "strategy", "regime")
_PREDICTIONS = ("fold", "asset", "origin", "step", "regime", "actual")
_PATHS = ("path", "time", "strategy")
_PROGRESS = ["step", "objective", "current"]


@dataclass(frozen=True, eq=False)
class RunFiles:
    """Content of ``runs/<study>/<job>/``; what is missing is empty or None."""

    path: Path
    metrics: dict[str, Any]
    manifest: dict[str, Any]
    config: str
    """Text of the resolved ``config.yaml``."""
    log: tuple[str, ...]
    """Last lines of ``train.log``."""
    returns: pd.DataFrame | None
    predictions: pd.DataFrame | None
    paths: pd.DataFrame | None
    """Returns of every backtest path; None where there is one only."""
    problems: tuple[str, ...]
    """One sentence per file that is missing or cannot be read."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Names that tell the parts of this run from those of its study's other runs."""

    @classmethod
    def read(cls, path: Path, *, predictions: bool = True, paths: bool = True) -> "RunFiles":
        """Everything in a run folder.

        Args:
            path: the folder.
            predictions: whether to read the predictions, the one large file.
            paths: whether to read the returns of every backtest path.

        Raises:
            DataError: there is no such folder, or nothing in it is of a run.
        """
        if not any((path / name).exists() for name in _MARKS):
            raise DataError(f"{path} is not a run folder: it holds none of {', '.join(_MARKS)}")
        problems: list[str] = []

        def attempt(name: str, read: Callable[[Path], Any]) -> Any:
            try:
                return read(path / name)
            except FileNotFoundError:
                problems.append(f"{name} is missing.")
            except (OSError, ValueError, DataError) as error:
                problems.append(f"{name} cannot be read: {error}")
            return None

        metrics = attempt("metrics.json", _mapping) or {}
        traded = metrics.get("trading") != {}
        return cls(
            path=path,
            metrics=metrics,
            manifest=attempt("manifest.json", _mapping) or {},
            config=attempt("config.yaml", lambda file: file.read_text("utf-8")) or "",
            log=_tail(path / "train.log"),
            returns=attempt("returns.parquet", lambda file: _table(file, _RETURNS))
            if traded
            else None,
            predictions=attempt("predictions.parquet", lambda file: _table(file, _PREDICTIONS))
            if predictions
            else None,
            paths=attempt("paths.parquet", lambda file: _table(file, _PATHS))
            if paths and metrics.get("paths")
            else None,
            problems=tuple(problems),
        )

    @property
    def job(self) -> str:
        """Label of the run."""
        return str(self.metrics.get("job") or self.manifest.get("job") or self.path.resolve().name)

    @property
    def study(self) -> str:
        """Name of the folder that holds the run."""
        return self.path.resolve().parent.name

    @property
    def status(self) -> str:
        """``finished``, ``failed``, ``interrupted``, ``running`` or ``unknown``."""
        recorded = "unknown"
        if "status" in self.manifest:
            recorded = str(read_status(self.path))
        if recorded in {"failed", "interrupted"}:
            return recorded
        return str(self.metrics.get("status") or recorded)

    @property
    def error(self) -> str:
        """Message of the error that ended the run, or an empty string."""
        return str(self.manifest.get("error") or self.metrics.get("error") or "")

    @property
    def overrides(self) -> tuple[str, ...]:
        """Overrides of the command line, but for those that only say where a run is written."""
        found = self.metrics.get("overrides") or self.manifest.get("overrides")
        texts = map(str, found if isinstance(found, list) else ())
        return tuple(text for text in texts if not text.startswith(("runs=", "study=", "hydra.")))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Content of ``config.yaml``."""
        return parse_config(self.config)

    def part(self, group: str) -> str:
        """Name of a component, such as the ``model``; a failed run's comes from its config."""
        if group in self.labels:
            return self.labels[group]
        if group == "conformal":  # its section of the metrics is what came of it
            method = str(self.conformal.get("method") or "")
            return ", ".join(part_names(group, {}, self.settings)) or method
        return ", ".join(part_names(group, self.metrics, self.settings))

    @property
    def forecast(self) -> dict[str, Any]:
        """Forecast metrics, such as ``test/mae``."""
        return _section(self.metrics, "forecast")

    @property
    def folds(self) -> list[dict[str, Any]]:
        """Sizes and training report per fold."""
        return _rows(self.metrics, "folds")

    def trading(self, series: str = "strategy") -> dict[str, Any]:
        """Trading metrics of ``strategy``, ``buy_and_hold`` or ``naive``."""
        return _section(_section(self.metrics, "trading"), series)

    @property
    def untraded(self) -> bool:
        """Whether the run was judged without a backtest: its target is no return of a price."""
        return self.metrics.get("trading") == {}

    @property
    def gate(self) -> dict[str, Any]:
        """Verdict of the gate: ``profile``, ``passed`` and ``rules``."""
        return _section(self.metrics, "gate")

    @property
    def path_sharpes(self) -> list[float]:
        """Sharpe ratio a year of each backtest path; empty where there is one path only."""
        found = _section(self.metrics, "paths").get("sharpe")
        return [v for x in found if (v := plain(x)) is not None] if isinstance(found, list) else []

    @property
    def intervals(self) -> dict[str, Any]:
        """Confidence intervals: ``level``, ``method`` and, by section, bounds per metric."""
        return _section(self.metrics, "intervals")

    def interval(self, section: str, metric: str) -> tuple[float, float] | str | None:
        """Bounds of a metric of ``trading`` or ``forecast``, or why there are none, in words."""
        return _bounds(_section(self.intervals, section).get(metric))

    def difference(self, benchmark: str, metric: str) -> tuple[float, float] | str | None:
        """Bounds of the strategy's trading metric less that of a benchmark."""
        return _bounds(_section(_section(self.intervals, "difference"), benchmark).get(metric))

    @property
    def conformal(self) -> dict[str, Any]:
        """Coverage after calibration: ``method``, ``level``, ``coverage``, ``by_regime``, ..."""
        return _section(self.metrics, "conformal")

    @property
    def events(self) -> dict[str, Any]:
        """What each dated event, left out of training, came to: ``events``, ``kinds``, ..."""
        return _section(self.metrics, "events")

    @cached_property
    def progress(self) -> pd.DataFrame | None:
        """Validation objective by step; None where the run reported none that is whole."""
        try:
            table = pd.read_csv(self.path / "progress.csv", usecols=_PROGRESS, on_bad_lines="skip")
        except (OSError, ValueError):
            return None
        # The last line of a run that was killed may be half of one.
        numbers = table.apply(pd.to_numeric, errors="coerce").dropna()
        return numbers.sort_values("step") if len(numbers) else None

    @property
    def objective(self) -> float | None:
        """What it reached on its validation part, at its best; lower is better."""
        curve = self.progress
        return None if curve is None else plain(float(curve["objective"].iloc[-1]))

    @property
    def preflight(self) -> list[dict[str, Any]]:
        """First and last origin per fold and part."""
        return _rows(self.manifest, "preflight")

    def by_regime(self, metric: str) -> dict[str, Any]:
        """Value of a forecast metric per regime name."""
        start, end = "test/regime=", f"/{metric}"
        return {
            key.removeprefix(start).removesuffix(end): value
            for key, value in self.forecast.items()
            if key.startswith(start) and key.endswith(end) and key.count("/") == 2
        }


def _section(values: dict[str, Any], key: str) -> dict[str, Any]:
    """A mapping inside a mapping, empty where it is missing or something else."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _bounds(found: Any) -> tuple[float, float] | str | None:
    if isinstance(found, list) and len(found) == 2:
        low, high = plain(found[0]), plain(found[1])
        return None if low is None or high is None else (low, high)
    return found if isinstance(found, str) else None


def _rows(values: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The mappings of a list inside a mapping."""
    found = values.get(key)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _mapping(path: Path) -> dict[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise DataError("it is not a mapping")
    return value


def _table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    table = pd.read_parquet(path)
    if missing := [name for name in needed if name not in table]:
        raise DataError(f"columns {', '.join(missing)} are missing")
    if table.empty:
        raise DataError("it has no rows")
    return table


def _tail(path: Path, lines: int = 40) -> tuple[str, ...]:
    """Last lines of a log, reading no more than its end."""
    if not path.is_file():
        return ()
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 16_384))
        return tuple(file.read().decode("utf-8", errors="replace").splitlines()[-lines:])
