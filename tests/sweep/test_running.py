"""What a search knows of its jobs when it goes on."""

from pathlib import Path

from regimecast.core.files import read_json
from regimecast.sweep.opening import open_search
from regimecast.sweep.running import Running
from regimecast.sweep.search_jobs import SearchJobs
from regimecast.sweep.status import SweepStatus
from tests.sweep.searching import named, space


def test_a_job_that_followed_another_is_shown_as_what_it_became(tmp_path: Path):
    search = open_search(
        None, tmp_path, space=space("optimizer.lr=interval(0.1,1.0)"), settings=named("random"),
        base={}, bars=[], code="c",
    )  # fmt: skip
    first, other = search.ask(), search.ask()
    assert first is not None
    assert other is not None
    became = ["optimizer.lr=0.5", "changes=[{epoch:2,set:{optimizer.lr:0.2}}]"]
    search.finished(first.number, {"val/loss": 1.0}, {"steps": 20, "distinct": became})
    search.failed(other.number, "broken", {})
    status = SweepStatus(tmp_path, total=20, at_a_time=1, objectives={"val/loss": "min"})
    Running(search, SearchJobs.__new__(SearchJobs), status, None)  # no job is made
    status.write()
    shown = {one["number"]: one["title"] for one in read_json(tmp_path / "sweep.json")["each"]}
    assert shown[first.number] == " ".join(became)
    assert shown[other.number] == f"optimizer.lr={other.point['optimizer.lr']}"
