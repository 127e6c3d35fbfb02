"""What a run will train, validate and test on, before it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO

import numpy as np
from jaxtyping import Int, Shaped
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from regimecast.core.types import Samples
from regimecast.splits.base import Fold

__all__ = ["PartRow", "preflight", "preflight_table"]


@dataclass(frozen=True)
class PartRow:
    """One part of one fold, as a row of the pre-flight table."""

    fold: int
    part: str
    """``train``, ``validation``, ``calibration`` or ``test``."""
    samples: int
    first: np.datetime64
    """Time of the first origin."""
    last: np.datetime64
    """Time of the last origin."""
    purged: int
    """Samples of this part that the fold left out because they met another part."""
    stretches: int
    """Runs of its origins that no other part's origins interrupt; 1 in order of time."""


def preflight(folds: Sequence[Fold], samples: Samples) -> list[PartRow]:
    """Three rows per fold, in order of time; four where a part calibrates."""
    rows = []
    for number, fold in enumerate(folds):
        left_out = {
            "train": fold.purged - fold.purged_validation,
            "validation": fold.purged_validation,
            **({} if fold.calibration is None else {"calibration": 0}),
            "test": 0,
        }
        runs = _runs([samples.origin[getattr(fold, part)] for part in left_out])
        for code, (part, purged) in enumerate(left_out.items()):
            origin = samples.origin[getattr(fold, part)]
            rows.append(
                PartRow(
                    fold=number,
                    part=part,
                    samples=len(origin),
                    first=origin.min(),
                    last=origin.max(),
                    purged=purged,
                    stretches=int((runs == code).sum()),
                )
            )
    return rows


def _runs(origins: Sequence[Shaped[np.ndarray, " _"]]) -> Int[np.ndarray, " R"]:
    """Number of the part of each run of origins, in order of time."""
    times = [np.unique(origin) for origin in origins]
    part = np.repeat(np.arange(len(times)), [len(own) for own in times])
    part = part[np.argsort(np.concatenate(times), kind="stable")]
    return part[np.diff(part, prepend=-1) != 0]


def preflight_table(rows: Sequence[PartRow]) -> str:
    """Text of the table, for a log: one line per part, a line between folds."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    around = any(row.stretches > 1 for row in rows)
    headings = ("fold", "part", "samples", "first", "last", "purged")
    for heading in (*headings, "stretches") if around else headings:
        table.add_column(heading, justify="left" if heading == "part" else "right")
    for row in rows:
        first, last = (np.datetime_as_string(time, unit="m") for time in (row.first, row.last))
        if row.part == "train" and row.fold > 0:
            table.add_section()
        table.add_row(
            str(row.fold),
            row.part,
            f"{row.samples:,}",
            first.removesuffix("T00:00"),
            last.removesuffix("T00:00"),
            f"{row.purged:,}" if row.part in ("train", "validation") else "",
            *([str(row.stretches)] if around else []),
        )
    console = Console(file=StringIO(), width=120, color_system=None)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
