"""What the best run of a study is worth once one knows how many were tried, in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regimecast.evaluation.selection import Luck, Selection
from regimecast.report.numbers import bars, fixed, interval, percent
from regimecast.report.ranking import Runs
from regimecast.report.tiles import Tile

__all__ = ["Verdict", "deflated", "problems", "said", "tiles", "verdicts"]


@dataclass(frozen=True)
class Verdict:
    """One run, and the selection that it was chosen in."""

    label: str
    luck: Luck
    selection: Selection

    @property
    def counted(self) -> str:
        """Such as ``best of 120 trials, 14 different``."""
        n = self.selection.trials
        return f"best of {n:,} trial{'' if n == 1 else 's'}, {self.selection.effective:,} different"


def verdicts(selections: Sequence[Selection]) -> dict[str, Verdict]:
    """Runs that have returns, by label."""
    return {
        label: Verdict(label, luck, selection)
        for selection in selections
        for label, luck in selection.runs.items()
    }


def deflated(found: dict[str, Verdict]) -> dict[str, float]:
    """Deflated Sharpe ratios that are known, by label."""
    return {
        label: verdict.luck.dsr
        for label, verdict in found.items()
        if math.isfinite(verdict.luck.dsr)
    }


def said(runs: Runs, names: Mapping[str, str], selections: Sequence[Selection]) -> list[str]:
    """What the best run is worth, a sentence for each set of prices.

    Args:
        runs: of the study.
        names: short names by label.
        selections: that the runs were chosen in.
    """
    found = [_worth(selection, names) for selection in selections if selection.runs]
    if found:
        return found
    count = f"{len(runs)} run{'' if len(runs) == 1 else 's'}"
    if all(run.untraded for run in runs.values()):
        return [
            f"The lowest error here is the best of {count}: the more runs, the lower the best of "
            "them by luck alone. Nothing is traded on this target."
        ]
    return [f"None of {count} left returns, so there is no Sharpe ratio to judge."]


def tiles(runs: Runs, selections: Sequence[Selection]) -> list[Tile]:
    """Best Sharpe ratio, number of trials, what is left of it, probability of overfitting.

    Only where all runs were judged on the same prices; otherwise the sentences say it.
    """
    judged = [selection for selection in selections if selection.runs]
    if len(judged) != 1 or (best := judged[0].best) is None:
        return []
    (selection,) = judged
    luck = selection.runs[best]
    bounds = interval("sharpe", runs[best].interval("trading", "sharpe"))
    level = percent(runs[best].intervals.get("level"), 0)
    found = [
        Tile(
            "Best Sharpe ratio",
            fixed(luck.sharpe),
            f"a year, after costs, over {bars(luck.observations)} bars",
            ((f"{level} interval", bounds),) if bounds else (),
        ),
        Tile(
            "Trials on these prices",
            f"{selection.trials:,}",
            "of any study and status" if selection.recorded else "runs at hand, no ledger",
            (
                ("different ones", f"{selection.effective:,}"),
                ("best of them by luck", f"Sharpe {fixed(selection.expected_maximum)}"),
            ),
        ),
    ]
    if math.isfinite(luck.dsr):
        found.append(
            Tile(
                "Deflated Sharpe ratio",
                percent(luck.dsr),
                "probability that it is above the best by luck",
                (("above 0, if it were the only trial", percent(luck.psr)),),
            )
        )
    if selection.pbo is not None:
        found.append(
            Tile(
                "Probability of overfitting",
                percent(selection.pbo.pbo),
                f"PBO of {len(selection.pbo_runs)} runs here",
                (("winner loses out of sample", percent(selection.pbo.probability_of_loss)),),
            )
        )
    return found


def problems(selections: Sequence[Selection], found: dict[str, Verdict]) -> list[str]:
    """What a reader has to know about those numbers, a sentence each."""
    notes: dict[str, list[str]] = {}
    for label, verdict in found.items():
        if verdict.luck.note:
            notes.setdefault(verdict.luck.note, []).append(label)
    said = dict.fromkeys(text for selection in selections for text in selection.problems)
    return [*said, *(f"{_few(labels)}: {note}." for note, labels in notes.items())]


def _worth(selection: Selection, names: Mapping[str, str]) -> str:
    """Such as ``The best Sharpe ratio here, 1.32 of a, is the best of 240 trials ...``."""
    best = selection.best
    if best is None:
        return (
            f"None of {len(selection.runs)} runs has a Sharpe ratio; there are "
            f"{selection.trials:,} trials on these prices."
        )
    luck, n = selection.runs[best], selection.trials
    counted = (
        f"The best Sharpe ratio here is {fixed(luck.sharpe)}, of {names[best]}. "
        f"{n:,} trial{' was' if n == 1 else 's were'} made on these prices, effectively "
        f"{selection.effective:,}."
    )
    if not math.isfinite(luck.dsr):
        return f"{counted} How much of it is luck cannot be said: {luck.note or 'unknown'}."
    worth = (
        f"{counted} The best of so many without any skill shows "
        f"{fixed(selection.expected_maximum)} on average; were that its true one, it would look "
        f"this good with probability {percent(1 - luck.dsr)}."
    )
    if selection.pbo is not None:
        worth += f" Probability of backtest overfitting (PBO): {percent(selection.pbo.pbo)}."
    return worth


def _few(labels: list[str]) -> str:
    rest = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return ", ".join(labels[:3]) + rest
