"""Tables of study 03 from its run folders: every run after costs, and what is left of it.

    python analyse.py RUNS_FOLDER

Needs the comparison.json that `regimecast compare RUNS_FOLDER` writes. Writes results.csv (a row
per run) and prints the tables of the README.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from regimecast.core.files import atomic_path, read_json
from regimecast.core.types import REGIMES
from regimecast.evaluation.leaderboard import Leaderboard


def contests(folder: Path) -> dict[tuple[str, str | None], dict[str, Any]]:
    """Contests of the study by metric and regime."""
    (group,) = read_json(folder / "comparison.json")["groups"]
    return {(contest["metric"], contest["regime"]): contest for contest in group["contests"]}


def load(folder: Path) -> pd.DataFrame:
    """A row per run: the leaderboard's, with paths, coverage and the confidence set."""
    frame = Leaderboard.read(folder).frame
    if (frame["status"] != "finished").any():
        raise SystemExit(f"{folder} holds runs that did not finish")
    held = contests(folder)
    more = []
    for job in frame["job"]:
        metrics = read_json(folder / job / "metrics.json")
        paths = [s for s in metrics.get("paths", {}).get("sharpe", []) if s is not None]
        conformal = metrics["conformal"]
        row = {
            "lowest_path": min(paths, default=None),
            "highest_path": max(paths, default=None),
            "coverage": conformal["coverage"],
            "uncalibrated": conformal["uncalibrated"]["coverage"],
            "width": conformal["width"],
        }
        for name in REGIMES:
            row[f"coverage_{name}"] = conformal["by_regime"].get(name, {}).get("coverage")
        for regime in (None, *REGIMES):
            contest = held.get(("crps", regime))
            told = contest["mcs"].get(job) if contest else None
            row[f"mcs_{regime or 'all'}"] = told["p_value"] if told else None
        more.append(row)
    return frame.join(pd.DataFrame(more))


def number(value: Any, form: str) -> str:
    return "–" if value is None or pd.isna(value) else format(value, form)


def trading(runs: pd.DataFrame) -> None:
    print(
        "| split | model | DSR | PSR | Sharpe (95 % interval) | paths | max drawdown | turnover a "
        "year | gate |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for row in runs.itertuples():
        paths = (
            "" if pd.isna(row.lowest_path) else f"{row.lowest_path:.2f} … {row.highest_path:.2f}"
        )
        print(
            f"| {row.split} | {row.model} | {number(row.dsr, '.1%')} | {number(row.psr, '.1%')} "
            f"| {number(row.sharpe, '.2f')} ({number(row.sharpe_low, '.2f')} … "
            f"{number(row.sharpe_high, '.2f')}) | {paths} | {number(row.max_drawdown, '.1%')} "
            f"| {number(row.turnover, '.0f')} | {row.gate} |"
        )


def forecasts(runs: pd.DataFrame) -> None:
    print("\n| split | model | CRPS, bp | confidence set, p | crash | coverage (before) | crash |")
    print("|---|---|---|---|---|---|---|")
    for row in runs.sort_values(["split", "crps"]).itertuples():
        print(
            f"| {row.split} | {row.model} | {1e4 * row.crps:.1f} | {number(row.mcs_all, '.3f')} "
            f"| {number(row.mcs_crash, '.3f')} | {row.coverage:.1%} ({row.uncalibrated:.1%}) "
            f"| {number(row.coverage_crash, '.1%')} |"
        )


def tests(folder: Path) -> None:
    print("\n| metric | regime | times | not excluded | better than naive at 5 % | than holding |")
    print("|---|---|---|---|---|---|")
    for (metric, regime), contest in contests(folder).items():
        if not contest["mcs"]:
            why = contest["not_testable"]
            print(f"| {metric} | {regime or 'all'} | {contest['times']} | {why} | | |")
            continue
        inside = sum(told["in_0.10"] for told in contest["mcs"].values())
        beaten = [against(contest["spa"].get(name)) for name in ("naive", "buy_and_hold")]
        print(
            f"| {metric} | {regime or 'all'} | {contest['times']} "
            f"| {inside} of {len(contest['mcs'])} | {' | '.join(beaten)} |"
        )


def against(found: dict[str, Any] | None) -> str:
    """How many runs are better than a benchmark, and the p-value of none being so."""
    if found is None:
        return ""
    return f"{len(found['superior'])} (p {max(found['p_value'], 0.001):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of the study's runs")
    folder = parser.parse_args().study
    runs = load(folder)
    with atomic_path(Path(__file__).parent / "results.csv") as path:
        runs.drop(columns=["note", "pbo_note", "prices"]).round(6).to_csv(path, index=False)
    trading(runs)
    forecasts(runs)
    tests(folder)


if __name__ == "__main__":
    main()
