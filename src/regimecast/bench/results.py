"""What a benchmark found: samples, ratios of two of them with a target, and a report on disk.

A time means something only beside another one of the same run, so that every result is a ratio:
of two ways to do the same thing, of two sizes, or of a sample and its limit (`limit`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Literal

from regimecast.bench.machine import Machine
from regimecast.core.errors import ConfigError
from regimecast.core.files import write_json, write_text

__all__ = ["BenchReport", "Ratio", "Sample", "Unit", "limit"]

Unit = Literal["s", "s/bar", "s/sample", "B", "steps", "loss"]
"""Seconds, seconds per bar or sample, bytes, steps of training, a loss."""

_PREFIXES = {
    **{
        unit: tuple((10.0**-e, f"{p}{unit}") for e, p in ((0, ""), (3, "m"), (6, "µ"), (9, "n")))
        for unit in ("s", "s/bar", "s/sample")
    },
    "loss": ((1.0, ""),),
    "B": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
}


@dataclass(frozen=True)
class Sample:
    """What one contestant took in each repetition."""

    name: str
    values: tuple[float, ...]
    unit: Unit = "s"

    def __post_init__(self) -> None:
        if not self.values or min(self.values) <= 0:
            raise ConfigError(f"sample {self.name!r} has values {self.values}; allowed: above 0")

    @property
    def median(self) -> float:
        """Median of the repetitions."""
        return median(self.values)

    def per(self, what: Literal["bar", "sample"], number: int) -> "Sample":
        """The same seconds, divided by a number of bars or samples."""
        unit: Unit = "s/bar" if what == "bar" else "s/sample"
        return Sample(self.name, tuple(value / number for value in self.values), unit)

    def __str__(self) -> str:
        if self.unit == "steps":
            return f"{self.median:,.0f} steps"
        scales = _PREFIXES[self.unit]
        size, unit = next((s for s in scales if self.median >= s[0]), scales[-1])
        if unit == "GiB":
            return f"{self.median / size:.2f} GiB"
        return f"{self.median / size:.3g} {unit}".rstrip()


def limit(value: float, unit: Unit = "s") -> Sample:
    """A limit that a sample is held against: ``over=sample, under=limit(1.0), at_most=1``."""
    text = str(Sample("", (value,), unit))
    return Sample(f"limit of {text}", (value,), unit)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """One sample over another, and what it should be."""

    name: str
    """What is compared, such as ``hourly update``."""
    over: Sample
    under: Sample
    at_least: float | int | None = None
    at_most: float | int | None = None
    notes: str = ""
    """What a reader has to know to judge the number."""

    @property
    def value(self) -> float:
        """Median over median."""
        return self.over.median / self.under.median

    @property
    def spread(self) -> tuple[float, float]:
        """Quartiles of the ratios of single repetitions, which were made in turn."""
        a, b = self.over.values, self.under.values
        if min(len(a), len(b)) == 1:
            paired = [x / y for x in a for y in b]
        else:
            paired = [x / y for x, y in zip(a, b, strict=True)]
        if len(paired) == 1:
            return paired[0], paired[0]
        low, _, high = quantiles(paired, n=4, method="inclusive")
        return low, high

    @property
    def repetitions(self) -> int:
        """Repetitions of the sample that has more of them."""
        return max(len(self.over.values), len(self.under.values))

    @property
    def target(self) -> str:
        """The target in words, empty where there is none."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return None if self.at_most is None else self.value <= self.at_most

    @property
    def verdict(self) -> str:
        """``met``, ``missed`` or nothing."""
        return {True: "met", False: "missed", None: ""}[self.met]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for json."""
        low, high = self.spread
        return {
            "name": self.name,
            "over": self.over.name,
            "under": self.under.name,
            "unit": self.over.unit,
            "over_median": self.over.median,
            "under_median": self.under.median,
            "ratio": self.value,
            "quartiles": [low, high],
            "repetitions": self.repetitions,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "met": self.met,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class BenchReport:
    """The ratios of one benchmark with the machine that they were measured on."""

    name: str
    title: str
    about: str
    """What was done, in a few sentences; markdown."""
    ratios: Sequence[Ratio]
    machine: Machine = field(default_factory=Machine.this)
    quick: bool = False
    """Measured on small data: the targets do not apply."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Heads of the table's columns."""
        return ("what", "over", "under", "ratio", "quartiles", "target", "")

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """Cells of the table, one row per ratio."""
        return [
            (
                r.name,
                f"{r.over.name}: {r.over}",
                f"{r.under.name}: {r.under}",
                _short(r.value),
                " to ".join(_short(bound) for bound in r.spread),
                r.target,
                "quick" if self.quick and r.verdict else r.verdict,
            )
            for r in self.ratios
        ]

    @property
    def notes(self) -> list[str]:
        """What has to be known to judge a ratio, one line for each that has such."""
        return [f"{r.name}: {r.notes}" for r in self.ratios if r.notes]

    def markdown(self) -> str:
        """The report as a page."""
        head = f"| {' | '.join(self.columns)} |\n|{'---|' * len(self.columns)}"
        table = "\n".join(f"| {' | '.join(row)} |" for row in self.rows)
        notes = "\n".join(f"- {line}" for line in self.notes)
        counts = " or ".join(f"{n:,}" for n in sorted({r.repetitions for r in self.ratios}))
        parts = [
            f"# {self.title}",
            f"Written by `regimecast bench {self.name}`. {self.about}",
            f"Machine: {self.machine}.\n\nMedians of {counts} repetitions; contestants take turns."
            + (" Small data: the targets do not apply." if self.quick else ""),
            f"{head}\n{table}",
            *([notes] if notes else []),
        ]
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Paths of the page and of the same values as json."""
        page, values = folder / f"{self.name}.md", folder / f"{self.name}.json"
        write_text(page, self.markdown())
        write_json(
            values,
            {
                "bench": self.name,
                "quick": self.quick,
                "machine": self.machine.as_dict(),
                "ratios": [ratio.as_dict() for ratio in self.ratios],
            },
        )
        return page, values


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
