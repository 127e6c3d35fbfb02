"""Every model of the registry, run once and again in a new process, to the same bits.

    python rerun_zoo.py --runs FOLDER [--only lstm nhits] [--output rerun_zoo.csv]

Each is run on `data=sp500` for one epoch, as ``regimecast train``, and again from its folder alone,
as ``regimecast rerun --verify``. Writes a row per model: how many stages there are, whether all are
identical, what differs if not, and the seconds of both. Exits with 1 if one differs.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from regimecast.core.frames import write_frame
from regimecast.models.base import ModelRegistry

SHORT = (
    "data=sp500",
    "features=[momentum,volatility,calendar]",
    "window.context_length=16",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "tracker=csv",
)
CLASSES = ("target=triple_barrier", "loss=cross_entropy")
WANTED = {"logistic": CLASSES, "svm": CLASSES, "mlp": ("loss=huber",)}
"""What models need that do not forecast quantiles."""
ROUNDS = 20
_LAST = 300


def run_twice(model: str, runs: Path) -> dict[str, Any]:
    """The model's row of the table."""
    row: dict[str, Any] = {"model": model, "stages": 0, "identical": False, "first": ""}
    study, few = runs / model, _few_rounds(model)
    before = set(study.glob("*/manifest.json"))
    made, seconds = _regimecast(
        "train", *SHORT, *WANTED.get(model, ()), *few, f"model={model}",
        f"runs={runs}", f"ledger={runs / 'ledger'}", f"study={model}",
    )  # fmt: skip
    row["seconds"] = round(seconds, 1)
    if made.returncode:
        return {**row, "first": made.stderr.strip()[-_LAST:]}
    (manifest,) = set(study.glob("*/manifest.json")) - before
    again, seconds = _regimecast("rerun", str(manifest.parent), "--verify", "--json")
    row["rerun_seconds"] = round(seconds, 1)
    try:
        found = json.loads(again.stdout)["verification"]
    except ValueError:
        return {**row, "first": again.stderr.strip()[-_LAST:]}
    causes = "; ".join(found["causes"])
    return {
        **row,
        "stages": len(found["stages"]),
        "identical": found["identical"],
        "first": f"{found['first']}: {causes}" if found["first"] else "",
    }


def _few_rounds(model: str) -> tuple[str, ...]:
    """Fewer rounds for what is boosted, as an epoch is for networks."""
    parameters = ModelRegistry.get(model).__init__.__annotations__
    return (f"model.rounds={ROUNDS}",) if "rounds" in parameters else ()


def _regimecast(*arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    started = perf_counter()
    done = subprocess.run(  # the command of this project
        [sys.executable, "-m", "regimecast", *arguments], capture_output=True, text=True
    )
    return done, perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="folder for run folders")
    parser.add_argument("--only", nargs="*", help="models; all of the registry where left out")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("rerun_zoo.csv"))
    chosen = parser.parse_args()
    rows = []
    for model in chosen.only or ModelRegistry.available():
        rows.append(run_twice(model, chosen.runs))
        print(rows[-1], flush=True)
        write_frame(pd.DataFrame(rows), chosen.output)
    same = sum(row["identical"] for row in rows)
    print(f"{same} of {len(rows)} models identical")
    sys.exit(same < len(rows))


if __name__ == "__main__":
    main()
