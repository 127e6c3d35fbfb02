"""Tables for a terminal that is narrower than all of their columns."""

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.table import Table

__all__ = ["fitting", "too_wide"]

_ENDLESS = 1_000_000
_FEWEST = 2


def fitting(
    by_importance: Sequence[str], build: Callable[[Sequence[str]], Table], width: int
) -> list[str]:
    """The first columns that together fit, at least two of them.

    Args:
        by_importance: columns, the most important first.
        build: makes the table of some of them.
        width: characters in a line.
    """
    console = Console(width=_ENDLESS)
    shown = list(by_importance)
    while len(shown) > _FEWEST and console.measure(build(shown)).maximum > width:
        shown.pop()
    return shown


def too_wide(titles: Iterable[str], instead: str) -> str:
    """Line below a table that names the columns left out, and `instead` where they are."""
    return f"Too wide to show: {', '.join(titles)} ({instead})."
