"""Table of study 05 from its run folders: errors beside the published ones.

    python analyse.py RUNS_FOLDER ...

Writes results.csv (one row per run) and prints the table of the README. Errors are those of
``metrics.json``, over every test window. Beside them stand those without the windows after the last
full batch of 32, which the published evaluation left out.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from regimecast.core.files import atomic_path, read_json

BATCH = 32
WINDOWS = {"ETTh1": 2881, "ETTm2": 11521, "exchange_rate": 1518}
"""Test windows of each set at a horizon of 0; the horizon is taken off."""

# MSE and MAE. Zeng et al. (2023), table 2 (look-back 336); Nie et al. (2023), table 3, PatchTST/42
# (look-back 336); for N-HiTS (look-back 480) the table of its library, whose MSE is that of the
# figure in Challu et al. (2023).
PUBLISHED: dict[tuple[str, str, int], tuple[float, float]] = {
    **{
        (name, "naive", horizon): cell
        for name, cells in {
            "ETTh1": ((1.295, 0.713), (1.325, 0.733), (1.323, 0.744), (1.339, 0.756)),
            "ETTm2": ((0.266, 0.328), (0.340, 0.371), (0.412, 0.410), (0.521, 0.465)),
            "exchange_rate": ((0.081, 0.196), (0.167, 0.289), (0.305, 0.396), (0.823, 0.681)),
        }.items()
        for horizon, cell in zip((96, 192, 336, 720), cells, strict=True)
    },
    **{
        (name, "nlinear", horizon): cell
        for name, cells in {
            "ETTh1": ((0.374, 0.394), (0.408, 0.415), (0.429, 0.427), (0.440, 0.453)),
            "ETTm2": ((0.167, 0.255), (0.221, 0.293), (0.274, 0.327), (0.368, 0.384)),
            "exchange_rate": ((0.089, 0.208), (0.180, 0.300), (0.331, 0.415), (1.033, 0.780)),
        }.items()
        for horizon, cell in zip((96, 192, 336, 720), cells, strict=True)
    },
    **{
        (name, "dlinear", horizon): cell
        for name, cells in {
            "ETTh1": ((0.375, 0.399), (0.405, 0.416), (0.439, 0.443), (0.472, 0.490)),
            "ETTm2": ((0.167, 0.260), (0.224, 0.303), (0.281, 0.342), (0.397, 0.421)),
            "exchange_rate": ((0.081, 0.203), (0.157, 0.293), (0.305, 0.414), (0.643, 0.601)),
        }.items()
        for horizon, cell in zip((96, 192, 336, 720), cells, strict=True)
    },
    ("ETTh1", "patchtst", 96): (0.375, 0.399),
    ("ETTm2", "nhits", 96): (0.176, 0.255),
}


def run_row(folder: Path) -> dict[str, object]:
    """One finished run."""
    metrics = read_json(folder / "metrics.json")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    name, horizon = Path(config["data"]["path"]).stem, int(config["target"]["horizon"])
    windows = WINDOWS[name] - horizon
    table = pd.read_parquet(folder / "predictions.parquet", columns=["origin", "actual", "q0.5"])
    origins = table["origin"].to_numpy()[::horizon]
    place = np.unique(origins, return_inverse=True)[1]
    if place.max() + 1 != windows:
        raise SystemExit(f"{folder}: {place.max() + 1} test windows, expected {windows}")
    error = (table["q0.5"].to_numpy() - table["actual"].to_numpy()).reshape(-1, horizon)
    error = error[place < windows // BATCH * BATCH]
    fit = metrics["folds"][0]["fit"]
    return {
        "set": name,
        "model": metrics["model"],
        "horizon": horizon,
        "seed": metrics["seed"],
        "windows": windows,
        "mse": metrics["forecast"]["test/mse"],
        "mae": metrics["forecast"]["test/mae"],
        "mse_full_batches": float((error**2).mean()),
        "mae_full_batches": float(np.abs(error).mean()),
        "epochs": fit["epochs"],
        "fit_seconds": fit["seconds"],
        "seconds": metrics["seconds"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+", help="folders with the study's runs")
    found = [path for root in parser.parse_args().folders for path in root.rglob("metrics.json")]
    rows = [run_row(path.parent) for path in sorted(found)]
    if not rows:
        raise SystemExit("no finished runs there")
    table = pd.DataFrame(rows).sort_values(["set", "model", "horizon", "seed"])
    table = table.drop_duplicates(["set", "model", "horizon", "seed"])
    with atomic_path(Path(__file__).parent / "results.csv") as path:
        table.round(5).to_csv(path, index=False)
    print(
        "| set | model | horizon | windows | published | here, every window | spread of MSE "
        "| seeds | MSE against published | full batches of 32 only | seconds a fit |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (name, model, horizon), cell in table.groupby(["set", "model", "horizon"]):
        mean = cell.mean(numeric_only=True)
        mse, mae = PUBLISHED[name, model, horizon]
        print(
            f"| {name} | {model} | {horizon} | {int(mean['windows']):,} | {mse:.3f} / {mae:.3f} "
            f"| {mean['mse']:.4f} / {mean['mae']:.4f} "
            f"| {cell['mse'].min():.4f} … {cell['mse'].max():.4f} | {len(cell)} "
            f"| {mean['mse'] / mse - 1:+.1%} "
            f"| {mean['mse_full_batches']:.4f} / {mean['mae_full_batches']:.4f} "
            f"| {mean['fit_seconds']:.0f} |"
        )


if __name__ == "__main__":
    main()
