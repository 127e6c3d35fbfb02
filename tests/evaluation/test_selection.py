import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regimecast.evaluation.deflation import (
    expected_maximum_sharpe,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
)
from regimecast.evaluation.likeness import luckiest_sharpe
from regimecast.evaluation.luck import judged_selection
from regimecast.evaluation.overfitting import probability_of_backtest_overfitting
from regimecast.evaluation.selection import select, tally
from regimecast.evaluation.trading_metrics import kurtosis, skewness
from regimecast.tracking.ledger import Ledger
from regimecast.tracking.open_trial import OpenTrial
from tests.evaluation.trials import PRICES, noise, record, run, track


def test_runs_are_judged_among_all_trials_of_the_ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    series = {name: noise(200, seed) for seed, name in enumerate("abcdef")}
    for name in "abcd":
        record(ledger, name, series[name])
    record(ledger, "elsewhere", noise(200, 9), data="b" * 64)
    runs = {name: run(tmp_path / "runs", name, series[name], ledger=ledger.folder) for name in "ab"}
    (found,) = select(runs)
    assert (found.data, found.recorded) == (PRICES, True)
    assert (found.trials, found.effective, found.with_returns) == (4, 4, 4)
    assert found.members == ("a", "b")
    assert list(found.runs) == ["a", "b"]
    sharpes = np.array([series[n].mean() / series[n].std(ddof=1) for n in "abcd"])
    lucky = luckiest_sharpe(np.stack([series[n] for n in "abcd"], axis=1))
    assert lucky == pytest.approx(
        expected_maximum_sharpe(n_trials=4, trial_sharpe_variance=1 / 199), rel=0.1
    )
    assert found.expected_maximum == pytest.approx(lucky * 252**0.5)
    shape = {"skew": skewness(series["b"]), "kurtosis": kurtosis(series["b"])}
    mine = found.runs["b"]
    assert mine.sharpe == pytest.approx(sharpes[1] * 252**0.5)
    assert mine.observations == 200
    given = {"n_observations": 200, **shape}
    assert mine.psr == pytest.approx(probabilistic_sharpe_ratio(float(sharpes[1]), **given))
    deflated = probabilistic_sharpe_ratio(float(sharpes[1]), benchmark=lucky, **given)
    assert mine.dsr == pytest.approx(deflated)
    length = minimum_track_record_length(float(sharpes[1]), **shape)
    assert mine.min_track_record == pytest.approx(length)
    assert found.pbo_runs == ("a", "b")
    assert found.pbo_observations == 200
    both = np.stack([series["a"], series["b"]], axis=1)
    assert found.pbo.pbo == probability_of_backtest_overfitting(both).pbo
    assert found.problems == ()
    assert found.sentence() == "4 trials on these prices, 4 of them different"
    best = max("ab", key=lambda name: found.runs[name].sharpe)
    assert found.best == best
    if found.runs[best].sharpe > 0:
        share = found.expected_maximum / found.runs[best].sharpe
        assert found.minimum_backtest == pytest.approx(200 / 252 * share**2)


