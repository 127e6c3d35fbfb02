"""Table and picture of study 04: what each way to search found for the same number of epochs.

    python analyse.py RUNS_FOLDER

Writes results.csv (a row per search) and search.svg, and prints the table of the README.
"""

import argparse
import json
from collections.abc import Iterator
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from regimecast.core.files import atomic_path
from regimecast.report.palette import GRID, INK, LINES, MUTED

HERE = Path(__file__).parent
BUDGET = 96
MODELS = ("lstm", "nhits")
METHODS = ("random", "asha", "pbt")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, GAP = 880, 360, 64, 16, 66, 48, 64


def steps_of(study: Path) -> pd.DataFrame:
    """Every epoch that a search trained, in the order of time: its run, step and objective."""
    parts = []
    for path in sorted(study.glob("*/progress.csv")):
        manifest = json.loads((path.parent / "manifest.json").read_text())
        part = pd.read_csv(path)
        begun = pd.Timestamp(manifest["started"])
        part["time"] = begun + pd.to_timedelta(part["seconds"], unit="s")
        parts.append(part.assign(run=path.parent.name, status=manifest["status"]))
    return pd.concat(parts).sort_values(["time", "run", "step"], kind="stable", ignore_index=True)


def search(study: Path, model: str, method: str, seed: int) -> tuple[dict[str, object], pd.Series]:
    """What a search found within the budget, and its best objective after each epoch."""
    steps = steps_of(study)
    within = steps.iloc[:BUDGET]
    curve = within["objective"].cummin().reset_index(drop=True)
    chosen = within.loc[within["objective"].idxmin()]
    # Only a run that trained to its end has been judged out of sample.
    whole = within[within["status"] == "finished"]
    judged = whole.loc[whole["objective"].idxmin(), "run"]
    metrics = json.loads((study / judged / "metrics.json").read_text())
    return {
        "model": model,
        "method": method,
        "seed": seed,
        "trials": within["run"].nunique(),
        "finished": whole["run"].nunique(),
        "epochs": len(within),
        "epochs_of_all": len(steps),
        "objective": float(chosen["objective"]),
        "to_best_of_random": np.nan,
        "test_crps": metrics["forecast"]["test/crps"],
    }, curve


def place_of(
    step: float, value: float, *, left: float, inner: float, low: float, high: float
) -> tuple[float, float]:
    """Where a value after so many epochs lies in a panel."""
    share = (min(value, high) - low) / (high - low)
    return left + step / BUDGET * inner, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def draw(curves: dict[tuple[str, str], list[pd.Series]], path: Path) -> None:
    """Best objective so far by epochs trained, a panel per model, a line per search."""
    models = list(dict.fromkeys(model for model, _ in curves))
    inner = (WIDTH - LEFT - RIGHT - GAP * (len(models) - 1)) / len(models)

    def parts() -> Iterator[str]:
        yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>'
        title = "Best validation loss so far"
        yield f'<text x="20" y="28" font-weight="600" fill="{INK}">{title}</text>'
        for place, method in enumerate(METHODS):
            x = 260 + 130 * place
            yield f'<rect x="{x}" y="18" width="18" height="4" fill="{LINES[place]}"/>'
            yield f'<text x="{x + 24}" y="26" fill="{INK}">{escape(method)}</text>'
        for panel, model in enumerate(models):
            left = LEFT + panel * (inner + GAP)
            own = {m: curves[model, m] for m in METHODS}
            values = np.concatenate(
                [c.to_numpy()[BUDGET // 4 :] for cs in own.values() for c in cs]
            )
            low, high = values.min(), values.max()
            low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)

            at = partial(place_of, left=left, inner=inner, low=low, high=high)
            yield f'<text x="{left}" y="{TOP - 12}" fill="{INK}">{escape(model)}</text>'
            for value in np.linspace(low, high, 5):
                (x1, y), (x2, _) = at(0, value), at(BUDGET, value)
                yield f'<line x1="{x1}" x2="{x2}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>'
                yield (
                    f'<text x="{x1 - 8}" y="{y + 4:.1f}" fill="{MUTED}" '
                    f'text-anchor="end">{value:.4f}</text>'
                )
            for step in range(0, BUDGET + 1, 24):
                x, y = at(step, low)
                yield (
                    f'<text x="{x:.1f}" y="{y + 18:.1f}" fill="{MUTED}" '
                    f'text-anchor="middle">{step}</text>'
                )
            yield (
                f'<text x="{left + inner / 2:.1f}" y="{HEIGHT - 10}" fill="{MUTED}" '
                'text-anchor="middle">epochs trained, all trials together</text>'
            )
            for place, method in enumerate(METHODS):
                for curve in own[method]:
                    points = " ".join(
                        "{:.1f},{:.1f}".format(*at(step + 1, value))
                        for step, value in enumerate(curve)
                        if value <= high
                    )
                    yield (
                        f'<polyline points="{points}" fill="none" stroke="{LINES[place]}" '
                        'stroke-width="2" stroke-opacity="0.85"/>'
                    )

    with atomic_path(path) as temporary:
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        font = 'font-family="system-ui, sans-serif" font-size="13">'
        temporary.write_text("\n".join([f"{head} {font}", *parts(), "</svg>", ""]), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, help="folder of all studies")
    runs = parser.parse_args().runs
    rows, curves = [], {}
    for model in MODELS:
        for method in METHODS:
            for seed in (0, 1):
                study = runs / f"04_search_{model}_{method}_{seed}"
                row, curve = search(study, model, method, seed)
                rows.append(row)
                curves.setdefault((model, method), []).append(curve)
    table = pd.DataFrame(rows)
    for index, row in table.iterrows():
        target = curves[row["model"], "random"][row["seed"]].iloc[-1]
        curve = curves[row["model"], row["method"]][row["seed"]]
        reached = curve[curve <= target * 1.001]
        table.loc[index, "to_best_of_random"] = reached.index[0] + 1 if len(reached) else np.nan
    with atomic_path(HERE / "results.csv") as path:
        table.round(6).to_csv(path, index=False)
    draw(curves, HERE / "search.svg")
    print("| model | search | seed | trials | finished | epochs | best validation loss "
          "| epochs to random's best | test CRPS of the chosen |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for row in table.itertuples():
        reached = "never" if np.isnan(row.to_best_of_random) else f"{row.to_best_of_random:.0f}"
        print(
            f"| {row.model} | {row.method} | {row.seed} | {row.trials} | {row.finished} "
            f"| {row.epochs} | {row.objective:.5f} | {reached} | {row.test_crps:.6f} |"
        )


if __name__ == "__main__":
    main()
