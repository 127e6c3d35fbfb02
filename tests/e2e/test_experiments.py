"""Every named experiment runs from its config to its report."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.core.files import read_json
from tests.e2e.command import Ended, run_folders

EXPERIMENTS = sorted((config_folder() / "experiment").glob("*.yaml"))

SMALL = (
    "model=lstm",
    "debug=fast",
    "tracker=csv",
    "trainer.accelerator=cpu",
    "window.batch_size=32",
    "runs=runs",
    "study=study",
)


def swept(path: Path) -> dict[str, str]:
    """Keys that the experiment sweeps over, each with its first value."""
    config = yaml.safe_load(path.read_text())
    sweeper = config.get("hydra", {}).get("sweeper", {}).get("params") or {}
    return {key: str(values).split(",")[0] for key, values in sweeper.items()}


def test_there_are_experiments():
    assert {"demo"} <= {path.stem for path in EXPERIMENTS}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_it_runs(
    command: Callable[..., Ended],
    path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
):
    if "REGIMECAST_SHARED_DATA" in path.read_text():
        data = request.getfixturevalue("shared_data")
        monkeypatch.setenv("REGIMECAST_SHARED_DATA", str(data))
    choices = [f"{key}={value}" for key, value in swept(path).items()]
    if "walk_forward" in path.read_text():
        choices.append("split.folds=1")
    if "borders" in path.read_text():
        choices += ["split.train=1000", "split.validation=500", "split.test=200"]
    ended = command("train", f"experiment={path.stem}", *choices, *SMALL)
    assert ended.code == 0, ended.err
    (run,) = run_folders(Path("runs/study"))
    metrics = read_json(run / "metrics.json")
    assert metrics["status"] == "finished"
    assert (run / "report.html").is_file()


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_its_first_comment_is_the_command_that_runs_it(path: Path):
    text = path.read_text()
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert comments[0] == "# @package _global_"
    assert f"experiment={path.stem}" in comments[1]
    assert ("-m " in comments[1] or "make" in comments[1]) == bool(swept(path))
