import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from regimecast.tracking import identity
from regimecast.tracking.identity import code_hash, deciding, described, job_identity

CONFIG = {"model": {"name": "lstm"}, "features": {}, "seed": 0, "runs": "runs", "study": "a"}


def test_where_a_run_is_kept_is_no_part_of_what_it_is():
    elsewhere = {**CONFIG, "runs": "other", "study": "b", "ledger": "l", "tracker": {"name": "csv"}}
    assert job_identity(elsewhere, "bars") == job_identity(CONFIG, "bars")
    assert deciding(elsewhere) == {key: CONFIG[key] for key in ("model", "features", "seed")}


def test_by_what_way_a_run_comes_to_its_numbers_is_no_part_of_what_it_is():
    def by(cache: str, workers: int, every: int | None) -> dict[str, Any]:
        return {
            **CONFIG,
            "feature_cache": {"folder": cache},
            "window": {"num_workers": workers, "mapped_folder": cache, "clip": 10.0},
            "callbacks": {"checkpoint": {"every_n_steps": every}, "progress": {"leave": every}},
        }

    one, other = by("a", 0, None), by("b", 2, 5)
    assert job_identity(one, "bars") == job_identity(other, "bars")
    assert deciding(one)["window"] == {"clip": 10.0}
    assert described(one) != described(other)
    one["callbacks"]["non_finite"] = {"every_n_steps": 5}  # may end a run sooner
    assert job_identity(one, "bars") != job_identity(other, "bars")


def test_a_group_of_which_none_is_chosen_is_an_empty_one():
    without = {key: value for key, value in CONFIG.items() if key != "features"}
    assert job_identity(without, "bars") == job_identity(CONFIG, "bars")


def test_other_config_bars_or_code_are_another_job(monkeypatch: pytest.MonkeyPatch):
    one = job_identity(CONFIG, "bars")
    assert len(one) == 64
    assert job_identity({**CONFIG, "seed": 1}, "bars") != one
    assert job_identity(CONFIG, "others") != one
    monkeypatch.setattr(identity, "code_hash", lambda: "edited")
    assert job_identity(CONFIG, "bars") != one


@pytest.fixture
def hash_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], str]]:
    """Hash of the code of another package, as a process that begins now finds it."""

    def call(package: Path) -> str:
        monkeypatch.setattr(identity, "__file__", str(package / "tracking" / "identity.py"))
        identity.code_files.cache_clear()
        return code_hash()

    yield call
    identity.code_files.cache_clear()


def test_only_code_that_decides_a_result_counts(tmp_path: Path, hash_of: Callable[[Path], str]):
    for name in ("job.py", "models/lstm.py", "report/html.py", "cli.py", "models/README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    before = hash_of(tmp_path)
    for name in ("report/html.py", "cli.py", "models/README.md"):
        (tmp_path / name).write_text("x = 2\n")
    assert hash_of(tmp_path) == before
    (tmp_path / "models" / "lstm.py").write_text("x = 2\n")
    assert identity.changed_code() == ["models/lstm.py"]
    assert hash_of(tmp_path) != before
    assert identity.changed_code() == []
    (tmp_path / "models" / "lstm.py").write_text("x = 1\n")
    (tmp_path / "models" / "lstm.py").rename(tmp_path / "models" / "other.py")
    assert hash_of(tmp_path) != before


def test_what_is_not_hashed_is_nothing_that_a_run_needs():
    """Rooms that start runs are not even loaded by one; two only record and show it."""
    code = (
        "import sys, regimecast.job\n"
        "print(*{m.split('.')[1] for m in sys.modules if m.startswith('regimecast.')})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.removesuffix(".py") for name in identity._SHOWING}
    assert rooms & {*done.stdout.split()} == {"report", "tracking"}
