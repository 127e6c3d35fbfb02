"""Table and picture of study 02 from its ledger: what the best of n coins looks like, and is.

    python analyse.py LEDGER_FOLDER

Writes results.csv (a row per number of trials) and luck.svg, and prints the table of the README.
"""

import argparse
from collections.abc import Iterator
from html import escape
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from regimecast.core.files import atomic_path
from regimecast.evaluation import effective_number_of_trials, probabilistic_sharpe_ratio
from regimecast.evaluation.likeness import luckiest_sharpe
from regimecast.report.palette import GRID, INK, MUTED, STRATEGY
from regimecast.tracking.ledger import Ledger

HERE = Path(__file__).parent
SHOWN = (1, 5, 10, 20, 50, 100, 200)
BENCH = "#6b7785"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 360, 60, 250, 54, 48


def load(folder: Path) -> tuple[pd.DataFrame, float]:
    """Returns by job, in the order in which the jobs were numbered, and the bars of a year."""
    frame = Ledger(folder).table("status = 'finished'")
    if frame["data"].nunique() != 1:
        raise SystemExit(f"{folder} holds trials on {frame['data'].nunique()} sets of data, not 1")
    frame = frame.sort_values("job", kind="stable")
    series = {
        row.job: pd.Series(row.returns, index=pd.DatetimeIndex(row.time))
        for row in frame.itertuples()
    }
    return pd.DataFrame(series), float(frame["bars_per_year"].iloc[0])


def verdict(chosen: pd.Series, trials: pd.DataFrame, year: float) -> dict[str, float]:
    """What is said of a strategy that was chosen out of these."""
    sharpe = float(chosen.mean() / chosen.std())
    moments = {
        "n_observations": len(chosen),
        "skew": float(stats.skew(chosen)),
        "kurtosis": float(stats.kurtosis(chosen, fisher=False)),
    }
    lucky = luckiest_sharpe(trials.to_numpy())
    return {
        "trials": trials.shape[1],
        "effective": effective_number_of_trials(trials.to_numpy()),
        "sharpe": sharpe * sqrt(year),
        "expected_maximum": lucky * sqrt(year),
        "psr": probabilistic_sharpe_ratio(sharpe, **moments),
        "dsr": probabilistic_sharpe_ratio(sharpe, benchmark=lucky, **moments),
        "minimum_years": len(chosen) / year * (lucky / sharpe) ** 2 if sharpe > 0 else np.inf,
    }


def draw(table: pd.DataFrame, informed: pd.DataFrame, path: Path) -> None:
    """Best Sharpe ratio of the first n coins and what luck explains, beside those that know."""
    top = 0.5 * np.ceil(2 * max(table["sharpe"].max(), informed["sharpe"].max()))
    low = 0.5 * np.floor(2 * min(table["sharpe"].min(), 0.0))
    right = WIDTH - RIGHT

    def place(n: float, sharpe: float) -> str:
        x = LEFT + np.log(n) / np.log(len(table)) * (right - LEFT)
        share = (sharpe - low) / (top - low)
        return f"{x:.1f},{HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM):.1f}"

    def text(at: str, content: str, *, colour: str = INK, **style: str) -> str:
        x, y = at.split(",")
        more = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in style.items())
        return f'<text x="{x}" y="{y}" fill="{colour}"{more}>{escape(content)}</text>'

    def told(row: Any) -> str:
        return f"PSR {row.psr:.3f}, DSR {row.dsr:.3f}"

    def parts() -> Iterator[str]:
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>'
        title = "The best of n strategies that toss a coin, three years of daily bars"
        yield text("20,28", title, font_weight="600")
        for level in np.arange(low, top + 0.25, 0.5):
            start, end = place(1, level), place(len(table), level)
            (x1, y), x2 = start.split(","), end.split(",")[0]
            yield f'<line x1="{x1}" x2="{x2}" y1="{y}" y2="{y}" stroke="{GRID}"/>'
            yield text(f"{LEFT - 8},{float(y) + 4}", f"{level:g}", colour=MUTED, text_anchor="end")
        for n in SHOWN:
            x = place(n, low).split(",")[0]
            at = f"{x},{HEIGHT - BOTTOM + 18}"
            yield text(at, str(n), colour=MUTED, text_anchor="middle")
        middle = f"{(LEFT + right) / 2},{HEIGHT - 8}"
        label = "coins tried (logarithmic); height: Sharpe ratio a year"
        yield text(middle, label, colour=MUTED, text_anchor="middle")
        for column, colour, dash, name in (
            ("sharpe", BENCH, "", f"the best coin: {told(table.iloc[-1])}"),
            ("expected_maximum", MUTED, "5 4", "what luck explains"),
        ):
            points = " ".join(map(place, table["trials"], table[column]))
            dashed = f' stroke-dasharray="{dash}"' if dash else ""
            line = f'stroke="{colour}" stroke-width="2.5"{dashed}'
            yield f'<polyline points="{points}" fill="none" {line}/>'
            x, y = place(len(table), table[column].iloc[-1]).split(",")
            yield text(f"{float(x) + 10},{float(y) + 4}", name, colour=colour)
        for row in informed.itertuples():
            x, y = place(len(table), row.sharpe).split(",")
            yield f'<circle cx="{x}" cy="{y}" r="5" fill="{STRATEGY}"/>'
            name = f"{row.model}: {told(row)}"
            yield text(f"{float(x) + 10},{float(y) + 4}", name, colour=STRATEGY)

    with atomic_path(path) as temporary:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        font = 'font-family="system-ui, sans-serif" font-size="13">'
        temporary.write_text("\n".join([f"{head} {font}", *parts(), "</svg>", ""]), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ledger", type=Path, help="folder of the study's ledger")
    returns, year = load(parser.parse_args().ledger)
    knows = [job for job in returns if "model=" in job]
    coins = returns.drop(columns=knows)
    rows = []
    for n in range(1, coins.shape[1] + 1):
        tried = coins.iloc[:, :n]
        best = (tried.mean() / tried.std()).idxmax()
        rows.append({"strategy": "best coin", **verdict(coins[best], tried, year)})
    table = pd.DataFrame(rows)
    rows = []
    for number, job in enumerate(knows):
        tried = pd.concat([coins, returns[knows[: number + 1]]], axis=1)
        model = job.partition("model=")[2].partition(",")[0]
        rows.append({"strategy": f"{model} reads the signal", **verdict(returns[job], tried, year)})
    informed = pd.DataFrame(rows)
    whole = pd.concat([table, informed], ignore_index=True)
    with atomic_path(HERE / "results.csv") as path:
        whole.round(4).to_csv(path, index=False)
    named = informed.assign(model=informed["strategy"].str.partition(" ")[0])
    draw(table, named, HERE / "luck.svg")
    print("| strategy | trials | effective | Sharpe | luck alone | PSR | DSR | MinBTL, years |")
    print("|---|---|---|---|---|---|---|---|")
    shown = whole[whole["trials"].isin(SHOWN) | (whole["strategy"] != "best coin")]
    for row in shown.itertuples():
        print(
            f"| {row.strategy} | {row.trials} | {row.effective} | {row.sharpe:.2f} "
            f"| {row.expected_maximum:.2f} | {row.psr:.3f} | {row.dsr:.3f} "
            f"| {row.minimum_years:.1f} |"
        )


if __name__ == "__main__":
    main()
