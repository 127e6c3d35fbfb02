"""A job that begins with a copy of another's first steps: whenever the copying is cut short."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from regimecast.core.files import read_json
from regimecast.sweep.following import follow
from regimecast.sweep.jobs import SweepJob, find_job
from regimecast.training.checkpoints import Checkpoints

FILES = 4  # a checkpoint and what is known of it, two tables


@pytest.mark.parametrize("copied", range(FILES + 1))
def test_a_copy_that_was_cut_short_can_be_gone_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int
):
    place = tmp_path / "exchange" / "theirs-3"
    kept = Checkpoints(place / "checkpoints" / "fold=0", {})
    with kept.writing(step=3, epochs=1, begun=1) as path:
        path.write_text("weights")
    for name in ("progress.csv", "metrics.csv"):
        (place / name).write_text(name)
    copy, calls = shutil.copyfile, []

    def copy_or_stop(source: Path, target: Path) -> Any:
        calls.append(source)
        if len(calls) > copied:
            Path(target).write_text("{")
            raise KeyboardInterrupt
        return copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", copy_or_stop)
    job = SweepJob(3, (), {"runs": str(tmp_path), "study": "study"}, (), "mine")
    if copied < FILES:
        with pytest.raises(KeyboardInterrupt):
            follow(job, place)
    else:
        follow(job, place)
    found = find_job(tmp_path / "study", "mine")
    assert found is not None
    run = found[0]
    newest = Checkpoints(run / "checkpoints" / "fold=0", {}).newest()
    assert (newest is not None) is (copied >= FILES - 1)
    if newest is not None:
        assert newest.read_text() == "weights"
        assert read_json(newest.with_suffix(".json"))["step"] == 3
        assert (run / "metrics.csv").exists()
    assert (run / "progress.csv").exists() is (copied == FILES)
