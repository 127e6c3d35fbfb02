"""Calibrated intervals from the command line: every method, read back, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError
from regimecast.core.files import read_json
from regimecast.core.types import REGIMES
from regimecast.evaluation.predictions import read_predictions
from regimecast.experiment import run
from regimecast.reload import evaluate_run
from tests.e2e.command import TINY, Ended, run_folders
from tests.evaluation.conformal.records import METHODS

CHEAP = (*TINY, "model=dlinear", "data.assets=2", "data.bars=900", "split.validation=0.3",
         "split.train=0.5")  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_run_of_every_method_is_calibrated_and_can_be_repeated(name: str, folder: Path):
    few = ("conformal.members=3",) if name == "enbpi" else ()
    result = run(*CHEAP, f"conformal={name}", *few)
    section = result.metrics["conformal"]
    assert section["method"] == name
    assert section["level"] == 0.9
    assert section["coverage"] == pytest.approx(0.9, abs=0.08)
    assert section["uncalibrated"]["coverage"] < 0.7  # one epoch
    assert list(section["by_regime"]) == list(REGIMES)
    assert [row["step"] for row in section["by_step"]] == [1, 2, 3, 4, 5]
    assert section["n"] == sum(row["n"] for row in section["by_step"])
    # The file holds what the report speaks of, finite and in order.
    table = pd.read_parquet(result.folder / "predictions.parquet")
    quantiles = table.filter(regex=r"^q0").to_numpy()
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    inside = (table["q0.05"] <= table["actual"]) & (table["actual"] <= table["q0.95"])
    assert section["coverage"] == pytest.approx(inside.mean())
    assert result.metrics["forecast"]["test/coverage_90"] == pytest.approx(inside.mean())
    state = read_json(result.folder / "checkpoints" / "fold=0" / "conformal.json")
    assert len(state["thresholds"]["0.9"]) == 5
    counted = result.metrics["folds"][0].get("calibration")
    parts = [row["part"] for row in read_json(result.folder / "manifest.json")["preflight"]]
    if name == "enbpi":
        assert counted is None
        members = sorted((result.folder / "checkpoints" / "fold=0").glob("member=*"))
        assert len(members) == 3
        assert len({(path / "weights.safetensors").read_bytes() for path in members}) == 3
    else:
        assert state["samples"] == counted
        assert parts == ["train", "validation", "calibration", "test"]
    again = evaluate_run(result.folder)
    assert again.identical
    assert again.metrics["conformal"] == section


def test_a_point_forecast_of_several_folds_becomes_an_interval(
    command: Callable[..., Ended], folder: Path
):
    ended = command(
        "train", *TINY, "model=naive", "loss=mae", "conformal=split", "conformal.level=0.8",
        "split=walk_forward", "split.folds=2", "split.test=0.2", "split.validation=0.4",
        "strategy=quantile_band", "strategy.lower=0.1", "strategy.upper=0.9",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert "80 % intervals, split" in ended.out
    (made,) = run_folders(Path("runs/study"))
    forecast, _ = read_predictions(made / "predictions.parquet")
    assert forecast.levels == (0.1, 0.5, 0.9)
    metrics = read_json(made / "metrics.json")
    assert metrics["conformal"]["uncalibrated"] is None
    assert metrics["forecast"]["test/coverage_80"] == metrics["conformal"]["coverage"]
    assert len(list(made.rglob("conformal.json"))) == 2


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["conformal=cqr", "loss=mse"], r"point forecast only; allowed: loss=quantile .*0\.05"),
        (["conformal=aci", "loss=sharpe"], r"make positions; allowed: conformal=none"),
        (
            ["conformal=split", "target=triple_barrier", "loss=cross_entropy",
             "strategy=class_probability"],
            r"make probabilities; allowed: conformal=none",
        ),
        (["conformal=cqr", "conformal.level=0.85"], r"conformal.level=0.85 needs the levels"),
        (["conformal=dtaci", "loss.levels=[0.1,0.5,0.95]"], r"0.1 has no partner 0.9"),
        (["conformal=enbpi", "conformal.block=5"], r"conformal.block=5 must be longer"),
        (["conformal=aci", "conformal.gamma=2"], r"conformal.gamma=2.* from 0 to 1"),
        (["conformal=aci", "conformal.normalise=vol"], r"conformal.normalise='vol'; allowed"),
        (["conformal=acj"], r"acj"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_before_data_are_read(overrides, message, folder: Path):
    with pytest.raises(ConfigError, match=message):
        run(*[o for o in TINY if not o.startswith("data")], "data=csv", "data.path=nowhere.csv",
            *overrides)  # fmt: skip
    assert not Path("runs").exists()
