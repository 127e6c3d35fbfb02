"""That the benchmarks measure what they say; how fast they find it is no matter here."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from regimecast.bench import bars, features, incremental, labels, pandas_ta
from regimecast.bench.catalogue import BENCHES, run_bench
from regimecast.commands.bench import bench
from regimecast.core import terminal
from regimecast.core.errors import ConfigError
from regimecast.labels import average_true_range, cusum_events


@pytest.mark.parametrize("name", BENCHES)
def test_every_benchmark_has_a_module(name):
    assert callable(import_module(f"regimecast.bench.{name}").run)


def test_unknown_benchmarks_and_no_repetitions():
    with pytest.raises(ConfigError, match=r"'label' is not known.*mean 'labels'"):
        run_bench("label", repetitions=1, quick=True)
    with pytest.raises(ConfigError, match="repetitions=0"):
        run_bench("labels", repetitions=0, quick=True)


def test_labels(monkeypatch):
    monkeypatch.setattr(labels, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(labels, "FEW_BARS", 300)
    report = run_bench("labels", repetitions=1, quick=True)
    assert [ratio.target for ratio in report.ratios] == [
        "at least 300", "", "at most 2", "at most 2", "at most 1.5", "at least 8", "",
    ]  # fmt: skip
    assert "300 bars" in report.ratios[0].name


def test_plain_references():
    prices = bars.walk(500)
    lists = {name: values.tolist() for name, values in prices.items()}
    mine = average_true_range(prices["high"], prices["low"], prices["close"], window=14)
    np.testing.assert_allclose(labels.plain_average_true_range(**lists, window=14), mine)
    found = labels.plain_cusum(lists["close"], 1e-3)
    assert found == cusum_events(prices["close"], 1e-3).tolist()
    assert len(found) > 50


def test_ways_to_the_same_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(incremental, "DAY", 1_500)
    store = incremental._Store(tmp_path, 3_000, 60, 2)
    store.check()
    store.turn(1)
    store.check()
    assert len(incremental._read(tmp_path / "all.parquet")) == 3_000
    store.reset()
    incremental.update_and_read(tmp_path)
    plain = pd.read_parquet(tmp_path / "plain.parquet")
    plain.assign(ret=plain["ret"] + 1e-9).to_parquet(tmp_path / "plain.parquet")
    monkeypatch.setattr(incremental, "plain_relabel", lambda folder: None)
    with pytest.raises(AssertionError, match="ret"):
        store.check()


def test_common_columns_are_columns_of_ours():
    panel = bars.panel_of(300)
    values = {name: np.array(panel.available(name)) for name in panel.names}
    for columns in (pandas_ta.COLUMNS, pandas_ta.LOOPED):
        for family, wanted in features._chosen(columns):
            for column in family.columns(values, wanted):
                assert np.isfinite(column[-1])


def test_pandas_ta_computes_the_same():
    ta = pytest.importorskip("pandas_ta_classic", reason="pip install regimecast[bench]")
    panel = bars.panel_of(1_000)
    values = {name: np.array(panel.available(name)) for name in panel.names}
    calls = pandas_ta.reference(values)
    assert all(found is not None for call in calls.values() for found in call())
    ((family, wanted),) = features._chosen({"momentum": ("rsi_14", "williams_r_14")})
    close, high, low = (pd.Series(values[name]) for name in ("close", "high", "low"))
    mine = [column[500:] for column in family.columns(values, wanted)]
    theirs = [ta.rsi(close, length=14), ta.willr(high, low, close, length=14)]
    for ours, other in zip(mine, theirs, strict=True):
        assert np.corrcoef(ours, other[500:])[0, 1] > 0.999999


def test_updated_features(monkeypatch):
    monkeypatch.setattr(features, "LEAST_SECONDS", 0.0)
    assert features._update(600, 1).repetitions == 1


def test_the_command_writes_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(terminal, "configure_logging", lambda: None)  # its stream ends here
    monkeypatch.setattr(labels, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(labels, "FEW_BARS", 300)
    app = typer.Typer()
    app.command()(bench)
    arguments = ["labels", "--quick", "--repetitions", "1", "--output", str(tmp_path)]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False).output
    assert "at least 300" in shown
    assert "quick" in shown
    assert {path.name for path in tmp_path.iterdir()} == {"labels.md", "labels.json"}
