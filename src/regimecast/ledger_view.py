"""The trial ledger on the command line: listed, filtered, verified."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.text import Text

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.files import check_writable
from regimecast.core.frames import write_frame
from regimecast.core.terminal import complain, console
from regimecast.evaluation.ledger_table import (
    prices_frame,
    prices_table,
    trials_frame,
    trials_table,
    with_sharpe,
)
from regimecast.tracking.ledger import Ledger
from regimecast.tracking.open_trial import record_ended, running

__all__ = ["Wanted", "show_ledger", "verify_ledger"]

_STATUSES = ("finished", "pruned", "failed", "interrupted")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which trials; None is any.

    Args:
        where: condition in SQL.
        data: start of the fingerprint of their prices.
        study: name of their study.
        status: how they ended.
    """

    where: str | None = None
    data: str | None = None
    study: str | None = None
    status: str | None = None

    def condition(self) -> tuple[str, tuple[Any, ...]]:
        """The same in SQL, with its values.

        Raises:
            ConfigError: there is no such status.
        """
        if self.status is not None and self.status not in _STATUSES:
            raise ConfigError(
                f"--status {self.status!r} is none.{did_you_mean(self.status, _STATUSES)} "
                f"Allowed: {', '.join(_STATUSES)}"
            )
        parts = {
            "starts_with(data, ?)": self.data,
            "study = ?": self.study,
            "status = ?": self.status,
        }
        given = {text: value for text, value in parts.items() if value is not None}
        clauses = [*given, *([] if self.where is None else [f"({self.where})"])]
        return " AND ".join(clauses) or "true", tuple(given.values())


def show_ledger(folder: Path, wanted: Wanted, *, last: int, output: Path | None) -> None:
    """Prints the latest trials and what the best is worth; writes all of them where wanted.

    Args:
        folder: of the ledger.
        wanted: which trials.
        last: how many to print.
        output: file for all of them.

    Raises:
        ConfigError: the file cannot be written, or a condition is none.
        DataError: there is no ledger.
    """
    ledger = _opened(folder)
    if last < 1:
        raise ConfigError(f"--last {last}; allowed: 1 or more")
    if output is not None:
        check_writable(output, "--output")
    record_ended(ledger)
    where, values = wanted.condition()
    frame = trials_frame(ledger, where, values)
    terminal = console()
    goes_on = f"{number} running" if (number := len(running(ledger))) else ""
    if frame.empty:
        none = "no trial of the ledger is such" if where != "true" else "no trial is recorded yet"
        terminal.print(f"{none}{f'; {goes_on}' if goes_on else ''}")
        return
    prices = prices_frame(ledger, [data for data in frame["data"].unique() if data])
    terminal.print(trials_table(with_sharpe(frame.tail(last)), of=len(frame)))
    if len(prices):
        terminal.print(prices_table(prices))
    terminal.print(Text("\n".join(_below(frame, prices, goes_on)), style="dim"))
    if output is not None:
        counts = prices.set_index("data")[["trials", "effective_trials"]].astype("Int64")
        write_frame(with_sharpe(frame).join(counts, on="data"), output)


def verify_ledger(folder: Path) -> bool:
    """Whether every record is whole; those that are not are named on stderr.

    Raises:
        DataError: there is no ledger.
    """
    ledger = _opened(folder)
    record_ended(ledger)
    findings = ledger.verify()
    for finding in findings:
        complain(f"{folder / finding.file}: {finding.problem}")
    damaged = f", {len(findings):,} of them not as they were written" if findings else ", all whole"
    console().print(f"{len(ledger):,} records{damaged}")
    return not findings


def _opened(folder: Path) -> Ledger:
    if not folder.is_dir():
        raise DataError(
            f"{folder} is no ledger: there is no such folder. Every run records itself in one: "
            "regimecast train ledger=FOLDER, where FOLDER is ledger unless you say otherwise"
        )
    return Ledger(folder)


def _below(frame: pd.DataFrame, prices: pd.DataFrame, goes_on: str) -> list[str]:
    """What a reader has to know about the tables."""
    said = [
        "by luck alone: Sharpe ratio of the best of as many different trials without skill, on "
        "average. dsr: probability that the best one's true Sharpe ratio is above that. years "
        "needed: below which luck alone shows the best Sharpe ratio. All trials count."
    ]
    if unread := int((frame["data"] == "").sum()):
        said.append(f"{unread:,} ended before reading prices: trials of nothing, counted nowhere.")
    if goes_on:
        said.append(f"{goes_on}.")
    about = zip(prices["data"], prices["problems"], strict=True)
    said += [f"{data[:12]}: {problems}" for data, problems in about if problems]
    return said
