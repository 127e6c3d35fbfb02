"""What was found, as a table: the default's row and the chosen setting's for each asset."""

from rich.table import Table

from regimecast.report.numbers import MISSING
from regimecast.search.barriers import AssetBarriers, SearchResult
from regimecast.search.evolve import Candidate

__all__ = ["HEADINGS", "result_table", "rows"]

HEADINGS = (
    "asset",
    "setting",
    "horizon",
    "upper",
    "lower",
    "down",
    "neutral",
    "up",
    "imbalance",
    "uniqueness",
    "bars held",
    "net Sharpe",
)


def rows(found: AssetBarriers) -> list[tuple[str, ...]]:
    """Cells of the default and of the chosen setting, one per heading."""
    cells = [(found.asset, "default", *_cells(found.default))]
    if found.chosen is None:
        return [*cells, ("", "none found", *[MISSING] * (len(HEADINGS) - 2))]
    return [*cells, ("", "chosen", *_cells(found.chosen))]


def result_table(result: SearchResult) -> Table:
    """Two lines per asset, for a terminal."""
    table = Table(title="barriers, on the training interval", title_justify="left")
    for heading in HEADINGS:
        words = heading in {"asset", "setting"}
        table.add_column(heading, justify="left" if words else "right", no_wrap=words)
    for found in result.assets:
        before, after = rows(found)
        table.add_row(*before)
        table.add_row(*after, end_section=True)
    return table


def _cells(candidate: Candidate) -> tuple[str, ...]:
    setting, merit = candidate.setting, candidate.merit
    return (
        str(setting.horizon),
        f"{setting.upper:.4g}",
        f"{setting.lower:.4g}",
        f"{merit.down:.1%}",
        f"{merit.neutral:.1%}",
        f"{merit.up:.1%}",
        f"{merit.imbalance:.1%}",
        f"{merit.uniqueness:.3f}",
        f"{merit.bars:.1f}",
        f"{merit.edge:.3f}",
    )
