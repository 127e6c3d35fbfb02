"""The harness that kills sweeps at random moments, a few times; the study is in experiments."""

import shutil
from pathlib import Path

import kill_harness


def test_a_sweep_that_was_killed_ends_as_if_it_had_not_been(folder: Path):
    rows: list = []
    sweep = (*kill_harness.TINY, "model=lstm,lightgbm", "sweep.jobs=2")
    bad = kill_harness.harness(kills=2, arguments=sweep, victims=("all",), seed=1, tell=rows.append)
    assert bad == 0, [row.problems for row in rows]
    assert sum(row.hit > 0 for row in rows) == 2
    assert rows[0].jobs_finished == 2


def test_the_harness_sees_what_is_wrong(folder: Path):
    """Else it could not fail."""
    arguments = (*kill_harness.TINY, "model=naive,drift")
    measure = kill_harness.Sweep(folder / "measure", arguments)
    assert measure.wait(measure.start()) == 0
    shutil.copytree(measure.folder, folder / "sweep")
    sweep = kill_harness.Sweep(folder / "sweep", arguments)
    assert kill_harness.problems_of(sweep, measure) == []
    one, other = sorted(sweep.path.glob("*/manifest.json"))
    one.write_text(other.read_text())
    (sweep.path / one.parent.name / ".manifest.json.abcdefgh.json").write_text("half")
    (record, *_) = sorted((sweep.folder / "ledger").glob("*.parquet"))
    record.unlink()
    found = " ".join(kill_harness.problems_of(sweep, measure))
    for problem in ("an identity has two folders", "other jobs", "litter", "ledger has the jobs"):
        assert problem in found
