"""Runs repeated from their folders, compared to the bit, and what is said when they differ."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

import regimecast
from regimecast.core.errors import ConfigError, DataError
from regimecast.core.files import read_json, write_json
from regimecast.core.hashing import hash_json
from regimecast.rerun import rerun
from regimecast.same_job import config_to_resume
from regimecast.stored_run import stored_config
from regimecast.tracking.identity import described
from regimecast.tracking.ledger import Ledger
from tests.e2e.command import TINY, Ended, run_folders

BARS = 400


def tiny(*overrides: str) -> list[str]:
    """The tiny run with some of its overrides replaced."""
    given = {override.partition("=")[0] for override in overrides}
    return [*(o for o in TINY if o.partition("=")[0] not in given), *overrides]


def change(run: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Changes a run's manifest."""
    manifest = read_json(run / "manifest.json")
    edit(manifest)
    write_json(run / "manifest.json", manifest)


@pytest.fixture
def bars(folder: Path) -> pd.DataFrame:
    close = 100 * np.exp(0.01 * np.random.default_rng(0).standard_normal(BARS).cumsum())
    time = pd.bdate_range("2015-01-01", periods=BARS)
    return pd.DataFrame({"time": time, "close": close, "volume": 1e3 * close})


def from_csv(bars: pd.DataFrame, *overrides: str) -> Path:
    bars.to_csv("bars.csv", index=False)
    without = [o for o in TINY if not o.startswith("data")]
    path = Path("bars.csv").resolve()
    return regimecast.run(*without, "data=csv", f"data.path={path}", *overrides).folder


def test_a_rerun_is_the_same_trial(copied: Path, command: Callable[..., Ended]):
    before = {p: p.stat().st_mtime_ns for p in copied.rglob("*")}
    ended = command("rerun", str(copied), "--verify")
    assert ended.code == 0, ended.err
    assert "identical: all 14 stages are the same, to the bit" in ended.out
    assert "not counted again" in ended.out
    (again,) = run_folders(Path("runs/study-rerun"))
    assert again.name == copied.name
    manifest = read_json(again / "manifest.json")
    assert manifest["rerun_of"] == {"run": str(copied.resolve()), "counted": False}
    assert manifest["trial"]["id"] == read_json(copied / "manifest.json")["trial"]["id"]
    assert len(Ledger(Path("ledger"))) == 1
    assert not list(Path("ledger/running").glob("*"))
    assert {p: p.stat().st_mtime_ns for p in copied.rglob("*")} == before
    # A rerun can be rerun, and beside it.
    assert command("rerun", str(again)).code == 0
    assert len(run_folders(Path("runs/study-rerun"))) == 2
    assert command("rerun", str(copied), "--into", "other").code == 0
    assert len(run_folders(Path("runs/other"))) == 1
    assert len(Ledger(Path("ledger"))) == 1


def test_json_holds_what_the_tables_show(copied: Path, command: Callable[..., Ended]):
    found = json.loads(command("rerun", str(copied), "--verify", "--json").out)
    assert found["verification"]["identical"]
    assert found["same_trial"]
    assert Path(found["rerun"]).is_dir()


def test_a_job_of_a_sweep_is_rerun_under_its_name(command: Callable[..., Ended]):
    assert command("train", "-m", *tiny("model=naive,drift", "seed=1")).code == 0
    run = run_folders(Path("runs/study"))[1]
    assert run.name.startswith("001_")
    ended = command("rerun", str(run), "--verify")
    assert ended.code == 0, ended.out
    (again,) = run_folders(Path("runs/study-rerun"))
    assert again.name == run.name
    assert (
        read_json(again / "manifest.json")["overrides"]
        == (read_json(run / "manifest.json")["overrides"])
    )


def test_a_flipped_byte_is_named(bars: pd.DataFrame, command: Callable[..., Ended]):
    run = from_csv(bars)
    text = Path("bars.csv").read_text()
    line = text.splitlines()[201]
    time, close, volume = line.split(",")
    flipped = close[:-1] + ("1" if close[-1] != "1" else "2")
    Path("bars.csv").write_text(text.replace(line, f"{time},{flipped},{volume}"))
    ended = command("rerun", str(run), "--verify")
    assert ended.code == 1, ended.err
    assert "the first stage that is not the same is raw (column=close)" in ended.out
    assert f"close at {time} of bars is {float(flipped)!r}, and was {float(close)!r}" in ended.out
    assert f"file {Path('bars.csv').resolve()} has changed" in ended.out
    # Nothing was trained on other data, and nothing is counted.
    assert not Path("runs/study-rerun").exists()
    assert len(Ledger(Path("ledger"))) == 1
    # Without --verify it is run, as a trial of its own.
    ended = command("rerun", str(run))
    assert ended.code == 0
    assert "a trial of its own" in ended.out
    assert "different: the first stage that is not the same is raw" in ended.out
    assert "forecasts differ by" in ended.out
    assert len(Ledger(Path("ledger"))) == 2


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda b: b.iloc[:-1], ["399 bars, the run had 400"]),
        (lambda b: b.assign(close=b["close"] * 1.01), ["several values of close"]),
        (lambda b: b.assign(time=b["time"].where(b.index < BARS - 1, pd.Timestamp("2016-07-15"))),
         ["time at row 399 of bars is 2016-07-15T00:00", "and was 2016-07-13T00:00"]),
        (lambda b: b.drop(columns="volume"), ["columns, their roles or lags", "volume"]),
        (lambda b: b.assign(more=1.0), ["though the bars in it are the same"]),
    ],
)  # fmt: skip
def test_other_bars_are_told(
    bars: pd.DataFrame,
    command: Callable[..., Ended],
    edit: Callable[[pd.DataFrame], pd.DataFrame],
    expected: Sequence[str],
):
    run = from_csv(bars)
    edit(bars).to_csv("bars.csv", index=False)
    ended = command("rerun", str(run), "--verify")
    same = "the same" in expected[0]
    assert ended.code == (0 if same else 1), ended.err
    for words in expected:
        assert words in ended.out


