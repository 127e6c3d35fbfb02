import logging
import multiprocessing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regimecast.core.errors import DataError
from regimecast.tracking.ledger import Finding, Ledger, Trial


def trial(name: str = "a", **changes) -> Trial:
    returns = np.random.default_rng(len(name)).normal(size=20) / 100
    days = np.datetime64("2020-01-01", "ns") + np.arange(20) * np.timedelta64(1, "D")
    base = Trial(
        trial=name,
        status="finished",
        study="zoo",
        job="000_model=lstm",
        config={"model": {"name": "lstm"}, "seed": 0},
        data="f" * 64,
        commit=None,
        split="holdout",
        metrics={"sharpe": 1.25, "nothing": None},
        bars_per_year=252.0,
        time=days,
        returns=returns,
    )
    return replace(base, **changes)


def nothing(name: str = "failed", **changes) -> Trial:
    none = {"time": np.empty(0, "datetime64[ns]"), "returns": np.empty(0), "metrics": {}}
    return trial(name, status="failed", bars_per_year=float("nan"), **none, **changes)


def test_what_was_written_is_read(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    assert ledger.verify() == []
    assert len(ledger.table()) == 0
    first, second = trial("a"), nothing()
    for one in (first, second):
        ledger.append(one)
    found = ledger.trials("f" * 64)
    assert [one.trial for one in found] == ["a", "failed"]
    for one, other in zip(found, (first, second), strict=True):
        assert np.array_equal(one.returns, other.returns)
        assert np.array_equal(one.time, other.time)
        assert one.config == other.config
        assert one.metrics == other.metrics
        assert (one.status, one.commit, one.split) == (other.status, other.commit, other.split)
    assert ledger.verify() == []
    assert sorted(path.name for path in ledger.folder.iterdir()) == ["a.parquet", "failed.parquet"]
    assert ledger.table("status = ?", ["failed"])["trial"].tolist() == ["failed"]
    assert ledger.trials("another") == []


def test_a_record_is_never_written_twice(tmp_path):
    ledger = Ledger(tmp_path)
    path = ledger.append(trial())
    content = path.read_bytes()
    with pytest.raises(DataError, match="'a' is recorded already"):
        ledger.append(trial(status="failed"))
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["a.parquet"]


def test_what_is_wrong_is_named_and_hides_nothing(tmp_path, caplog):
    ledger = Ledger(tmp_path)
    for name in ("good", "changed", "short", "junk"):
        ledger.append(trial(name))
    row = pq.read_table(tmp_path / "changed.parquet")
    better = row.set_column(row.schema.get_field_index("status"), "status", [["pruned"]])
    pq.write_table(better, tmp_path / "changed.parquet")
    whole = (tmp_path / "short.parquet").read_bytes()
    (tmp_path / "short.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "junk.parquet").write_bytes(b"not a table")
    (tmp_path / "copy.parquet").write_bytes((tmp_path / "good.parquet").read_bytes())

    problems = {finding.file: finding.problem for finding in ledger.verify()}
    assert problems.keys() == {"changed.parquet", "short.parquet", "junk.parquet", "copy.parquet"}
    assert "checksum" in problems["changed.parquet"]
    assert problems["short.parquet"].startswith("damaged")
    assert problems["junk.parquet"].startswith("damaged")
    assert problems["copy.parquet"] == "a copy: it records trial 'good'"

    with caplog.at_level(logging.WARNING, logger="regimecast"):
        assert "good" in ledger.table()["trial"].tolist()
    assert sum("is damaged" in message for message in caplog.messages) == 2
    assert sum("is a copy" in message for message in caplog.messages) == 1


def test_a_condition_that_is_none(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(trial())
    with pytest.raises(DataError, match="where='wrong = 1'"):
        ledger.table("wrong = 1")


def write(folder: Path, worker: int) -> None:
    for number in range(10):
        Ledger(folder).append(trial(f"{worker}-{number}"))


def test_many_processes_append_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(partial(write, tmp_path), range(2))
    assert len(Ledger(tmp_path).table()) == 20
    assert Ledger(tmp_path).verify() == []


def test_what_is_no_record_hides_nothing(tmp_path, caplog):
    ledger = Ledger(tmp_path)
    ledger.append(trial("good"))
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "folder.parquet" / "a.parquet").write_bytes(
        (tmp_path / "good.parquet").read_bytes()
    )
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "foreign.parquet")
    row = pq.read_table(tmp_path / "good.parquet")
    pq.write_table(pa.concat_tables([row, row]), tmp_path / "twice.parquet")
    (tmp_path / "gone.parquet").symlink_to(tmp_path / "nowhere")
    with caplog.at_level(logging.WARNING, logger="regimecast"):
        assert ledger.table()["trial"].tolist() == ["good"]
    assert len([message for message in caplog.messages if message.startswith("ledger: ")]) == 4
    problems = {finding.file: finding.problem for finding in ledger.verify()}
    assert problems["folder.parquet"] == "damaged: it is a folder"
    assert problems["foreign.parquet"] == "no record: it has other columns"
    assert problems["twice.parquet"] == "no record: it holds 2 rows, not one"
    assert problems["gone.parquet"].startswith("damaged: ")
    assert len(problems) == 4


@pytest.mark.parametrize("original", ["there", "gone"])
def test_two_records_of_one_trial_count_once(tmp_path, original):
    ledger = Ledger(tmp_path)
    ledger.append(trial("good"))
    (tmp_path / "a copy.parquet").write_bytes((tmp_path / "good.parquet").read_bytes())
    if original == "gone":
        (tmp_path / "good.parquet").unlink()
    assert ledger.table()["trial"].tolist() == ["good"]
    assert ledger.table(columns=["status"]).columns.tolist() == ["status"]
    reading = ledger.read("f" * 64)
    assert len(reading.trials) == 1
    assert len(ledger.trials("f" * 64)) == 1
    expected = [Finding("a copy.parquet", "a copy: it records trial 'good'")]
    assert ledger.verify() == expected
    assert reading.findings == expected


def test_a_changed_record_counts_without_its_returns(tmp_path):
    ledger = Ledger(tmp_path)
    for name in ("good", "changed"):
        ledger.append(trial(name))
    row = pq.read_table(tmp_path / "changed.parquet")
    better = pa.array([[0.5] * 20], type=row.schema.field("returns").type)
    row = row.set_column(row.schema.get_field_index("returns"), row.schema.field("returns"), better)
    pq.write_table(row, tmp_path / "changed.parquet")
    reading = ledger.read("f" * 64)
    assert {one.trial: len(one.returns) for one in reading.trials} == {"good": 20, "changed": 0}
    assert [(one.file, one.problem) for one in reading.findings] == [
        ("changed.parquet", "changed: it does not match its checksum")
    ]


def test_records_of_other_prices_are_not_read(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(trial("a"))
    ledger.append(trial("b", data="e" * 64))
    assert [one.trial for one in ledger.read("e" * 64).trials] == ["b"]
    assert ledger.read("d" * 64).trials == []
    assert len(ledger) == 2
    assert ledger.table(columns=["status", "trial"]).columns.tolist() == ["status", "trial"]
    assert Ledger(tmp_path / "none").table(columns=["job"]).columns.tolist() == ["job"]
    with pytest.raises(DataError, match="nothing"):
        ledger.table(columns=["nothing"])


def test_a_trial_counts_once_by_its_last_attempt(tmp_path):
    ledger = Ledger(tmp_path)
    interrupted = {"status": "interrupted", "returns": np.empty(0)}
    interrupted["time"] = np.empty(0, "datetime64[ns]")
    ledger.append(trial("a", **interrupted))
    ledger.append(trial("b"))
    ledger.append(trial("a", attempt=2, **interrupted))
    ledger.append(trial("a", attempt=10))
    ledger.append(trial("a", attempt=3, **interrupted))
    assert len(ledger) == 2
    assert ledger.attempts("a") == [1, 2, 3, 10]
    table = ledger.table()
    assert sorted(table["trial"]) == ["a", "b"]
    assert {*table["status"]} == {"finished"}
    assert len(ledger.table("status = 'interrupted'")) == 0
    reading = ledger.read("f" * 64)
    assert [len(one.returns) for one in reading.trials] == [20, 20]
    assert reading.findings == []
    (found,) = [one for one in ledger.trials("f" * 64) if one.trial == "a"]
    assert found.attempt == 10
    assert np.array_equal(found.returns, trial("a").returns)


def test_an_attempt_is_recorded_once(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(trial("a"))
    ledger.append(trial("a", attempt=2))
    with pytest.raises(DataError, match=r"trial 'a\.2' is recorded already"):
        ledger.append(trial("a", attempt=2))


def test_attempts_that_are_missing_or_twice_are_found(tmp_path):
    ledger = Ledger(tmp_path)
    for attempt in (1, 2, 4):
        ledger.append(trial("a", attempt=attempt))
    ledger.append(trial("b", attempt=2))
    missing = "missing: a later attempt is there"
    assert ledger.verify() == [
        Finding("a.3.parquet", missing), Finding("b.parquet", missing),
    ]  # fmt: skip
    # One that waits for its record is not missing.
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "b.json").write_text("{}")
    (tmp_path / "a.3.parquet").write_bytes((tmp_path / "a.2.parquet").read_bytes())
    assert ledger.verify() == [Finding("a.3.parquet", "a copy: it records trial 'a.2'")]
    assert len(ledger) == 2


def test_an_attempt_whose_file_is_damaged_gives_way_to_the_one_before(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.append(trial("a"))
    ledger.append(trial("a", attempt=2)).write_bytes(b"damaged")
    reading = ledger.read("f" * 64)
    assert [one.trial for one in reading.trials] == ["a"]
    assert [one.file for one in reading.findings] == ["a.2.parquet"]
