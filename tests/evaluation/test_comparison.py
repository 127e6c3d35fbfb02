import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from regimecast.commands.compare import compare as command
from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import ForecastKind
from regimecast.evaluation import contest as contests
from regimecast.evaluation.comparison import METRICS, compare
from regimecast.evaluation.comparison_table import comparison_table
from regimecast.evaluation.predictions import write_predictions
from regimecast.evaluation.significance.diebold_mariano import diebold_mariano
from tests.evaluation.samples import days, make_forecast, make_outcomes

N = 400
CRASHES = np.where((np.arange(N) % 80) < 16, 3, 1)
ONE_CRASH = np.where(np.arange(N) < 60, 3, 1)


def write_run(
    folder: Path,
    *,
    error: float = 1.0,
    seed: int = 0,
    assets: tuple[str, ...] = ("a", "b"),
    first: int = 0,
    n: int = N,
    regime: np.ndarray = CRASHES,
    status: str = "finished",
    model: str = "nhits",
    edge: float = 0.0,
    returns: bool = True,
    kind: ForecastKind = ForecastKind.QUANTILES,
    **config: object,
) -> Path:
    """A run whose forecasts miss the same outcomes by so much."""
    folder.mkdir(parents=True)
    truth = np.random.default_rng(99).normal(size=(N + 200, len(assets), 2))[first : first + n]
    rng = np.random.default_rng(seed)
    actual = truth.reshape(-1, 2)
    if kind is ForecastKind.PROBABILITIES:
        actual = np.sign(actual[:, :1])
        p = 0.5 + 0.3 * actual / error + 0.1 * rng.uniform(-1, 1, size=actual.shape)
        values, levels = np.stack([1 - p, p], axis=2), (-1.0, 1.0)
    else:
        missed = actual + error * rng.normal(size=actual.shape)
        values = missed[:, :, None] + 0.3 * np.array([-1.0, 0.0, 1.0])
        levels = (0.1, 0.5, 0.9)
    forecast = make_forecast(
        values.astype(np.float32),
        levels,
        kind,
        asset=np.tile(np.arange(len(assets)), n),
        origin=np.repeat(days(n, first), len(assets)),
        assets=assets,
    )
    code = np.repeat(regime[(first + np.arange(n)) % N], len(assets)).astype(np.int8)
    outcomes = make_outcomes(forecast, actual.astype(np.float32), regime=code)
    write_predictions(folder / "predictions.parquet", forecast, outcomes, fold=0)
    market = np.random.default_rng(7).normal(0, 0.01, N + 200)[first : first + n]
    if returns:
        pd.DataFrame(
            {
                "time": days(n, first),
                "strategy": rng.normal(edge, 0.01, n),
                "regime": regime[(first + np.arange(n)) % N],
                "buy_and_hold": market,
                "naive": 0.5 * market,
            }
        ).to_parquet(folder / "returns.parquet", index=False)
    task = "classification" if kind is ForecastKind.PROBABILITIES else "forecast"
    manifest = {"status": status, **({"error": "boom"} if status == "failed" else {})}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "metrics.json").write_text(json.dumps({"task": task, "model": model}))
    parts = {"target": {"name": "forward_return"}, "data": {"name": "sp500"}, **config}
    (folder / "config.yaml").write_text(json.dumps(parts))
    return folder


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Path]:
    root = tmp_path / "study"
    return {
        "good": write_run(root / "good", error=0.5, edge=0.003),
        "same": write_run(root / "same", error=0.52, seed=1, edge=-0.002),
        "poor": write_run(root / "poor", error=1.5, seed=2),
        "naive": write_run(root / "naive", error=2.0, seed=3, model="naive"),
        "failed": write_run(root / "failed", status="failed"),
    }


def test_what_it_finds(study):
    found = compare(study)
    assert found.left_out == {"failed": "failed: boom"}
    (group,) = found.groups
    assert group.runs == ("good", "same", "poor", "naive")
    assert group.notes == ()
    calendar = group.calendars["forecasts"]
    assert (calendar.times, calendar.first[:10], calendar.dropped) == (N, "2020-01-01", {})
    crps = group.contest("crps")
    assert crps.times == N
    assert crps.mean["good"] < crps.mean["poor"] < crps.mean["naive"]
    assert crps.mcs["good"] == 1
    assert crps.mcs["poor"] < 0.05
    assert crps.spa["naive"].superior == ("good", "same", "poor")
    pair = next(p for p in crps.dm if (p.first, p.second) == ("good", "poor"))
    assert pair.p_value < 1e-6
    assert pair.holm >= pair.p_value
    assert pair.difference == pytest.approx(crps.mean["good"] - crps.mean["poor"])
    net = group.contest("net_return")
    assert set(net.spa) == {"buy_and_hold", "naive"}
    assert net.spa["buy_and_hold"].superior == ("good",)
    assert net.mean["good"] == pytest.approx(0.003, abs=0.0015)
    assert group.contest("directional_accuracy").mean["good"] > 0.7
    crash = group.contest("crps", "crash")
    assert crash.times == 80
    assert crash.mcs["poor"] < 0.05
    assert group.contest("crps", "recovery").not_testable == "no episode; at least 5 are needed"
    assert group.contest("log_loss") is None