def test_the_asset_that_changed_is_named(bars: pd.DataFrame, command: Callable[..., Ended]):
    panel = pd.concat([bars.assign(asset=name) for name in ("ABC", "DEF", "GHI")])
    run = from_csv(panel)
    panel.loc[panel["asset"] == "DEF", "volume"] *= 2
    panel.to_csv("bars.csv", index=False)
    out = command("rerun", str(run), "--verify").out
    assert "several values of volume" in out
    assert "assets that are not the same: DEF, of 3" in out


def test_data_that_moved_are_the_same_trial(bars: pd.DataFrame, command: Callable[..., Ended]):
    run = from_csv(bars)
    Path("elsewhere").mkdir()
    moved = Path("bars.csv").rename("elsewhere/bars.csv")
    ended = command("rerun", str(run), "--verify")
    assert ended.code == 2
    assert "bars.csv" in ended.err
    assert "The run read" in ended.err
    ended = command("rerun", str(run), f"data.path={moved}", "--verify")
    assert ended.code == 0, ended.err
    assert "not counted again" in ended.out
    ended = command("rerun", str(run), "model.hidden_size=3")
    assert ended.code == 2
    assert "does not change one key of where the data lie" in ended.err


def test_a_changed_package_is_named(copied: Path, command: Callable[..., Ended]):
    def edit(manifest: dict[str, Any]) -> None:
        manifest["environment"]["packages"]["torch"] = "1.0.0"
        manifest["stages"]["fold=0/model"] = "0" * 64

    change(copied, edit)
    ended = command("rerun", str(copied), "--verify")
    assert ended.code == 1
    assert "the first stage that is not the same is fold=0/model" in ended.out
    assert "why: another version: torch 1.0.0 → 2." in ended.out
    (again,) = run_folders(Path("runs/study-rerun"))
    assert read_json(again / "manifest.json")["status"] == "finished"


def test_other_code_is_a_trial_of_its_own(copied: Path, command: Callable[..., Ended]):
    def edit(manifest: dict[str, Any]) -> None:
        manifest["code"]["files"]["models/lstm.py"] = "0"

    change(copied, edit)
    ended = command("rerun", str(copied), "--verify")
    assert ended.code == 0  # it gives the same
    assert "the rerun has the code of today" in ended.out
    assert "beside that: other code: models/lstm.py" in ended.out
    assert "a trial of its own" in ended.out
    assert len(Ledger(Path("ledger"))) == 2


def test_the_run_s_threads_are_taken(copied: Path, command: Callable[..., Ended]):
    threads = read_json(copied / "manifest.json")["environment"]["threads"]
    wanted = {"torch": threads["torch"] + 1, "blas": 1}
    change(copied, lambda manifest: manifest["environment"].update(threads=wanted))
    out = command("rerun", str(copied), "--verify").out
    (again,) = run_folders(Path("runs/study-rerun"))
    assert read_json(again / "manifest.json")["environment"]["threads"] == wanted
    assert "other threads" not in out
    # What cannot be had is named.
    change(copied, lambda manifest: manifest["environment"]["threads"].update(blas=100_000))
    change(copied, lambda manifest: manifest["stages"].update({"fold=0/fitted": "0"}))
    ended = command("rerun", str(copied), "--verify")
    assert ended.code == 1
    assert "note: the run had 100000 threads" in ended.out
    assert "why: other threads: threads.blas 100000 → " in ended.out


