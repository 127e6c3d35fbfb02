"""What a job's process sets up before the job runs in it."""

from multiprocessing import Pipe
from typing import Any

import pytest

from regimecast.sweep import job_process
from regimecast.sweep.jobs import JobOutcome, SweepJob
from regimecast.tracking.manifest import environment
from regimecast.training import threads
from regimecast.training.threads import threads_like


@pytest.mark.parametrize(("given", "taken"), [(None, 2), (3, 3)])
def test_jobs_beside_each_other_share_every_kind_of_thread(
    monkeypatch: pytest.MonkeyPatch, given: int | None, taken: int
):
    found: list[Any] = []

    def outcome(job: SweepJob, *_: Any) -> JobOutcome:
        found.append(environment()["threads"])
        return job.outcome("finished")

    monkeypatch.setattr(threads, "usable_cores", lambda: 4)
    monkeypatch.setattr(job_process, "end_with_parent", lambda: None)
    monkeypatch.setattr(job_process, "_outcome", outcome)
    ours, theirs = Pipe()
    job = SweepJob(0, ("seed=1",), {"runs": "runs", "study": "study", "seed": 1})
    manner = job_process._Manner(given, 2, False, None, False, None, 0.0, False)
    with ours, threads_like({"torch": 4, "blas": 4}):
        job_process._work(theirs, job, manner)
        assert ours.recv().status == "finished"
    assert found == [{"torch": taken, "blas": taken}]
