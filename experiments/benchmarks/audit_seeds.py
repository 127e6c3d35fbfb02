"""False alarms of the audit: clean markets of 200 seeds, on which nothing may be found.

Run: python experiments/benchmarks/audit_seeds.py
Writes audit_seeds.md beside this file.
"""

import argparse
import logging
import time
from pathlib import Path

from regimecast.audit.engine import MARKET_CHECKS, audit
from regimecast.audit.findings import AuditReport
from regimecast.core.compose import composed

OVERRIDES = (
    "data=synthetic", "data.assets=3", "data.bars=1500", "window.context_length=16",
    "model=naive", "tracker=csv",
)  # fmt: skip
VARIANTS = (
    (),
    ("target=triple_barrier", "loss=cross_entropy", "strategy=class_probability"),
    ("split=walk_forward", "split.folds=2", "split.test=0.2", "split.validation=0.3",
     "weighting=[regime,recency,uniqueness]", "sampling=balanced"),
    ("features=standard", "split.purge=20"),
)  # fmt: skip
"""Parts in turn, so that every seed sees other bars and every fourth the same parts."""


def audited(seed: int) -> AuditReport:
    """Report on a market of that seed, cut at times of that seed."""
    config = composed([*OVERRIDES, f"data.seed={seed}", *VARIANTS[seed % len(VARIANTS)]])
    return audit(config, cuts=4, seed=seed, checks=MARKET_CHECKS)


def main() -> None:
    """Audits every seed and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    arguments = parser.parse_args()
    logging.getLogger("regimecast").setLevel(logging.ERROR)
    started = time.perf_counter()
    alarms, values, lines = 0, 0, []
    for seed in range(arguments.seeds):
        report = audited(seed)
        values += sum(check.values for check in report.checks)
        if not report.clean:
            alarms += 1
            lines += [f"- seed {seed}: {found}" for found in report.findings]
            lines += [f"- seed {seed}: {f}" for f in report.failures if not f.refused]
            lines += [
                f"- seed {seed}: {c.component}: {c.status}" for c in report.checks if not c.ok
            ]
    seconds = time.perf_counter() - started
    text = [
        "# False alarms of the audit",
        "",
        "Question: does the audit find anything on markets and parts that are known to be clean?",
        "",
        f"{arguments.seeds} synthetic markets, each with its own seed, {len(VARIANTS)} sets of "
        f"parts in turn: {alarms} alarms in {values:,} compared values, {seconds:.0f} s.",
        "",
        *lines,
    ]
    arguments.output.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
