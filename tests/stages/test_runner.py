"""Stages run when, and only when, something that they depend on has changed."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.stages.base import Inputs, StageRegistry, ordered
from regimecast.stages.label import Label
from regimecast.stages.runner import Progress, run_pipeline
from tests.stages.conftest import Config, write_bars

Hashes = Callable[[Path], dict[str, str]]
ALL = (
    "ingest", "clean", "features", "label", "barriers", "final_labels", "splits", "validate",
    "report",
)  # fmt: skip


def ran(config: Config, folder: Path, **options: Any) -> list[str]:
    """Names of the stages that had to run."""
    seen: list[Progress] = []
    run_pipeline(config, folder, tell=seen.append, **options)
    return [progress.stage for progress in seen if progress.ran]


def manifest_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def test_stages_are_ordered_by_what_they_need() -> None:
    assert ordered() == ALL


def test_all_stages_run_once_then_none(config: Config, tmp_path: Path, hashes: Hashes) -> None:
    folder = tmp_path / "p"
    assert ran(config, folder) == list(ALL)
    before, run_id = hashes(folder), manifest_of(folder)["run_id"]
    assert ran(config, folder) == []
    assert ran(config, folder, force=True, first="features") == list(ALL[2:])
    assert hashes(folder) == before
    manifest = manifest_of(folder)
    assert manifest["run_id"] == run_id
    assert manifest["status"] == "finished"
    recorded = {
        f"{stage}/{name}": artifact["sha256"]
        for stage, record in manifest["stages"].items()
        for name, artifact in record["artifacts"].items()
    }
    assert recorded == before


def test_a_changed_config_runs_its_stage_and_what_depends_on_its_output(
    config: Config, tmp_path: Path
) -> None:
    ran(config, tmp_path / "p")
    config["features"]["momentum"]["return_windows"] = [3, 7]
    again = ran(config, tmp_path / "p")
    assert again[0] == "features"
    assert {"clean", "label"}.isdisjoint(again)
    # The same table again but for what the config of the cleaning says of it.
    config["cleaning"]["stale_bars"] += 1
    assert ran(config, tmp_path / "p") == ["clean", "report"]
    config["window"]["batch_size"] += 1
    assert ran(config, tmp_path / "p") == []


def test_a_changed_input_file_is_noticed(config: Config, bars: Path, tmp_path: Path) -> None:
    ran(config, tmp_path / "p", last="clean")
    content = bars.read_bytes()
    bars.write_bytes(content)  # touched, and the same
    assert ran(config, tmp_path / "p", last="clean") == []
    write_bars(bars, seed=2)
    assert ran(config, tmp_path / "p", last="clean") == ["ingest", "clean"]
    bars.unlink()
    with pytest.raises(DataError, match="no such file"):
        ran(config, tmp_path / "p", last="clean")


def test_a_source_without_files_is_read_again_and_nothing_else(
    config: Config, tmp_path: Path
) -> None:
    from regimecast.core.compose import composed

    config["data"] = composed(["data=sp500"])["data"]
    assert ran(config, tmp_path / "p", last="clean") == ["ingest", "clean"]
    assert ran(config, tmp_path / "p", last="clean") == ["ingest"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_artifact_is_reported_and_made_again(
    damage: str, config: Config, tmp_path: Path, hashes: Hashes, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "p"
    ran(config, folder, last="splits")
    before = hashes(folder)
    path = folder / "features" / "features.parquet"
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "truncate":
        path.write_bytes(content[:100])
    else:
        path.unlink()
    with pytest.raises(DataError, match=r"features.parquet is not what the manifest says"):
        ran(config, folder, first="label", last="splits")
    with caplog.at_level(logging.WARNING, "regimecast"):
        assert ran(config, folder, last="splits") == ["features"]
    assert "features.parquet is not what the manifest says, runs again" in caplog.text
    assert hashes(folder) == before


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "overrides": [], "stages": {"clean": {}}}'],
)
def test_a_damaged_manifest_is_an_error(text: str, config: Config, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(DataError, match="is damaged"):
        ran(config, tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 99}')
    with pytest.raises(DataError, match="schema 99"):
        ran(config, tmp_path)


def test_from_and_until(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    with pytest.raises(ConfigError, match="stage ingest has not run"):
        ran(config, folder, first="clean")
    with pytest.raises(ConfigError, match=r"no such stage. Did you mean 'clean'\?"):
        ran(config, folder, last="clear")
    with pytest.raises(ConfigError, match="--from label comes after --until clean"):
        ran(config, folder, first="label", last="clean")
    assert ran(config, folder, last="features") == list(ALL[:3])
    assert ran(config, folder, first="features", last="label") == ["label"]
    config["cleaning"]["stale_bars"] += 1
    with pytest.raises(ConfigError, match=r"stage clean has to run again.*config cleaning"):
        ran(config, folder, first="features")


def test_later_stages_are_outdated_until_they_run(
    config: Config, bars: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "p"
    ran(config, folder, last="label")
    write_bars(bars, seed=2)
    manifest = run_pipeline(config, folder, last="clean")
    assert manifest.outdated == ("features", "label")
    assert manifest_of(folder)["status"] == "outdated"
    assert run_pipeline(config, folder, last="label").status == "finished"


@pytest.mark.parametrize(
    ("group", "key", "value", "error", "message"),
    [
        ("split", "purge", 3, LeakageError, "shorter than the label"),
        ("split", "train", 0.9, ConfigError, "must sum to 1"),
        ("target", "upper", -1.0, ConfigError, "upper"),
        ("cost", "slippage_bps", -1.0, ConfigError, "slippage_bps"),
        ("cleaning", "stale_bars", 0, ConfigError, "stale_bars"),
        ("data", "colums", {}, ConfigError, "Did you mean 'columns'"),
        ("features", "momentun", {}, ConfigError, "Did you mean 'momentum'"),
        ("search", "skill", 2.0, ConfigError, "skill"),
        ("window", "context_length", 0, ConfigError, "context_length"),
    ],
)
def test_a_wrong_config_is_refused_before_anything_runs(
    group: str,
    key: str,
    value: object,
    error: type[Exception],
    message: str,
    config: Config,
    tmp_path: Path,
) -> None:
    config[group][key] = value
    with pytest.raises(error, match=message):
        ran(config, tmp_path / "p", last="ingest")
    assert not (tmp_path / "p").exists()


def test_a_missing_column_fails_in_ingest_and_the_rest_goes_on_from_there(
    config: Config, bars: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(bars)
    table.drop(columns="close").to_csv(bars, index=False)
    with pytest.raises(DataError, match="no column 'close'"):
        ran(config, tmp_path / "p")
    record = manifest_of(tmp_path / "p")["stages"]["ingest"]
    assert record["status"] == "failed"
    assert "no column 'close'" in record["said"]
    table.to_csv(bars, index=False)
    assert ran(config, tmp_path / "p", last="clean") == ["ingest", "clean"]


def test_an_error_of_a_stage_is_raised_as_it_is_and_leaves_the_old_artifacts(
    config: Config, tmp_path: Path, hashes: Hashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "p"
    ran(config, folder, last="label")
    before = hashes(folder)

    def broken(self: Label, inputs: Inputs, place: Path) -> str:
        np.save(place / "half.npy", np.zeros(3))
        raise ZeroDivisionError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(Label, "run", broken)
        with pytest.raises(ZeroDivisionError):
            ran(config, folder, last="label", force=True)
    assert manifest_of(folder)["status"] == "failed"
    assert hashes(folder) == before
    assert ran(config, folder, last="label") == ["label"]
    assert hashes(folder) == before


def test_folders_of_others_are_left_alone(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "mine.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="features is there already and no stage wrote it"):
        ran(config, folder)
    assert (folder / "features" / "mine.txt").read_text() == "years of work"
    assert not (folder / "ingest").exists()


def test_a_summary_of_somebody_else_is_no_stage(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    (folder / "report").mkdir(parents=True)
    (folder / "report" / "summary.json").write_text('{"stage": "final"}')
    with pytest.raises(ConfigError, match="report is there already and no stage wrote it"):
        ran(config, folder)


def test_a_kill_while_a_folder_is_replaced_does_not_block_the_next_run(
    config: Config, tmp_path: Path, hashes: Hashes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "p"
    ran(config, folder, last="label")
    before = hashes(folder)

    def dies(path: Path, **rest: object) -> None:
        (path / "summary.json").unlink(missing_ok=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("regimecast.stages.runner.shutil.rmtree", dies)
        with pytest.raises(KeyboardInterrupt):
            ran(config, folder, last="label", force=True)
    ran(config, folder, last="label")
    assert hashes(folder) == before
    assert not list(folder.glob(".*.unfinished"))


def test_without_its_manifest_every_stage_runs_again(
    config: Config, tmp_path: Path, hashes: Hashes
) -> None:
    ran(config, tmp_path / "p", last="label")
    before = hashes(tmp_path / "p")
    (tmp_path / "p" / "manifest.json").unlink()
    assert ran(config, tmp_path / "p", last="label") == list(ALL[:4])
    assert hashes(tmp_path / "p") == before


def test_a_stage_reads_only_what_it_declares(tmp_path: Path) -> None:
    inputs = Inputs("label", {"clean": tmp_path}, {"clean": {}})
    assert inputs.folder("clean") == tmp_path
    with pytest.raises(ConfigError, match="reads stage 'features' without needing it"):
        inputs.folder("features")
    for name in StageRegistry.available():
        assert set(StageRegistry.get(name).needs) < set(ALL)
