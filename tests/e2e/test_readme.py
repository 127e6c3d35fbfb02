"""The README does what it says: its commands run, its model trains, its paths exist."""

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.data.panel import Column, Panel, Role
from regimecast.experiment import compose
from regimecast.features.pipeline import FeaturePipeline
from regimecast.labels.incremental import IncrementalLabeler, LabelRule
from regimecast.models.base import ModelRegistry
from tests.conftest import REPOSITORY
from tests.e2e.command import TINY, Ended

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks("bash") for line in block.splitlines() if line.strip()]
    return [shlex.split(line, comments=True) for line in lines]


REGIMECAST = [words[1:] for words in commands() if words[0] == "regimecast"]
TRAIN = [words[1:] for words in REGIMECAST if words[0] == "train"]
OF_RUNS = {"leaderboard", "evaluate", "report", "compare", "ledger", "rerun", "diff"}
INTERRUPTED = {"resume"}  # needs a run that did not end: tests/e2e/test_resume.py
SMALL = [word for word in TINY if not word.startswith(("data", "model", "target", "regime"))]


def test_every_command_is_one_that_is_tested_here():
    for words in commands():
        assert words[0] in {"make", "regimecast"}, words
    assert {words[0] for words in REGIMECAST} == {
        *OF_RUNS, *INTERRUPTED, "train", "audit", "barriers",
    }  # fmt: skip


@pytest.mark.parametrize("target", [w[1] for w in commands() if w[0] == "make"])
def test_make_targets_exist(target: str):
    subprocess.run(["make", "-n", target], cwd=REPOSITORY, check=True, capture_output=True)


def write_bars(path: Path, *, renamed: bool) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "time": pd.bdate_range("2015-01-01", periods=900),
        "close": 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 900))),
    }
    frame = pd.DataFrame(columns)
    if renamed:
        frame.columns = ["Date", "Last"]
        frame["VIX"] = rng.uniform(10, 40, 900)
    frame.to_csv(path, index=False)


@pytest.mark.parametrize(
    "words", [w for w in TRAIN if not {"-m", "target=searched"} & {*w}], ids=" ".join
)
def test_single_runs_run(words: list[str], command: Callable[..., Ended], folder: Path):
    write_bars(folder / "bars.csv", renamed=any("columns" in word for word in words))
    pd.read_csv(folder / "bars.csv").rename(columns={"close": "load"}).to_csv(
        folder / "loads.csv", index=False
    )
    small = [*SMALL]
    if not any(word.startswith("target=") for word in words):
        small.append("target.volatility_window=10")
    if not any(word.startswith("regime=") for word in words):
        small.append("regime.minimum=50")
    if any(word == "model=lightgbm" for word in words):
        small.append("model.rounds=5")
    ended = command("train", *small, *words)
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("words", [w for w in TRAIN if "-m" in w], ids=" ".join)
def test_sweeps_compose(words: list[str]):
    """Each combination is a config; that experiments run is tested with the experiments."""
    assert compose(*(re.sub(r"=([^,\[]*),.*", r"=\1", w) for w in words if w != "-m"))
    for word in words:
        group, _, options = word.partition("=")
        for option in options.split(","):
            assert word == "-m" or (config_folder() / group / f"{option}.yaml").is_file()


def test_finished_runs_are_evaluated_ranked_and_shown(command: Callable[..., Ended], copied: Path):
    job, study = str(copied), str(copied.parent)
    replaced = {"runs": study, "runs/STUDY": study}
    replaced |= dict.fromkeys(("runs/STUDY/JOB", "runs/STUDY/OTHER"), job)
    for words in REGIMECAST:
        if words[0] in OF_RUNS:
            named = [replaced.get(word, word) for word in words[1:]]
            if words[0] == "ledger":  # whose folder is there to be left out
                named.append("ledger")
            ended = command(words[0], *named)
            assert ended.code == 0, ended.err


MARKET = ["data=synthetic", "data.bars=3000", "data.assets=2"]


def test_barriers_are_searched_and_trained_on(command: Callable[..., Ended]):
    (search,) = (words for words in REGIMECAST if words[0] == "barriers")
    (train,) = (words for words in TRAIN if "target=searched" in words)
    quick = [*MARKET, "search.generations=2", "search.population=8"]
    ended = command(*search[:1], *quick, *(w for w in search[1:] if not w.startswith("data=")))
    assert ended.code == 0, ended.err
    tiny = [word for word in TINY if not word.startswith(("data", "model", "target"))]
    ended = command("train", *tiny, *MARKET, "model=lightgbm", "model.rounds=5", *train)
    assert ended.code == 0, ended.err


def test_an_audit_is_clean(command: Callable[..., Ended]):
    (audit,) = (words for words in REGIMECAST if words[0] == "audit")
    tiny = [word for word in TINY if not word.startswith(("data", "model", "target"))]
    words = [word for word in audit[1:] if not word.startswith("data=")]
    ended = command("audit", *words, *tiny, *MARKET, "features=[momentum]", "model.rounds=5")
    assert ended.code == 0, ended.err
    assert "clean: " in ended.out


def test_updates_keep_up_with_new_bars(folder: Path):
    (block,) = (block for block in blocks("python") if "pipeline.update" in block)
    rng = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 300)))
    time = pd.date_range("2024-01-01", periods=300, freq="D", unit="ns")
    bars = Panel(
        values=close[:, None],
        time=time.to_numpy(),
        offsets=np.array([0, 300]),
        columns=(Column("close", Role.TARGET_SOURCE),),
        assets=("A",),
        frequency="1D",
        calendar="24/7",
    )
    pipeline = FeaturePipeline({"momentum": compose()["features"]["momentum"]}, missing="skip")
    history = bars.until(bars.time[199])
    new_bars = replace(
        bars, values=bars.values[200:], time=bars.time[200:], offsets=np.array([0, 100])
    )
    frame = pd.DataFrame({"high": close * 1.01, "low": close * 0.99, "close": close}, index=time)
    names = {
        "pipeline": pipeline, "history": history, "new_bars": new_bars, "folder": folder / "state",
        "frame": frame, "LabelRule": LabelRule, "IncrementalLabeler": IncrementalLabeler,
    }  # fmt: skip
    exec(block, names)
    np.testing.assert_array_equal(names["table"].values, pipeline.compute(bars).values[200:])
    assert len(names["labeler"].load_cache("BTCUSDT")) == 300


def test_the_axes_named_exist():
    table = re.findall(r"^\| (`.*?) \| (.*?) \|", README, flags=re.MULTILINE)
    assert len(table) >= 10
    for axes, options in table:
        groups = re.findall(r"`(\w+)`", axes)
        parts = options.split("·") if len(groups) > 1 and "·" in options else [options]
        for group, part in zip(groups, parts, strict=False):
            names = re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`(.*?)`", part)))
            for name in set(names) - {"regimecast", "models"}:
                assert (config_folder() / group / f"{name}.yaml").is_file(), (group, name)


def test_the_model_of_the_readme_trains(
    folder: Path, command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
):
    (source,) = (block for block in blocks("python") if "@ModelRegistry" in block)
    (config,) = blocks("yaml")
    assert yaml.safe_load(config)["name"] == "linear"
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "conf" / "model" / "linear.yaml").write_text(config)
    monkeypatch.setattr(ModelRegistry, "_classes", dict(ModelRegistry._classes))
    exec(compile(source, "linear.py", "exec"), {"__name__": "linear"})
    ended = command("train", "--config-dir", str(folder / "conf"), *TINY, "model=linear")
    assert ended.code == 0, ended.err


def test_files_that_are_linked_exist():
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / path).exists(), path
