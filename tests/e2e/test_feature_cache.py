"""Features that runs share: jobs of a sweep through a folder, runs of a process through memory."""

from collections.abc import Callable
from pathlib import Path

from omegaconf import OmegaConf

from regimecast.core.files import read_json
from tests.e2e.command import TINY, Ended, run_folders

WITH_FEATURES = (
    *(option for option in TINY if not option.startswith(("features=", "model="))),
    "features=[candles,calendar]",
    "model=naive",
)


def manifests(study: str) -> list[dict]:
    return [read_json(run / "manifest.json") for run in run_folders(Path("runs") / study)]


def test_of_four_jobs_at_once_one_computes_and_all_have_the_same_numbers(
    command: Callable[..., Ended],
):
    folder = Path("kept").resolve()
    sweep = ("feature_cache=disk", f"feature_cache.folder={folder}", "hydra.launcher.n_jobs=4")
    ended = command("train", "-m", *WITH_FEATURES, *sweep, "seed=1,2,3,4")
    assert ended.code == 0, ended.err
    assert len(list(folder.glob("[0-9a-f]*.arrow"))) == 1
    made = manifests("study")
    tiers = [one["data"]["feature_cache"]["disk"] for one in made]
    assert sorted((tier["hits"], tier["misses"]) for tier in tiers) == [
        (0, 1),
        (1, 0),
        (1, 0),
        (1, 0),
    ]
    logs = [path.read_text() for path in Path("runs/study").glob("*/train.log")]
    assert len(logs) == 4
    assert all("answered from the cache" in log for log in logs)
    # A run without the folder has the same features and forecasts.
    assert command("train", *WITH_FEATURES, "seed=1", "study=alone").code == 0
    (alone,) = manifests("alone")
    assert alone["stages"] == made[0]["stages"]
    assert alone["data"]["feature_cache"]["disk"] is None


def test_a_folder_that_cannot_be_used_is_said_and_the_run_goes_on(command: Callable[..., Ended]):
    Path("taken").write_text("a file")
    unusable = ("feature_cache.folder=taken", "feature_cache.memory_mb=0")
    ended = command("train", *WITH_FEATURES, *unusable)
    assert ended.code == 0, ended.err
    assert ended.err.count("feature cache: taken cannot be") == 1


def test_a_limit_that_cannot_be_is_an_error_before_anything_runs(command: Callable[..., Ended]):
    ended = command("train", *WITH_FEATURES, "feature_cache.entries=0")
    assert ended.code == 2
    assert "feature_cache.entries=0; allowed: 1 or more" in ended.err
    ended = command("train", *WITH_FEATURES, "feature_cache.memory_mb=much")
    assert ended.code == 2
    assert "feature_cache.memory_mb='much' must be a number" in ended.err


def test_a_run_older_than_some_keys_can_be_evaluated(command: Callable[..., Ended]):
    assert command("train", *WITH_FEATURES).code == 0
    (run,) = run_folders(Path("runs/study"))
    config = OmegaConf.load(run / "config.yaml")
    del config["feature_cache"]
    del config["window"]["shuffle"]
    OmegaConf.save(config, run / "config.yaml")
    ended = command("evaluate", str(run))
    assert ended.code == 0, ended.err
    assert "the run is older than feature_cache, window.shuffle" in ended.err
    assert "identical" in ended.out
