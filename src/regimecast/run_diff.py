"""In what two runs differ: config, data, surroundings, stages, metrics; from their folders alone.

found = diff_runs(Path("runs/demo/000_model=nhits"), Path("runs/demo/001_model=tft"))
found.config, found.metrics
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from regimecast.core.errors import DataError
from regimecast.core.files import read_json
from regimecast.evaluation.comparable import read_config
from regimecast.stored_run import stored_config, stored_manifest
from regimecast.tracking.differences import (
    Difference,
    StageDifference,
    differences,
    stage_differences,
    surroundings,
)
from regimecast.tracking.identity import described

__all__ = ["MetricDifference", "RunDiff", "diff_runs"]

_SECTIONS = ("validation", "forecast", "trading")
"""Of ``metrics.json``, those that are numbers to be compared."""
_TIMING = "seconds"
_BENCHMARKS = ("trading.buy_and_hold.", "trading.naive.")
_LONGEST = 60
"""Characters of a value in a table."""
_MOST = 40
"""Rows of a table of config or code; the rest is counted."""


@dataclass(frozen=True)
class MetricDifference:
    """A metric of one run and of the other; None where it has none."""

    name: str
    before: float | None
    after: float | None

    @property
    def change(self) -> float | None:
        """Second less first."""
        known = self.before is not None and self.after is not None
        return self.after - self.before if known else None  # type: ignore[operator]  # both known


@dataclass(frozen=True, eq=False)
class RunDiff:
    """What is not the same in two runs."""

    runs: tuple[Path, Path]
    statuses: tuple[str, str]
    config: tuple[Difference, ...]
    stages: tuple[StageDifference, ...]
    """All that either has, in order; none where a run is older than they are."""
    surroundings: Mapping[str, Sequence[Difference]]
    """Differences by kind: code, packages, threads, hardware."""
    metrics: tuple[MetricDifference, ...]
    """Those that differ."""
    notes: tuple[str, ...]
    """What could not be read, or is not known."""

    @property
    def empty(self) -> bool:
        """Whether nothing is known to differ."""
        found = (self.config, self.metrics, *self.surroundings.values())
        return not any(found) and all(stage.equal for stage in self.stages)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "runs": [str(run) for run in self.runs],
            "statuses": list(self.statuses),
            "config": [asdict(difference) for difference in self.config],
            "stages": [{**asdict(stage), "equal": stage.equal} for stage in self.stages],
            **{kind: [asdict(d) for d in found] for kind, found in self.surroundings.items()},
            "metrics": [{**asdict(metric), "change": metric.change} for metric in self.metrics],
            "notes": list(self.notes),
            "empty": self.empty,
        }

    def tables(self) -> list[Table]:
        """One per kind of difference that there is."""
        kinds = {"config": self.config, **self.surroundings}
        made = [_table(kind, found) for kind, found in kinds.items() if found]
        if changed := [stage for stage in self.stages if not stage.equal]:
            made.append(_stage_table(changed, of=len(self.stages)))
        if self.metrics:
            made.append(_metric_table(self.metrics))
        return made


def diff_runs(before: Path, after: Path) -> RunDiff:
    """In what the second run is not as the first, whatever became of either.

    Raises:
        ConfigError: one is not a run folder.
        DataError: its manifest is damaged.
    """
    manifests, statuses = zip(*(stored_manifest(run) for run in (before, after)), strict=True)
    notes: list[str] = []
    configs = [_config(run, notes) for run in (before, after)]
    metrics = [_metrics(run, notes) for run in (before, after)]
    stages: list[StageDifference] = []
    if lacking := [
        run for run, m in zip((before, after), manifests, strict=True) if not m.get("stages")
    ]:
        notes += [
            f"{run} has no stages: it is older than they are, or read no data" for run in lacking
        ]
    else:
        stages = stage_differences(*manifests)
    return RunDiff(
        runs=(before, after),
        statuses=(statuses[0], statuses[1]),
        config=tuple(differences(*configs)),
        stages=tuple(stages),
        surroundings=surroundings(*manifests),
        metrics=tuple(
            MetricDifference(d.name, _value(d.before), _value(d.after))
            for d in differences(*metrics)
            if not d.name.endswith(_TIMING)
        ),
        notes=tuple(notes),
    )


def _config(run: Path, notes: list[str]) -> dict[str, Any]:
    try:
        return described(stored_config(run))
    except DataError as error:
        notes.append(str(error))
        return described(read_config(run))


def _metrics(run: Path, notes: list[str]) -> dict[str, Any]:
    """Numbers of a run; none of one that ended early."""
    path = run / "metrics.json"
    try:
        metrics = read_json(path)
        return {key: metrics[key] for key in _SECTIONS if key in metrics}
    except FileNotFoundError:
        notes.append(f"{run} has no metrics")
    except (OSError, ValueError, TypeError) as error:
        notes.append(f"{path} cannot be read: {error}")
    return {}


def _value(metric: Any) -> float | None:
    return float(metric) if isinstance(metric, int | float) else None


def _table(kind: str, found: Sequence[Difference]) -> Table:
    table = _headed(kind, "name", "first", "second")
    for difference in found[:_MOST]:
        table.add_row(difference.name, _text(difference.before), _text(difference.after))
    if len(found) > _MOST:
        table.add_row(f"and {len(found) - _MOST} more", "", "")
    return table


def _stage_table(changed: Sequence[StageDifference], *, of: int) -> Table:
    table = _headed(f"stages, {len(changed)} of {of} differ", "stage", "first", "second", "where")
    for stage in changed:
        where = ", ".join(stage.parts[:3]) + (" and more" if len(stage.parts) > 3 else "")
        table.add_row(
            stage.stage, (stage.before or "none")[:12], (stage.after or "none")[:12], where
        )
    return table


def _metric_table(metrics: Sequence[MetricDifference]) -> Table:
    """Of all samples and the strategy; regimes and benchmarks are counted."""
    main = [m for m in metrics if "/regime=" not in m.name and not m.name.startswith(_BENCHMARKS)]
    table = _headed("metrics", "metric", "first", "second", "second less first")
    for metric in main:
        row = (metric.before, metric.after, metric.change)
        table.add_row(metric.name.replace("forecast.", ""), *(_number(value) for value in row))
    if rest := len(metrics) - len(main):
        table.add_row(f"and {rest} by regime and of benchmarks (--json)", "", "", "")
    return table


def _headed(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for position, heading in enumerate(headings):
        numbers = title == "metrics" and position > 0
        table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
    return table


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) else "-"


def _text(value: Any) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
