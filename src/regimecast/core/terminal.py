"""What a process says on the terminal: log lines, tables, and one line about what went wrong."""

import logging
import sys

import typer
from rich.console import Console

__all__ = ["complain", "configure_logging", "console"]

_WIDE = 1000
"""Columns of a table that goes to a file or a pipe, where nothing has to be cut off."""


def configure_logging(*, quiet: bool = False) -> None:
    """Log lines of the framework on stderr; called by whoever owns the process.

    Without a terminal each message is one plain line, whatever its length.

    Args:
        quiet: no lines, for a process whose sweep draws a table there.
    """
    handler: logging.Handler
    if quiet:
        handler = logging.NullHandler()
    elif sys.stderr.isatty():
        from rich.logging import RichHandler

        handler = RichHandler(
            console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
        )
    handler.name = "terminal"
    logger = logging.getLogger("regimecast")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for other in [other for other in logger.handlers if other.name == handler.name]:
        logger.removeHandler(other)
    logger.addHandler(handler)


def complain(message: str) -> None:
    """Writes an error on stderr."""
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(message, err=True)


def console() -> Console:
    """Where tables go; names, messages and paths appear as they are, square brackets included."""
    width = None if sys.stdout.isatty() else _WIDE
    return Console(width=width, markup=False, emoji=False, highlight=False)
