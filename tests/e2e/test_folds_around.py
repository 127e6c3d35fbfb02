"""Runs whose folds train around what they test, and runs whose folds begin with earlier weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError
from regimecast.core.files import read_json
from regimecast.evaluation.predictions import read_predictions
from regimecast.experiment import RunResult, run
from regimecast.reload import evaluate_run
from regimecast.search.run import find_barriers
from tests.e2e.command import TINY, Ended

COMBINATORIAL = ("split=combinatorial_purged", "split.groups=4", "split.test_groups=2")
EVENTS = (
    "split=leave_one_event_out",
    "split.events=[{name: fall, start: '2010-10-01', end: '2010-11-15', regime: crash, weight: 3}, "
    "{name: rise, start: '2011-05-02', end: '2011-06-10', regime: recovery, weight: 1}, "
    "{name: elsewhere, start: '1987-10-01', end: '1987-10-31', regime: crash, weight: 9}]",
)
FORWARD = ("split=walk_forward", "split.folds=3", "trainer.max_epochs=2")


@pytest.mark.parametrize("batch_size", [7, 64, 100_000])
def test_every_test_window_is_forecast_whatever_the_batch_size(
    folder: Path, batch_size: int
) -> None:
    result = run(*TINY, *COMBINATORIAL, f"window.batch_size={batch_size}")
    tested = [fold["test"] for fold in result.metrics["folds"]]
    assert len(tested) == 6
    assert len(result.forecast) == len(result.outcomes) == sum(tested)
    stored = pd.read_parquet(result.folder / "predictions.parquet")
    horizon = result.forecast.horizon
    assert len(stored) == sum(tested) * horizon
    assert (stored.groupby("fold").size() == np.array(tested) * horizon).all()
    times = stored.groupby(["asset", "origin", "step"], observed=True).size()
    assert set(times) == {3}
    assert len(times) == sum(tested) // 3 * horizon


def test_a_combinatorial_run_trades_its_median_path_and_forecasts_all(folder: Path) -> None:
    result = run(*TINY, *COMBINATORIAL, "model=dlinear", "data.assets=2")
    metrics = read_json(result.folder / "metrics.json")
    paths = metrics["paths"]
    assert paths["n"] == len(paths["sharpe"]) == 3
    assert sorted(paths["sharpe"])[1] == paths["sharpe"][paths["chosen"]]
    assert paths["sharpe"][paths["chosen"]] == metrics["trading"]["strategy"]["sharpe"]
    frame = pd.read_parquet(result.folder / "paths.parquet")
    assert list(frame) == ["path", "time", "strategy"]
    returns = pd.read_parquet(result.folder / "returns.parquet")
    own = frame.loc[frame["path"] == paths["chosen"]]
    assert np.array_equal(own["strategy"], returns["strategy"])
    assert np.array_equal(own["time"], returns["time"])
    windows = sum(fold["test"] for fold in metrics["folds"])
    assert metrics["forecast"]["test/n"] == windows * result.forecast.horizon
    forecast, _ = read_predictions(result.folder / "predictions.parquet")
    assert len(forecast) == windows
    assert "events" not in metrics
    again = evaluate_run(result.folder)
    assert again.identical
    assert again.metrics == {key: metrics[key] for key in again.metrics}
    assert (result.folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("split", ["split=purged_kfold split.folds=3", "split=walk_forward"])
def test_a_single_path_has_no_section(folder: Path, split: str) -> None:
    result = run(*TINY, *split.split(), "model=naive", "loss=mae")
    assert "paths" not in result.metrics
    assert not (result.folder / "paths.parquet").exists()


def test_events_are_reported_one_by_one(folder: Path, command: Callable[..., Ended]) -> None:
    ended = command("train", *TINY, *EVENTS, "model=dlinear")
    assert ended.code == 0, ended.err
    assert "event 'elsewhere' (1987-10-01 to 1987-10-31) is left out" in ended.err
    [path] = Path("runs/study").glob("*/metrics.json")
    section = read_json(path)["events"]
    fall, rise = section["events"]
    assert (fall["name"], fall["regime"], fall["weight"]) == ("fall", "crash", 3.0)
    assert (fall["start"], fall["end"]) == ("2010-10-01", "2010-11-15")
    assert fall["n"] == 32
    assert fall["error"] > 0
    mean = section["weighted_mean"]
    assert mean["return"] == pytest.approx((3 * fall["return"] + rise["return"]) / 4)
    assert section["kinds"]["recovery"]["note"] == "one event: not testable"
    returns = pd.read_parquet(path.parent / "returns.parquet").set_index("time")["strategy"]
    within = returns.loc["2010-10-01":"2010-11-15"]
    assert fall["return"] == pytest.approx(np.prod(1 + within) - 1)


def weights(result: RunResult) -> list[str]:
    hashes = read_json(result.folder / "manifest.json")["checkpoints"]
    return [value for name, value in sorted(hashes.items()) if name.endswith("safetensors")]


def test_a_warm_start_begins_where_the_fold_before_ended(folder: Path) -> None:
    cold = run(*TINY, *FORWARD)
    warm = run(*TINY, *FORWARD, "warm_start=true", "study=warm")
    again = run(*TINY, *FORWARD, "warm_start=true", "study=again")
    assert weights(warm) == weights(again)
    assert np.array_equal(warm.forecast.values, again.forecast.values)
    assert weights(warm)[0] == weights(cold)[0]
    assert weights(warm)[1:] != weights(cold)[1:]
    assert evaluate_run(warm.folder).identical
    # Nothing is learnt in no time: weights that move by nothing are those of the fold before.
    still = run(*TINY, *FORWARD, "warm_start=true", "optimizer.lr=1e-30", "study=still")
    assert len(set(weights(still))) == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("model=lightgbm",), "model=lightgbm is no network"),
        (("model=naive",), "model=naive is no network"),
        (COMBINATORIAL, "split=combinatorial_purged would begin with weights"),
        (EVENTS, "split=leave_one_event_out would begin"),
    ],
)
def test_a_warm_start_that_cannot_be_is_refused_before_data_are_read(
    folder: Path, overrides: tuple[str, ...], said: str
) -> None:
    elsewhere = (
        *(o for o in TINY if not o.startswith("data")),
        "data=csv",
        "data.path=nowhere.csv",
    )
    with pytest.raises(ConfigError, match=said):
        run(*elsewhere, *overrides, "warm_start=true")
    with pytest.raises(ConfigError, match="true or false"):
        run(*TINY, "warm_start=1")
    assert not Path("runs").exists()


def test_barriers_are_not_sought_where_later_folds_test(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sought there once for all folds"):
        find_barriers(
            ["split=purged_kfold", "data=csv", "data.path=nowhere.csv"],
            output=tmp_path / "target" / "found.yaml",
        )


def test_the_default_is_a_cold_start() -> None:
    assert composed([])["warm_start"] is False
