"""A run that was killed and goes on is the run that was not: same weights, numbers and files."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from regimecast.core.errors import RegimecastError
from regimecast.core.files import read_json, write_json
from regimecast.experiment import compose, execute
from regimecast.fold_job import FoldJob
from regimecast.models.base import ModelRegistry
from regimecast.tracking.folder import read_status
from tests.e2e.command import TINY, Ended, Started, run_folders

LONG = (
    *TINY,
    "window.batch_size=16",
    "trainer.max_epochs=6",
    "callbacks.early_stopping=null",
)
"""A run that takes some seconds."""
WAYS = {
    # Dropout, a rate that moves with every step, and checkpoints within an epoch.
    "plain": (
        "model=lstm",
        "model.dropout=0.3",
        "scheduler=one_cycle",
        "callbacks.checkpoint.every_n_steps=5",
    ),
    "warm folds": (
        "split=walk_forward",
        "split.folds=3",
        "warm_start=true",
        "scheduler=plateau",
        "trainer.max_epochs=4",
    ),
    "ensemble": (
        "conformal=enbpi",
        "conformal.members=2",
        "conformal.block=40",
        "trainer.max_epochs=4",
    ),
}
PLACES = {
    "plain": "fold=0/training-*[1-9]*.json",
    "warm folds": "fold=1/training-[0-9]*.json",
    "ensemble": "fold=0/member=1/training-[0-9]*.json",
}
"""What is there when the run is killed."""


def the_run(study: str) -> Path:
    (run,) = run_folders(Path("runs") / study)
    return run


def untimed(value: Any) -> Any:
    """Plain values without seconds."""
    if isinstance(value, dict):
        return {key: untimed(content) for key, content in value.items() if key != "seconds"}
    return [untimed(content) for content in value] if isinstance(value, list) else value


def check_same(whole: Path, resumed: Path) -> None:
    """Both runs are finished, and are one but for time."""
    assert read_status(resumed) == "finished"
    manifests = [read_json(run / "manifest.json") for run in (whole, resumed)]
    for key in ("stages", "checkpoints", "identity"):
        assert manifests[0][key] == manifests[1][key], key
    metrics = [untimed(read_json(run / "metrics.json")) for run in (whole, resumed)]
    for part in metrics:
        del part["overrides"]
    assert metrics[0] == metrics[1]
    for name in ("predictions.parquet", "returns.parquet"):
        pd.testing.assert_frame_equal(*(pd.read_parquet(run / name) for run in (whole, resumed)))
    assert (whole / "metrics.csv").read_bytes() == (resumed / "metrics.csv").read_bytes()
    progress = [pd.read_csv(run / "progress.csv") for run in (whole, resumed)]
    pd.testing.assert_frame_equal(*(frame.drop(columns="seconds") for frame in progress))
    names = [
        sorted(
            str(path.relative_to(run / "checkpoints")) for path in (run / "checkpoints").rglob("*")
        )
        for run in (whole, resumed)
    ]
    assert names[0] == names[1]
    assert not [name for name in names[0] if name.endswith(".ckpt")]


def begin(start: Callable[..., Started], way: str, place: str | None = None) -> Started:
    started = start("train", *LONG, *WAYS[way], "study=cut")
    place = place or PLACES[way]
    started.wait_for(lambda: any(Path("runs/cut").glob(f"*/checkpoints/{place}")), place)
    return started


@pytest.mark.parametrize("way", WAYS)
def test_killed_at_any_moment_it_goes_on_to_the_same_bits(
    start: Callable[..., Started], command: Callable[..., Ended], way: str
):
    started = begin(start, way)
    started.signal(signal.SIGKILL)
    assert started.end().code == -signal.SIGKILL
    run = the_run("cut")
    assert read_status(run) == "interrupted"
    ended = command("resume", str(run))
    assert ended.code == 0, ended.err
    assert "report: " in ended.out
    whole = command("train", *LONG, *WAYS[way], "study=whole")
    assert whole.code == 0, whole.err
    check_same(the_run("whole"), run)


def test_ctrl_c_and_a_kill_later_it_goes_on_all_the_same(
    start: Callable[..., Started], command: Callable[..., Ended]
):
    started = begin(start, "warm folds", "fold=0/training-[0-9]*.json")
    started.signal(signal.SIGINT, group=True)
    assert started.end().code == 130
    run = the_run("cut")
    assert read_status(run) == "interrupted"
    again = start("resume", str(run))
    again.wait_for(lambda: any(run.glob("checkpoints/fold=1/training-[0-9]*.json")), "fold 1")
    ended = command("resume", str(run))
    assert ended.code == 2
    assert "still runs, in process" in ended.err
    again.signal(signal.SIGKILL)
    again.end()
    assert command("resume", str(run)).code == 0
    manifest = read_json(run / "manifest.json")
    assert [attempt["status"] for attempt in manifest["attempts"]] == ["interrupted"] * 2
    assert command("train", *LONG, *WAYS["warm folds"], "study=whole").code == 0
    check_same(the_run("whole"), run)
    ended = command("resume", str(run))
    assert ended.code == 2
    assert f"error: {run} is finished: there is nothing to go on with" in ended.err


@pytest.mark.parametrize(
    "model", [("lightgbm", 20), ("gradient_boosting", 5), ("naive", None)], ids=lambda m: m[0]
)
def test_a_fold_without_checkpoints_is_fitted_again(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, model: tuple[str, int]
):
    name, rounds = model
    folds = ("split=walk_forward", "split.folds=2", f"model={name}")
    train = (*TINY, *folds, *([f"model.rounds={rounds}"] if rounds else []))
    kind = ModelRegistry.get(name)
    fit, begun = kind.fit, []

    def fit_once(self: Any, data: Any, trainer: Any = None) -> Any:
        begun.append(data.number)
        report = fit(self, data, trainer)
        if begun == [0, 1]:
            raise KeyboardInterrupt
        return report

    monkeypatch.setattr(kind, "fit", fit_once)
    command("train", *train, "study=cut")
    run = the_run("cut")
    assert read_status(run) == "interrupted"
    assert command("resume", str(run)).code == 0
    assert begun == [0, 1, 1]
    assert command("train", *train, "study=whole").code == 0
    check_same(the_run("whole"), run)


@pytest.fixture
def cut(command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that ended in its second fold."""
    judged = FoldJob.run

    def first_only(self: FoldJob, *arguments: Any, **named: Any) -> Any:
        if self.data.number == 1:
            raise KeyboardInterrupt
        return judged(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(FoldJob, "run", first_only)
        command("train", *TINY, "study=cut", "split=walk_forward", "split.folds=2")
    return the_run("cut")


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_is_not_the_run_that_was_begun_is_refused(command: Callable[..., Ended], cut: Path):
    def refused(*changes: str, begun: Path = cut) -> str:
        before = (begun / "manifest.json").read_text() if begun.exists() else ""
        with pytest.raises(RegimecastError) as caught:
            execute(compose(*TINY, *folds, *changes), resume=begun)
        assert not before or (begun / "manifest.json").read_text() == before
        return str(caught.value)

    folds = ("study=cut", "split=walk_forward", "split.folds=2")
    message = refused("model.hidden_size=8", "trainer.max_epochs=3")
    assert "was begun with another config: model.hidden_size=32, now 8; trainer.max_epo" in message
    assert "is not a run folder" in refused(begun=cut.parent / "none")
    manifest = read_json(cut / "manifest.json")
    other = {**manifest["origin"], "code": "0"}
    write_json(cut / "manifest.json", {**manifest, "origin": other})
    assert "was begun by other code of regimecast" in refused()
    other = {**manifest["origin"], "bars": "0"}
    write_json(cut / "manifest.json", {**manifest, "origin": other})
    ended = command("resume", str(cut))
    assert ended.code == 2
    assert "the run was begun on other bars" in ended.err
    assert read_json(cut / "manifest.json")["origin"] == other


def test_a_finished_fold_that_was_changed_is_refused(command: Callable[..., Ended], cut: Path):
    weights = cut / "checkpoints" / "fold=0" / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    ended = command("resume", str(cut))
    assert ended.code == 2
    assert "weights.safetensors is not the file that the run wrote" in ended.err
    weights.write_bytes(content)
    mark = weights.with_name("training-done.json")
    edited(mark, '"fold": 0', '"fold": 3')
    ended = command("resume", str(cut))
    assert "is of another training: fold is 3 there and 0 here. To train it again, del" in ended.err
    mark.unlink()
    assert command("resume", str(cut)).code == 0
    assert read_status(cut) == "finished"


def test_a_run_goes_on_from_another_working_folder(
    command: Callable[..., Ended], cut: Path, monkeypatch: pytest.MonkeyPatch
):
    elsewhere = cut.resolve().parents[2] / "elsewhere"
    elsewhere.mkdir()
    cut = cut.resolve()
    monkeypatch.chdir(elsewhere)
    assert command("resume", str(cut)).code == 0
    assert not (elsewhere / "ledger").exists()
    assert list(elsewhere.iterdir()) == []


def test_that_it_goes_on_on_another_machine_is_said(command: Callable[..., Ended], cut: Path):
    manifest = read_json(cut / "manifest.json")
    manifest["environment"] |= {"processor": "an older one"}
    write_json(cut / "manifest.json", manifest)
    ended = command("resume", str(cut))
    assert ended.code == 0
    assert (
        "what is left may not be to the bit what it would have been: other hardware: " in ended.err
    )
    said, why = read_json(cut / "manifest.json")["resumed_with"]
    assert said.startswith("other hardware: processor")
    assert "sums of floating-point numbers" in why


def test_a_run_that_never_wrote_its_config(command: Callable[..., Ended], cut: Path):
    (cut / "config.yaml").unlink()
    ended = command("resume", str(cut))
    assert ended.code == 2
    assert "ended before it had written its config" in ended.err
