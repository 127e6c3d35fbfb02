import json
from pathlib import Path

import pytest

from regimecast.core.processes import this_process
from regimecast.sweep.jobs import SweepJob, error_of, find_done, find_job

CONFIG = {"runs": "runs", "study": "study", "seed": 1}


def made(study: Path, name: str, identity: str | None, status: str, **more: object) -> Path:
    folder = study / name
    folder.mkdir(parents=True)
    manifest = {"status": status, "process": this_process(), "identity": identity, **more}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))
    return folder


def test_jobs_are_found_by_what_they_are(tmp_path: Path):
    done = made(tmp_path, "000_seed=1", "a", "finished", long="x" * 100_000)
    live = made(tmp_path, "001_seed=2", "b", "running")
    made(tmp_path, "002_seed=3", None, "finished")
    (tmp_path / "003_seed=4").mkdir()
    (tmp_path / "003_seed=4" / "manifest.json").write_text("{ not json")
    (tmp_path / "004_seed=5").mkdir()
    (tmp_path / "004_seed=5" / "manifest.json").write_text("[1]")
    made(tmp_path, ".hidden", "c", "finished")
    assert find_done(tmp_path) == {"a": (done, "finished"), "b": (live, "running")}
    assert find_job(tmp_path, "b") == (live, "running")
    assert find_job(tmp_path, "c") is None
    assert find_done(tmp_path / "none") == {}


def test_of_several_folders_of_a_job_the_furthest_counts(tmp_path: Path):
    made(tmp_path, "000_a", "a", "failed")
    made(tmp_path, "000_a~2", "a", "interrupted")
    assert find_done(tmp_path)["a"][1] == "interrupted"
    made(tmp_path, "000_a~3", "a", "finished")
    made(tmp_path, "000_a~4", "a", "failed")
    assert find_done(tmp_path)["a"] == (tmp_path / "000_a~3", "finished")
    assert find_job(tmp_path, "a") == (tmp_path / "000_a~3", "finished")


def test_a_job_whose_process_is_gone_was_interrupted(tmp_path: Path):
    gone = {**this_process(), "started": "1"}
    folder = made(tmp_path, "000_a", "a", "running")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "process": gone}))
    assert find_done(tmp_path)["a"][1] == "interrupted"


def test_an_identity_that_is_written_late_is_found(tmp_path: Path):
    (tmp_path / "run").mkdir()
    text = {"status": "finished", "long": "x" * 10_000, "identity": "a"}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(text))
    assert find_done(tmp_path)["a"][1] == "finished"


def test_a_job_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    job = SweepJob(2, ("seed=1", "model=lstm"), CONFIG, ("seed=1",))
    assert (job.title, job.study) == ("seed=1", Path("runs/study"))
    assert SweepJob(0, (), CONFIG).title == "defaults"
    outcome = job.outcome("failed", folder=Path("x"), error="a slip")
    assert (outcome.overrides, outcome.error, outcome.before) == (job.overrides, "a slip", False)


def test_a_folder_says_why_it_failed(tmp_path: Path):
    assert error_of(made(tmp_path, "a", "a", "failed", error="a slip")) == "a slip"
    assert error_of(tmp_path / "none") == "it does not say why"