def test_deleting_a_run_lowers_no_count(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    runs = {}
    for seed, name in enumerate("abc"):
        record(ledger, name, noise(100, seed))
        runs[name] = run(tmp_path / "runs", name, noise(100, seed), ledger=ledger.folder)
    (before,) = select(runs)
    shutil.rmtree(runs.pop("b"))
    (after,) = select(runs)
    assert after.trials == before.trials == 3
    assert after.runs["a"] == before.runs["a"]


def test_no_choice_of_display_changes_what_is_left(tmp_path):
    given = {
        "data": "x",
        "recorded": True,
        "trials": {name: track(noise(100, n, 0.001)) for n, name in enumerate("abc")},
        "runs": {"run a": "a"},
    }
    year, minutes = (judged_selection(**given, bars_per_year=n) for n in (252.0, 98_280.0))
    mine, other = year.runs["run a"], minutes.runs["run a"]
    assert (mine.psr, mine.dsr, mine.min_track_record) == (
        other.psr,
        other.dsr,
        other.min_track_record,
    )
    assert other.sharpe / mine.sharpe == pytest.approx((98_280 / 252) ** 0.5)


def test_trials_without_returns_count_as_unlike_all_others(tmp_path):
    ledger = Ledger(tmp_path)
    same = noise(200, 0)
    for n in range(4):
        record(ledger, f"same {n}", same + noise(200, n + 1) / 100)
    record(ledger, "other", noise(200, 50))
    found = tally(ledger, PRICES)
    assert (found.trials, found.effective) == (5, 2)
    lucky = found.expected_maximum
    for n in range(5):
        record(ledger, f"killed {n}", None, status="interrupted")
    found = tally(ledger, PRICES)
    assert (found.trials, found.effective, found.with_returns) == (10, 7, 5)
    assert found.expected_maximum > 1.5 * lucky
    assert "5 trials left no returns and are taken to be unlike" in " ".join(found.problems)


def test_one_trial_is_chosen_from_nothing(tmp_path):
    record(Ledger(tmp_path / "ledger"), "a", noise(100, 0))
    (found,) = select({"a": run(tmp_path, "a", noise(100, 0), ledger=tmp_path / "ledger")})
    assert (found.trials, found.effective, found.expected_maximum) == (1, 1, 0)
    assert found.runs["a"].dsr == found.runs["a"].psr
    assert found.pbo is None
    assert found.problems == ("No PBO: 1 run with returns, so that nothing was chosen.",)


def test_one_result_of_many_trials_is_deflated_all_the_same(tmp_path):
    ledger = Ledger(tmp_path)
    record(ledger, "a", noise(101, 0, 0.002))
    for n in range(9):
        record(ledger, f"killed {n}", None)
    found = tally(ledger, PRICES)
    assert found.effective == 10
    chance = expected_maximum_sharpe(n_trials=10, trial_sharpe_variance=1 / 100)
    assert found.expected_maximum == pytest.approx(chance * 252**0.5, rel=0.05)
    assert found.runs["a"].dsr < found.runs["a"].psr


@pytest.mark.parametrize(
    ("returns", "note"),
    [
        (np.full(100, 0.001), "do not vary"),
        (np.zeros(100), "do not vary"),
        (np.where(np.arange(100) == 5, np.nan, noise(100, 1)), "1 of 100 returns are NaN"),
        (np.array([0.1]), "1 return only"),
    ],
)
def test_returns_that_say_nothing_are_named_and_nothing_is_lost(tmp_path, returns, note):
    ledger = Ledger(tmp_path / "ledger")
    series = {"bad": returns, "b": noise(100, 2), "c": noise(100, 3)}
    runs = {}
    for name, values in series.items():
        record(ledger, name, values)
        runs[name] = run(tmp_path / "runs", name, values, ledger=ledger.folder)
    (found,) = select(runs)
    assert found.trials == 3
    assert list(found.runs) == ["bad", "b", "c"]
    bad = found.runs["bad"]
    assert math.isnan(bad.dsr)
    assert math.isnan(bad.psr)
    assert note in bad.note
    assert np.isfinite(found.runs["b"].dsr)
    assert np.isfinite(found.pbo.pbo)
    if "vary" not in note:
        assert any("bad" in said and note in said for said in found.problems)
        assert found.pbo_runs == ("b", "c")
    else:
        assert found.effective == 3


def test_returns_of_two_values_have_moments_at_the_edge(tmp_path):
    returns = np.zeros(100)
    returns[3] = 0.01
    found = judged_selection(
        data="x",
        recorded=True,
        trials={"a": track(returns)},
        runs={"a": "a"},
        bars_per_year=252.0,
    )
    assert found.runs["a"].note == ""
    assert 0 < found.runs["a"].psr < 1


def test_calendars_that_differ(tmp_path):
    returns = {
        "long": run(tmp_path, "long", noise(120, 0)),
        "late": run(tmp_path, "late", noise(117, 1), start="2020-01-04"),
        "short": run(tmp_path, "short", noise(30, 2), start="2020-01-04"),
        "other": run(tmp_path, "other", noise(120, 3), start="2031-01-01"),
    }
    (found,) = select(returns)
    assert found.pbo_runs == ("long", "late")
    assert found.pbo_observations == 117
    assert (found.trials, found.effective) == (4, 4)
    assert any("calendar and left out: short, other" in said for said in found.problems)
    assert all(np.isfinite(luck.dsr) for luck in found.runs.values())


def test_too_few_observations_for_blocks(tmp_path):
    runs = {name: run(tmp_path, name, noise(10, n)) for n, name in enumerate("ab")}
    (found,) = select(runs)
    assert found.pbo is None
    assert any("10 observations cannot be cut" in said for said in found.problems)
    assert np.isfinite(found.runs["a"].dsr)


def test_without_a_ledger_runs_on_disk_are_counted_and_it_is_said(tmp_path):
    runs = {
        "a": run(tmp_path, "a", noise(100, 0), ledger=Path("../nowhere")),
        "b": run(tmp_path, "b", noise(100, 1), ledger=Path("../nowhere")),
    }
    (found,) = select(runs)
    assert (found.recorded, found.trials) == (False, 2)
    said = " ".join(found.problems)
    assert f"There is no trial ledger at {tmp_path / 'nowhere'}" in said
    assert "counted on disk, 2 runs" in said
    assert found.sentence() == "2 trials on disk, without a ledger, 2 of them different"
    record(Ledger(tmp_path / "ledger"), "c", noise(100, 3))
    (found,) = select(runs, ledger=tmp_path / "ledger")
    assert (found.recorded, found.trials) == (True, 3)
    assert any("2 runs are not in the ledger" in said for said in found.problems)


def test_runs_older_than_the_ledger_are_counted_by_their_bars(tmp_path):
    for name in "ab":
        run(tmp_path, name, noise(50, 1), prices="")
        manifest = {"status": "finished", "data": {"hashes": {"bars": name}}}
        (tmp_path / name / "manifest.json").write_text(json.dumps(manifest))
    found = select({name: tmp_path / name for name in "ab"})
    assert [one.trials for one in found] == [1, 1]
    assert [one.recorded for one in found] == [False, False]
    assert [one.bars_per_year for one in found] == [252.0, 252.0]


def test_runs_of_other_prices_are_another_selection(tmp_path):
    ledger = tmp_path / "ledger"
    for n, name in enumerate("abc"):
        prices = "b" * 64 if name == "c" else PRICES
        record(Ledger(ledger), name, noise(100, n), data=prices)
        run(tmp_path, name, noise(100, n), ledger=ledger, prices=prices)
    runs = {name: tmp_path / name for name in "cab"}
    runs["nothing read"] = run(tmp_path, "d", None, ledger=ledger, prices="", status="failed")
    first, second = select(runs)
    assert (first.members, first.trials) == (("c",), 1)
    assert (second.members, second.trials) == (("a", "b"), 2)


def test_a_damaged_ledger_is_named(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    runs = {}
    for n, name in enumerate("abc"):
        record(ledger, name, noise(100, n))
        runs[name] = run(tmp_path / "runs", name, noise(100, n), ledger=ledger.folder)
    whole = pq.read_table(ledger.folder / "a.parquet")
    better = pa.array([[0.5] * 100], type=whole.schema.field("returns").type)
    index = whole.schema.get_field_index("returns")
    changed = whole.set_column(index, whole.schema.field("returns"), better)
    pq.write_table(changed, ledger.folder / "a.parquet")
    (ledger.folder / "copy.parquet").write_bytes((ledger.folder / "b.parquet").read_bytes())
    (ledger.folder / "junk.parquet").write_text("junk")
    (found,) = select(runs)
    assert found.trials == 4  # junk may have been a trial
    said = " ".join(found.problems)
    for text in ("junk.parquet is damaged", "copy.parquet is a copy", "a.parquet is changed"):
        assert text in said
    # Its own returns are on disk still.
    assert found.runs["a"].sharpe == pytest.approx(
        noise(100, 0).mean() / noise(100, 0).std(ddof=1) * 252**0.5
    )


def test_a_copied_run_is_no_other_trial(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    runs = {}
    for n, name in enumerate("ab"):
        record(ledger, name, noise(100, n))
        runs[name] = run(tmp_path / "runs", name, noise(100, n), ledger=ledger.folder)
    runs["copy"] = tmp_path / "runs" / "copy"
    shutil.copytree(runs["a"], runs["copy"])
    (found,) = select(runs)
    assert (found.trials, found.members) == (2, ("a", "b", "copy"))
    assert found.runs["a"] == found.runs["copy"]
    assert found.pbo_runs == ("copy", "b")


def test_a_run_that_goes_on_is_no_problem(tmp_path):
    ledger = Ledger(tmp_path / "ledger")
    for n, name in enumerate("ab"):
        record(ledger, name, noise(100, n))
    path = run(tmp_path / "runs", "c", noise(100, 5))
    trial = OpenTrial(ledger, run=path, config={}, study="s", split="holdout")
    data = {"fingerprint": PRICES, "spec": {"bars_per_year": 252.0}}
    manifest = {"status": "finished", "trial": trial.begin(), "data": data}
    (path / "manifest.json").write_text(json.dumps(manifest))
    (found,) = select({"c": path})
    assert (found.trials, found.effective) == (3, 3)
    assert not any("ledger" in said for said in found.problems)
    trial.judged_on(PRICES, 252.0)
    trial.close()
    assert select({"c": path})[0].runs == found.runs


def test_strange_files_of_a_run_are_no_returns(tmp_path):
    path = run(tmp_path, "a", noise(50, 0))
    for content in ("[]", "{", '{"data": 3, "trial": []}'):
        (path / "manifest.json").write_text(content)
        (path / "returns.parquet").write_text("x")
        (found,) = select({"a": path})
        assert (found.trials, found.with_returns) == (1, 0)
        assert found.best is None
        assert math.isnan(found.minimum_backtest)
    pd.DataFrame({"x": [1]}).to_parquet(path / "returns.parquet")
    assert select({"a": path})[0].with_returns == 0
