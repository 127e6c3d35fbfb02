"""What a search has found, in a few lines for the terminal."""

import shlex
from collections import Counter
from collections.abc import Sequence

from regimecast.sweep.study import Search, Told

__all__ = ["digest"]

_SHOWN = 5
"""Jobs that are named where no other beats them in every objective."""
_NOT_AGAIN = ("study=", "hydra.", "hydra/")
"""Overrides that a run by itself does not need."""


def digest(search: Search, fixed: Sequence[str]) -> list[str]:
    """Lines about the best jobs, how all of them ended, and how much training that took.

    Args:
        search: as it is now.
        fixed: overrides that every job has.
    """
    told = list(search.told())
    if not told:
        return []
    best = search.best()
    lines = _counts(told, search.total)
    if not best:
        return [*lines, "no job has reported every objective: there is no best one"]
    names = tuple(search.settings.objectives)
    if len(best) > 1:
        lines.append(f"{len(best)} jobs that no other beats in every objective:")
    for one in best[:_SHOWN]:
        values = ", ".join(f"{n} {v:.6g}" for n, v in zip(names, one.values, strict=True))
        place = f", {folder}" if (folder := one.facts.get("folder")) else ""
        lines += [
            f"best: job {one.number + 1}, {values}{place}",
            f"  {command(search, one, fixed)}",
        ]
    return lines


def command(search: Search, told: Told, fixed: Sequence[str]) -> str:
    """What runs a job again by itself, to be copied."""
    overrides = told.facts.get("overrides") or [*fixed, *search.space.overrides(told.point)]
    kept = [override for override in overrides if not override.startswith(_NOT_AGAIN)]
    return shlex.join(["regimecast", "train", *kept])


def _counts(told: Sequence[Told], total: int) -> list[str]:
    counted = Counter(one.status for one in told)
    shown = ", ".join(f"{counted[s]} {s}" for s in ("finished", "pruned", "failed") if counted[s])
    lines = [f"{len(told)} of {total} jobs have ended: {shown}"]
    whole = [int(one.facts.get("steps") or 0) for one in told if one.status == "finished"]
    cut = [int(one.facts.get("steps") or 0) for one in told if one.status == "pruned"]
    if cut and whole and sum(whole):
        each = sum(whole) / len(whole)
        steps = sum(whole) + sum(cut)
        # What is ended early would have trained as long as the others did, or longer.
        without = sum(whole) + sum(max(each, steps_so_far) for steps_so_far in cut)
        lines.append(
            f"{steps} steps of training, about {without:.0f} had none been ended early "
            f"({without / steps:.1f} times as many)"
        )
    return lines
