"""Learning curves of the jobs that a search has run before."""

from pathlib import Path

from regimecast.sweep.schedulers import Curve
from regimecast.sweep.study import Search
from regimecast.training.progress import FILENAME, read_progress

__all__ = ["curve", "curves"]


def curves(search: Search) -> list[Curve]:
    """One for every job that was finished or pruned and whose folder is still there."""
    found = []
    for told in search.told():
        folder = told.facts.get("folder")
        if told.status != "failed" and folder is not None:
            found.append(curve(Path(folder), f"before-{told.number}"))
    return [one for one in found if one.steps]


def curve(folder: Path, name: str = "") -> Curve:
    """What a run has shown so far; nothing where its folder is gone."""
    rows = [row.progress for row in read_progress(folder / FILENAME)]
    return Curve(name, tuple(row.step for row in rows), tuple(row.objective for row in rows))
