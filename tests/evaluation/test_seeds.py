"""Runs that differ in their seed only: one row, with mean, interval and worst."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import yaml
from rich.console import Console
from scipy import stats

from regimecast.evaluation.deflation import probabilistic_sharpe_ratio
from regimecast.evaluation.leaderboard import Leaderboard
from regimecast.evaluation.overfitting import probability_of_backtest_overfitting
from regimecast.evaluation.seeds import mean_interval, seed_group, seedless_name
from regimecast.evaluation.track import mean_track
from regimecast.tracking.ledger import Ledger
from tests.evaluation.trials import PRICES, noise, record, run, track


def write(folder, ledger, name, returns, crps, *, seed, status="finished", **config):
    path = run(folder, name, returns, ledger=ledger, crps=crps, status=status)
    text = yaml.safe_dump({"model": {"name": "lstm"}, **config, "seed": seed, "study": name})
    (path / "config.yaml").write_text(text)
    if status == "finished":
        record(Ledger(ledger), name, returns)


@pytest.fixture
def study(tmp_path):
    folder, ledger = tmp_path / "study", tmp_path / "ledger"
    for seed in range(4):
        write(
            folder,
            ledger,
            f"00{seed}_model=lstm,seed={seed}",
            noise(300, seed, 0.001),
            1 + seed,
            seed=seed,
            loss={"name": "mae"},
        )
    write(
        folder, ledger, "004_model=nhits,seed=0", noise(300, 9), 2.0, seed=0, loss={"name": "mse"}
    )
    write(
        folder,
        ledger,
        "005_model=lstm,seed=9",
        None,
        None,
        seed=9,
        status="failed",
        loss={"name": "mae"},
    )
    return folder


def test_seeds_of_a_config_are_one_row(study):
    board = Leaderboard.read(study)
    assert board.frame["seeds"].tolist() == [1] * 6
    folded = board.folded().frame.set_index("job")
    assert sorted(folded.index) == ["004_model=nhits,seed=0", "005_model=lstm,seed=9", "model=lstm"]
    row = folded.loc["model=lstm"]
    assert (row["seeds"], row["seed"], row["status"]) == (4, "4 seeds", "finished")
    assert (row["crps"], row["crps_seed_worst"]) == (2.5, 4.0)
    low, high = stats.t.interval(0.95, 3, loc=2.5, scale=stats.sem([1, 2, 3, 4]))
    assert (row["crps_seed_low"], row["crps_seed_high"]) == pytest.approx((low, high))
    sharpes = board.frame[board.frame["seed_group"] == row["seed_group"]]["sharpe"]
    assert len(sharpes) == 4
    assert row["sharpe"] == pytest.approx(sharpes.mean())
    assert row["sharpe_seed_worst"] == sharpes.min()
    assert row["dsr"] not in board.frame["dsr"].tolist()


def test_seeds_are_one_choice_of_pbo(study):
    (chosen,) = Leaderboard.read(study).selections
    mean = np.mean([noise(300, seed, 0.001) for seed in range(4)], axis=0)
    both = np.stack([mean, noise(300, 9)], axis=1)
    assert chosen.pbo.logits == pytest.approx(probability_of_backtest_overfitting(both).logits)
    assert chosen.pbo_choices == 2
    assert len(chosen.pbo_runs) == 5


def test_deflated_ratio_of_a_row_is_that_of_its_mean_returns(study):
    board = Leaderboard.read(study)
    (chosen,) = board.selections
    together = track(np.mean([noise(300, seed, 0.001) for seed in range(4)], axis=0))
    expected = probabilistic_sharpe_ratio(
        together.sharpe,
        n_observations=300,
        benchmark=chosen.expected_maximum / np.sqrt(252),
        **together.moments,
    )
    row = board.folded().frame.set_index("job").loc["model=lstm"]
    assert row["dsr"] == pytest.approx(expected)
    assert row["trials"] == chosen.trials == 6


def test_table_shows_mean_interval_and_worst(study):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(Leaderboard.read(study).folded().to_table(200))
    text = console.export_text()
    assert "over seeds" in text
    assert "worst" in text
    assert "6 jobs, 5 finished" in text
    assert "held in equal parts" in text


def test_rows_without_seeds_are_left_as_they_are(tmp_path):
    folder, ledger = tmp_path / "study", tmp_path / "ledger"
    for number, loss in enumerate(["mae", "mse"]):
        write(folder, ledger, f"run{number}", noise(100, number), 1.0, seed=0, loss={"name": loss})
    board = Leaderboard.read(folder)
    pd.testing.assert_frame_equal(board.folded().frame, board.frame)


def test_seed_that_ran_twice_counts_once(tmp_path):
    folder, ledger = tmp_path / "study", tmp_path / "ledger"
    for number, (seed, crps) in enumerate([(0, 1.0), (0, 3.0), (1, 5.0)]):
        write(folder, ledger, f"00{number}_seed={seed}", noise(100, seed), crps, seed=seed)
    (row,) = Leaderboard.read(folder).folded().frame.to_dict("records")
    assert (row["job"], row["seeds"], row["crps"]) == ("defaults", 2, 4.0)


def test_configs_that_differ_otherwise_are_not_together():
    done = {"status": "finished", "data": {"fingerprint": PRICES}}
    one = {"seed": 0, "model": {"name": "lstm"}, "study": "a", "tracker": {"name": "csv"}}
    assert seed_group(one, done) == seed_group({**one, "seed": 1, "study": "b"}, done) != ""
    assert seed_group({**one, "model": {"name": "nhits"}}, done) != seed_group(one, done)
    assert seed_group(one, {**done, "data": {"fingerprint": "b"}}) != seed_group(one, done)
    assert seed_group({"model": 1}, done) == seed_group(one, {"status": "finished"}) == ""
    assert seed_group(one, {**done, "status": "failed"}) == ""


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("003_model=nhits,seed=2", "model=nhits"),
        ("seed=2", "defaults"),
        ("seed=1,model=a", "model=a"),
        ("01_data.seed=3,seed=1,x=2", "data.seed=3,x=2"),
    ],
)
def test_name_without_seed(job, name):
    assert seedless_name(job) == name


def test_interval_narrows_with_seeds():
    values = np.random.default_rng(0).normal(size=50)
    (low, high), (wide_low, wide_high) = mean_interval(values), mean_interval(values[:5])
    assert high - low < wide_high - wide_low


def test_mean_track_needs_the_same_times():
    assert mean_track([track(noise(9, 0)), track(noise(9, 1), "2021-01-01")]) is None
    both = mean_track([track(noise(9, 0)), track(noise(9, 1))])
    np.testing.assert_allclose(both.returns, (noise(9, 0) + noise(9, 1)) / 2)


def test_csv_holds_the_row(study, tmp_path):
    Leaderboard.read(study).folded().write(tmp_path / "board.json")
    (row,) = [r for r in json.loads((tmp_path / "board.json").read_text()) if r["seeds"] == 4]
    assert row["crps_seed_worst"] == 4.0
