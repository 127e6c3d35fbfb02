"""Two runs beside each other."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import regimecast
from regimecast.core.files import read_json, write_json
from regimecast.experiment import RunResult
from regimecast.run_diff import diff_runs
from tests.e2e.command import TINY, Ended, run_folders


def test_two_runs_of_one_config_do_not_differ(folder: Path, command: Callable[..., Ended]):
    one, other = (regimecast.run(*TINY).folder for _ in range(2))
    found = diff_runs(one, other)
    assert found.empty
    assert (found.config, found.metrics, found.notes) == ((), (), ())
    assert len(found.stages) == 14
    ended = command("diff", str(one), str(other))
    assert ended.code == 0
    assert "no difference" in ended.out
    assert "14 stages to the bit" in ended.out


def test_what_differs_is_shown(finished: RunResult, command: Callable[..., Ended]):
    other = regimecast.run(*TINY, "seed=3", "model.hidden_size=7").folder
    found = diff_runs(finished.folder, other)
    changed = {d.name: (d.before, d.after) for d in found.config}
    assert changed["seed"] == (0, 3)
    assert changed["model.hidden_size"][1] == 7
    assert next(s.stage for s in found.stages if not s.equal) == "fold=0/model"
    assert found.surroundings == {"code": [], "packages": [], "threads": [], "hardware": []}
    metrics = {m.name: m for m in found.metrics}
    crps = metrics["forecast.test/crps"]
    assert crps.before is not None
    assert crps.after is not None
    assert crps.change == crps.after - crps.before
    ended = command("diff", str(finished.folder), str(other))
    for words in ("seed", "hidden_size", "fold=0/model", "test/crps", "trading.strategy.sharpe"):
        assert words in ended.out
    as_json = json.loads(command("diff", str(finished.folder), str(other), "--json").out)
    assert not as_json["empty"]
    assert as_json["config"][0].keys() == {"name", "before", "after"}


@pytest.fixture
def copied(finished: RunResult, folder: Path) -> Path:
    shutil.copytree(finished.folder, folder / "copied")
    return Path("copied")


def test_a_failed_run_can_be_compared(finished: RunResult, command: Callable[..., Ended]):
    ended = command("train", "-m", *TINY, "study=broken", "window.context_length=8,400")
    assert ended.code == 1
    failed = run_folders(Path("runs/broken"))[1]
    ended = command("diff", str(finished.folder), str(failed))
    assert ended.code == 0, ended.err
    assert "the first is finished, the second failed" in ended.out
    assert "context_length" in ended.out
    assert "has no metrics" in ended.out


def test_an_older_run_can_be_compared(finished: RunResult, copied: Path):
    manifest = read_json(copied / "manifest.json")
    for name in ("stages", "parts", "checkpoints"):
        del manifest[name]
    manifest["code"].pop("files")
    packages = {"torch": "1.0.0", "numpy": manifest["environment"]["packages"]["numpy"]}
    manifest["environment"] |= {"threads": 77, "packages": packages, "packages_sha256": "x"}
    write_json(copied / "manifest.json", manifest)
    found = diff_runs(copied, finished.folder)
    assert [d.name for d in found.surroundings["packages"]] == ["torch"]
    assert [d.name for d in found.surroundings["threads"]] == ["threads.torch"]
    assert "no stages" in found.notes[0]
    assert not found.empty


def test_damage_is_told(finished: RunResult, copied: Path, command: Callable[..., Ended]):
    (copied / "metrics.json").write_text("{")
    (copied / "config.yaml").write_text("a: [1")
    notes = diff_runs(copied, finished.folder).notes
    assert any("config.yaml is damaged" in note for note in notes)
    assert any("metrics.json cannot be read" in note for note in notes)
    (copied / "manifest.json").write_text("[")
    ended = command("diff", str(copied), str(finished.folder))
    assert ended.code == 2
    assert "manifest.json is damaged" in ended.err
    ended = command("diff", str(finished.folder), "nowhere")
    assert ended.code == 2
    assert "nowhere is not a run folder" in ended.err