def test_losses_are_averaged_over_the_assets_of_an_origin(study):
    found = compare(study, metrics=["mae"])
    (group,) = found.groups
    assert {contest.metric for contest in group.contests} == {"mae"}
    series = []
    for name in ("good", "same"):
        frame = pd.read_parquet(study[name] / "predictions.parquet")
        error = (frame["q0.5"].astype(float) - frame["actual"]).abs()
        series.append(error.groupby(frame["origin"]).mean().to_numpy())
    by_hand = diebold_mariano(*series, horizon=2)
    pair = group.contest("mae").dm[0]
    assert pair.statistic == pytest.approx(by_hand.statistic, rel=1e-5)
    assert pair.p_value == pytest.approx(by_hand.p_value, rel=1e-5)


def test_same_seed_same_numbers(study):
    first, again, other = (
        compare(study, metrics=["mae", "net_return"], seed=seed).to_json() for seed in (1, 1, 2)
    )
    assert first == again
    assert first["groups"] != other["groups"]


def test_json_holds_what_the_report_reads(study):
    content = json.loads(json.dumps(compare(study).to_json(), allow_nan=False))
    assert set(content) == {"seed", "repetitions", "left_out", "groups"}
    (group,) = content["groups"]
    assert group["kind"] == "forecast of forward_return on sp500"
    held = group["contests"][0]
    assert (held["metric"], held["regime"], held["not_testable"]) == ("crps", None, None)
    assert held["mcs"]["good"] == {"p_value": 1.0, "in_0.10": True, "in_0.05": True}
    assert held["mcs"]["poor"]["in_0.05"] is False
    assert set(held["dm"][0]) == {
        "first", "second", "difference", "statistic", "p_value", "holm",
    }  # fmt: skip
    assert set(held["spa"]["naive"]) == {"p_value", "lower", "upper", "superior"}


def test_one_episode_is_not_testable(tmp_path):
    runs = {
        name: write_run(tmp_path / name, error=error, regime=ONE_CRASH)
        for name, error in (("a", 0.5), ("b", 5.0))
    }
    (group,) = compare(runs).groups
    for metric in ("crps", "net_return"):
        crash = group.contest(metric, "crash")
        assert crash.not_testable == "one episode; at least 5 are needed"
        assert crash.times == 60
        assert (crash.mcs, crash.dm, crash.spa) == ({}, (), {})


def test_only_what_all_runs_have_counts(tmp_path):
    runs = {
        "long": write_run(tmp_path / "long"),
        "late": write_run(tmp_path / "late", first=100, seed=1),
        "one asset": write_run(tmp_path / "one", assets=("a",), seed=2),
        "elsewhere": write_run(tmp_path / "elsewhere", first=395, n=150, seed=3),
    }
    (group,) = compare(runs).groups
    calendar = group.calendars["forecasts"]
    assert calendar.times == 300
    assert calendar.first[:10] == "2020-04-10"
    assert calendar.dropped == {"long": 500, "late": 500, "one asset": 100}
    assert any(note.startswith("elsewhere is left out of forecasts: ") for note in group.notes)
    assert "elsewhere" not in group.contest("crps").mean
    # Only one asset is common to all: its losses, whatever the others' were.
    frame = pd.read_parquet(runs["long"] / "predictions.parquet")
    frame = frame[(frame["asset"] == "a") & (frame["origin"] >= "2020-04-10")]
    expected = (frame["q0.5"].astype(float) - frame["actual"]).abs().mean()
    assert group.contest("mae").mean["long"] == pytest.approx(expected, rel=1e-6)


def test_kinds_are_kept_apart(tmp_path):
    runs = {
        "a": write_run(tmp_path / "a"),
        "b": write_run(tmp_path / "b", seed=1),
        "c": write_run(tmp_path / "c", seed=2, data={"name": "btc"}),
        "d": write_run(tmp_path / "d", kind=ForecastKind.PROBABILITIES),
        "e": write_run(tmp_path / "e", kind=ForecastKind.PROBABILITIES, error=3.0, seed=1),
    }
    found = compare(runs)
    assert [group.runs for group in found.groups] == [("d", "e"), ("c",), ("a", "b")]
    classes, alone, _ = found.groups
    assert classes.contest("log_loss").mean["d"] < classes.contest("log_loss").mean["e"]
    assert classes.contest("crps") is None
    assert alone.notes == ("one run: there is no other to compare it with",)
    contest = alone.contest("net_return")
    assert contest.mcs == {}
    assert set(contest.spa) == {"buy_and_hold", "naive"}
    assert "one run" in contest.not_testable


