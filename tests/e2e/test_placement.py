"""`regimecast train` from a file: the same run, and no trace of the file however it ends."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.files import read_json
from regimecast.data import placement
from tests.e2e.command import ENDLESS, TINY, Ended, Started, run_folders

WIDE = (
    *(option for option in TINY if not option.startswith(("features=", "data.assets="))),
    "features=[candles,cross_asset,calendar]",
    "data.assets=2",
)


def predictions(study: str) -> pd.DataFrame:
    (run,) = run_folders(Path("runs") / study)
    return pd.read_parquet(run / "predictions.parquet")


def test_mapped_and_memory_are_one_run(command: Callable[..., Ended]):
    folder = Path("files")
    folder.mkdir()
    mapped = ("window.placement=mapped", f"window.mapped_folder={folder.resolve()}")
    assert command("train", *WIDE, "study=memory").code == 0
    ended = command("train", *WIDE, *mapped, "study=mapped")
    assert ended.code == 0, ended.err
    pd.testing.assert_frame_equal(predictions("memory"), predictions("mapped"), check_exact=True)
    assert np.isfinite(predictions("mapped")["q0.5"]).all()
    manifests = [
        read_json(run_folders(Path("runs") / study)[0] / "manifest.json")
        for study in ("memory", "mapped")
    ]
    assert manifests[0]["stages"] == manifests[1]["stages"]
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_two_training_processes_learn_the_same_from_a_file(command: Callable[..., Ended]):
    two = ("trainer.devices=2", "trainer.strategy=ddp")
    assert command("train", *WIDE, *two, "study=memory").code == 0
    ended = command("train", *WIDE, *two, "window.placement=mapped", "study=mapped")
    assert ended.code == 0, ended.err
    pd.testing.assert_frame_equal(predictions("memory"), predictions("mapped"), check_exact=True)


@pytest.mark.slow
def test_a_killed_run_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "files"
    folder.mkdir()
    run = Started(
        tmp_path, "train", *ENDLESS, "window.placement=mapped", f"window.mapped_folder={folder}"
    )
    run.wait_for(lambda: any(Path("runs").glob("study/*/checkpoints/**/*.safetensors")), "weights")
    maps = Path(f"/proc/{run.process.pid}/maps").read_text()
    assert str(folder) in maps
    run.signal(signal.SIGKILL)
    run.process.join(60)
    assert run.process.exitcode == -signal.SIGKILL
    assert list(folder.iterdir()) == []


def test_too_large_for_memory_says_what_to_do(command: Callable[..., Ended], monkeypatch):
    monkeypatch.setattr(placement, "available_bytes", lambda: 1000)
    ended = command("train", *WIDE)
    assert ended.code == 2
    assert "window.placement=memory needs" in ended.err
    assert "window.placement=mapped" in ended.err


def test_an_unknown_placement(command: Callable[..., Ended]):
    ended = command("train", *WIDE, "window.placement=disk")
    assert ended.code == 2
    assert "window.placement='disk'" in ended.err
    assert "mapped" in ended.err