def test_an_older_run_is_rerun_and_cannot_be_verified(copied: Path, command: Callable[..., Ended]):
    def edit(manifest: dict[str, Any]) -> None:
        for name in ("stages", "parts", "checkpoints", "identity"):
            del manifest[name]
        manifest["environment"]["threads"] = 1
        manifest["code"].pop("files")

    change(copied, edit)
    text = (copied / "config.yaml").read_text()
    (copied / "config.yaml").write_text(text.replace("warm_start: false\n", ""))
    ended = command("rerun", str(copied), "--verify")
    assert ended.code == 2
    assert "its manifest has no stages" in ended.err
    ended = command("rerun", str(copied))
    assert ended.code == 0, ended.err
    assert "whether it is the same cannot be told" in ended.out
    assert len(Ledger(Path("ledger"))) == 2


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("manifest.json", "{", "manifest.json is damaged"),
        ("manifest.json", None, "is not a run folder"),
        ("config.yaml", "a: [1", "config.yaml is damaged"),
        ("config.yaml", None, "config.yaml is damaged"),
    ],
)
def test_damage_is_told(
    copied: Path, command: Callable[..., Ended], name: str, content: str | None, expected: str
):
    (copied / name).unlink()
    if content is not None:
        (copied / name).write_text(content)
    ended = command("rerun", str(copied), "--verify")
    assert ended.code == 2
    assert expected in ended.err
    assert "Traceback" not in ended.err


def test_a_changed_config_is_another_run(copied: Path):
    text = (copied / "config.yaml").read_text()
    (copied / "config.yaml").write_text(text.replace("seed: 0", "seed: 5", 1))
    with pytest.raises(DataError, match="not what the run wrote"):
        rerun(copied)


def test_a_stranger_s_folder_decides_nothing_but_the_numbers(copied: Path, folder: Path):
    """It is tracked in its folder only, and written where the user's own runs are."""
    for name in ("taken", "cache", "mapped"):
        (folder / name).mkdir()
    pd.DataFrame({"close": [1.0]}).to_parquet(folder / "taken" / "prices.parquet")
    before = sorted(folder.rglob("*"))
    config = stored_config(copied)
    config["tracker"] = {"name": "mlflow", "uri": "http://a.stranger", "artifacts": "a"}
    config["ledger"] = str(folder / "taken")
    config["feature_cache"]["folder"] = str(folder / "cache")
    config["window"] |= {"placement": "mapped", "mapped_folder": str(folder / "mapped")}
    OmegaConf.save(OmegaConf.create(config), copied / "config.yaml")

    def edit(manifest: dict[str, Any]) -> None:
        manifest["trial"]["ledger"] = "../../../taken"
        manifest["config_sha256"] = hash_json(described(config))

    change(copied, edit)
    found = rerun(copied, checked=True)
    assert found.verification is not None
    assert found.verification.identical
    assert found.result is not None
    again = stored_config(found.result.folder)
    assert again["tracker"] == {"name": "csv"}
    assert again["ledger"] == "ledger"
    assert again["feature_cache"]["folder"] is None
    assert again["window"]["mapped_folder"] is None
    made = {path for path in folder.rglob("*") if path not in before}
    assert all(path.is_relative_to(folder / "runs" / "study-rerun") for path in made)
    # An interrupted one goes on in the user's ledger too.
    change(copied, lambda manifest: manifest.update(status="interrupted"))
    assert config_to_resume(copied)[0]["ledger"] == "ledger"


def test_how_a_rerun_is_tracked_may_be_said(copied: Path):
    found = rerun(copied, ["tracker=wandb", "tracker.mode=disabled"])
    assert found.result is not None
    again = stored_config(found.result.folder)
    assert again["tracker"]["name"] == "wandb"
    assert again["tracker"]["mode"] == "disabled"


def test_nothing_of_a_stored_config_is_resolved(copied: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_KEY", "secret")
    text = (copied / "config.yaml").read_text()
    (copied / "config.yaml").write_text(text.replace("seed: 0", "seed: ${oc.env:A_KEY}", 1))
    with pytest.raises(DataError, match=r"oc.env:A_KEY\} is a reference") as error:
        rerun(copied)
    assert "secret" not in str(error.value)


def test_a_run_without_its_models_is_rerun(copied: Path):
    weights = copied / "checkpoints" / "fold=0" / "weights.safetensors"
    weights.unlink()
    found = rerun(copied, checked=True)
    assert found.verification is not None
    assert found.verification.identical
    assert found.notes == (f"{weights} is missing; the run's manifest says what it was",)


@pytest.mark.parametrize("status", ["interrupted", "failed", "pruned"])
def test_a_run_that_was_stopped_is_rerun_to_the_end(copied: Path, status: str):
    def edit(manifest: dict[str, Any]) -> None:
        manifest["status"] = status
        for stage in ("predictions", "returns", "metrics"):
            del manifest["stages"][stage]

    change(copied, edit)
    found = rerun(copied, checked=True)
    assert found.verification is not None
    assert found.verification.identical
    assert not found.same_trial
    assert f"the run is {status}" in found.notes[0]


def test_a_run_that_goes_on_is_left_alone(copied: Path):
    change(copied, lambda manifest: manifest.update(status="running"))
    with pytest.raises(ConfigError, match="still running"):
        rerun(copied)


def test_a_run_that_was_copied_elsewhere_is_rerun_beside_itself(copied: Path, folder: Path):
    (folder / "taken").mkdir()
    moved = copied.rename(folder / "taken" / "one")
    found = rerun(moved, checked=True)
    assert found.result is not None
    assert found.result.folder == Path("taken/study-rerun/one")
    assert found.verification is not None
    assert found.verification.identical