def test_folds_that_overlap_are_averaged(tmp_path):
    run = write_run(tmp_path / "a")
    frame = pd.read_parquet(run / "predictions.parquet")
    other = frame.assign(**{"q0.5": frame["q0.5"] + 0.5})
    attributes = frame.attrs
    both = pd.concat([frame, other], ignore_index=True)
    both.attrs = attributes
    both.to_parquet(run / "predictions.parquet")
    (group,) = compare({"a": run, "b": write_run(tmp_path / "b", seed=1)}).groups
    means = [(part["q0.5"].astype(float) - part["actual"]).abs().mean() for part in (frame, other)]
    assert group.contest("mae").mean["a"] == pytest.approx(np.mean(means), rel=1e-6)
    assert group.calendars["forecasts"].dropped == {}


def edited(path: Path, column: str, value: float) -> None:
    frame = pd.read_parquet(path)
    frame.loc[frame.index[5], column] = value
    frame.to_parquet(path)


def test_returns_that_cannot_be_used(study):
    edited(study["poor"] / "returns.parquet", "strategy", np.nan)
    (study["same"] / "returns.parquet").unlink()
    (study["naive"] / "returns.parquet").write_bytes(b"PAR1 not")
    (group,) = compare(study).groups
    assert list(group.contest("net_return").mean) == ["good"]
    notes = "\n".join(group.notes)
    assert "poor is left out of returns: its returns hold NaN or infinity" in notes
    assert "same is left out of returns: it has no returns" in notes
    assert "naive is left out of returns: its returns cannot be read" in notes
    assert set(group.contest("crps").mean) == {"good", "same", "poor", "naive"}


def test_constant_returns_and_equal_runs(tmp_path):
    runs = {name: write_run(tmp_path / name) for name in ("a", "b")}
    for run in runs.values():
        frame = pd.read_parquet(run / "returns.parquet")
        frame.assign(strategy=0.0).to_parquet(run / "returns.parquet")
    (group,) = compare(runs).groups
    crps = group.contest("crps")
    assert crps.mcs == {"a": 1.0, "b": 1.0}
    assert crps.dm == ()
    assert crps.not_testable == "pairs with the same losses: a and b"
    net = group.contest("net_return")
    assert net.not_testable == "all values are equal"
    assert net.mean == {"a": 0.0, "b": 0.0}
    json.dumps(compare(runs).to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("predictions.parquet", b"PAR1", "does not hold predictions"),
        ("metrics.json", b'{"task": ', "cannot be read: Expecting value"),
        ("manifest.json", b"[", "cannot be read: Expecting value"),
    ],
)
def test_damaged_runs_are_named(study, name, content, said):
    (study["same"] / name).write_bytes(content)
    found = compare(study)
    assert said in found.left_out["same"]
    assert "same" not in found.groups[0].runs


def test_nothing_to_compare(study):
    with pytest.raises(DataError, match=r"none of 1 runs can be compared\. failed: failed: boom"):
        compare({"failed": study["failed"]})
    with pytest.raises(DataError, match="none of 0 runs"):
        compare({})
    with pytest.raises(ConfigError, match="Did you mean 'crps'"):
        compare(study, metrics=["crpss"])
    assert "pinball" not in METRICS


def test_many_runs_keep_the_pairs_with_the_best(study, monkeypatch):
    every = compare(study, metrics=["mae"]).groups[0].contest("mae").dm
    monkeypatch.setattr(contests, "_MOST_RUNS", 3)
    kept = compare(study, metrics=["mae"]).groups[0].contest("mae").dm
    assert kept == tuple(pair for pair in every if "good" in (pair.first, pair.second))
    assert (len(every), len(kept)) == (6, 3)


@pytest.mark.parametrize("width", [40, 300])
def test_what_a_terminal_shows(study, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(comparison_table(compare(study), width))
    text = " ".join(console.file.getvalue().split())
    assert "good" in text
    assert "left out: failed: failed: boom" in text
    assert "Better than the model naive at 5%: good, same, poor" in text
    assert "Better than buy-and-hold at 5%: good" in text
    assert "pairs differ at 5% after Holm's adjustment" in text
    assert ("Too wide" in text) == (width == 40)


def test_the_command_writes_what_it_prints(study, capsys):
    folder = study["good"].parent
    command(folder, metric=["crps"], seed=0)
    assert f"written: {folder / 'comparison.json'}" in capsys.readouterr().out
    content = json.loads((folder / "comparison.json").read_text())
    assert content["groups"][0]["runs"] == ["good", "naive", "poor", "same"]
    assert {contest["metric"] for contest in content["groups"][0]["contests"]} == {"crps"}
    assert sorted(path.name for path in folder.iterdir()) == sorted([*study, "comparison.json"])
    with pytest.raises(DataError, match="is not a folder"):
        command(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(DataError, match="holds no runs"):
        command(folder / "empty")
