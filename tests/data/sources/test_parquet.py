"""Parquet files as pandas writes them, and the real ones."""

import time

import numpy as np
import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from regimecast.core.config import config_folder
from regimecast.core.errors import DataError
from regimecast.data.cleaning import CleaningSettings, clean
from regimecast.data.sources.base import SourceRegistry

SETTINGS = CleaningSettings(
    **yaml.safe_load((config_folder() / "cleaning" / "default.yaml").read_text())
)


def test_an_index_is_the_time(make_source, tmp_path):
    index = pd.date_range("2020-01-01", periods=3)
    for name in (None, "Date", "when"):
        pd.DataFrame({"close": [1.0, 2, 3]}, index=index.rename(name)).to_parquet(
            tmp_path / "a.parquet"
        )
        columns = {"time": "when"} if name == "when" else None
        raw = make_source("parquet", path=str(tmp_path / "a.parquet"), columns=columns).load()
        assert raw.frame["time"].tolist() == index.tolist()


def test_an_index_of_asset_and_time(make_source, tmp_path):
    index = pd.MultiIndex.from_product(
        [["x", "y"], pd.date_range("2020", periods=2)], names=["asset", "time"]
    )
    pd.DataFrame({"close": range(4)}, index=index).to_parquet(tmp_path / "a.parquet")
    raw = make_source("parquet", path=str(tmp_path / "a.parquet")).load()
    assert raw.frame["asset"].tolist() == ["x", "x", "y", "y"]


@pytest.mark.parametrize("asset", [["x", "y"], [1, 2], pd.Categorical(["x", "y"])])
def test_assets_of_any_kind_become_text(make_source, tmp_path, asset):
    time = pd.date_range("2020", periods=2)
    pd.DataFrame({"time": time, "asset": asset, "close": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    raw = make_source("parquet", path=str(tmp_path / "a.parquet")).load()
    assert raw.frame["asset"].tolist() == [str(name) for name in asset]


def test_prices_written_as_text_are_refused(make_source, tmp_path):
    frame = pd.DataFrame({"close": ["1.5", "2.5"]}, index=pd.date_range("2020", periods=2))
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet: column 'close' holds '1.5' at row 0"):
        make_source("parquet", path=str(tmp_path / "a.parquet")).load()


def test_other_files_are_refused(make_source, tmp_path):
    (tmp_path / "a.parquet").write_text("date,close\n")
    with pytest.raises(DataError, match=r"a\.parquet cannot be read as parquet"):
        make_source("parquet", path=str(tmp_path / "a.parquet")).load()


def test_the_index_file_loads_from_the_command_line_alone(shared_data):
    """What a user types, through Hydra."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = compose(
            overrides=[
                "+data=parquet",
                f"data.path={shared_data}/daily/spx_vix_1990_2023.parquet",
                "data.columns={vix: vix_close}",
                "data.asset=SPX",
            ]
        )
    params = OmegaConf.to_container(config.data, resolve=True)
    raw = SourceRegistry.create(params.pop("name"), **params).load()
    panel, report = clean(raw, settings=SETTINGS)
    assert panel.names == ("open", "high", "low", "close", "volume", "vix")
    assert panel.assets == ("SPX",)
    assert [c.lag for c in panel.columns] == [0, 0, 0, 0, 0, 1]
    assert panel.n_rows == 8564
    assert (str(panel.time[0])[:10], str(panel.time[-1])[:10]) == ("1990-01-02", "2023-12-28")
    assert np.isnan(panel.available("vix")[0])
    assert panel.available("vix")[1] == panel.actual("vix")[0] == 17.24
    assert report.count("gap") == report.count("off_calendar") == report.count("outside_range") == 0
    assert report.count("nan") == 4
    # 2020-03-16, minus 12 %: in the panel, and flagged
    row = np.flatnonzero(panel.time == np.datetime64("2020-03-16"))[0]
    assert panel.actual("close")[row] / panel.actual("close")[row - 1] < 0.89
    assert report.count("outlier") >= 1


@pytest.mark.parametrize(("end", "gaps", "extra"), [("2023-12-28", 4, 13), ("2026-07-23", 4, 33)])
def test_known_faults_of_the_vix_file(make_source, shared_data, end, gaps, extra):
    path = str(shared_data / "daily" / "vix_ohlc_1990_2026.parquet")
    columns = {name: f"vix_{name}" for name in ("open", "high", "low", "close")}
    raw = make_source("parquet", path=path, columns=columns, asset="VIX").load()
    inside = raw.frame["time"] <= end
    until = type(raw)(raw.frame[inside], raw.columns, raw.frequency, raw.calendar, raw.origin)
    panel, report = clean(until, settings=SETTINGS)
    assert report.count("gap") == gaps
    assert report.count("off_calendar") == extra
    assert report.count("outside_range") == 47
    assert report.count("high_below_low") == 0
    assert panel.n_rows == inside.sum()


def test_bitcoin_minutes(make_source, shared_data):
    path = str(shared_data / "crypto_1m" / "btcusdt_1m_2020H1.parquet")
    raw = make_source(
        "parquet", path=path, asset="BTC", frequency="1min", calendar="24/7", stamp="open"
    ).load()
    panel, report = clean(raw, settings=SETTINGS)
    assert panel.n_rows == 261_178
    assert str(panel.time[0]) == "2020-01-01T00:01:00.000000000"
    assert str(panel.time[-1]) == "2020-07-01T00:00:00.000000000"
    # 182 days of minutes less the rows that are there
    assert report.count("gap") == 182 * 1440 - 261_178
    assert report.count("off_calendar") == 0


def test_perpetuals_are_assets_by_file(make_source, shared_data):
    raw = make_source(
        "parquet",
        path=str(shared_data / "perps_1m" / "*.parquet"),
        frequency="1min",
        calendar="24/7",
    ).load()
    panel, report = clean(raw, settings=SETTINGS)
    assert panel.n_assets == 6
    assert panel.assets[0] == "btcusdt_perp_1m_2025-05"
    assert report.count("gap") == report.count("disorder") == 0
    assert panel.bars_per_year == pytest.approx(1440 * 365.25, rel=1e-3)


def test_three_million_rows_take_seconds(make_source, shared_data):
    path = str(shared_data / "panel" / "qstk_us_equities_2000_2012.parquet")
    start = time.perf_counter()
    raw = make_source(
        "parquet", path=path, columns={"asset": "ticker", "adj_close": "adj_close"}
    ).load()
    panel, report = clean(raw, settings=SETTINGS)
    seconds = time.perf_counter() - start
    assert panel.values.shape == (3_034_489, 6)
    assert panel.n_assets == 1017
    assert report.count("gap", "$SPX") == 0
    assert report.count("off_calendar") > 0
    assert seconds < 60, f"{seconds:.1f} s; about 5 s on an idle core"


def test_shapes_that_cannot_be_read_are_named(make_source, tmp_path):
    path = tmp_path / "a.parquet"
    index = pd.date_range("2020", periods=2)
    two_levels = pd.MultiIndex.from_tuples([("SPY", "Close"), ("SPY", "Open")])
    pd.DataFrame([[1.0, 2], [3, 4]], index=index, columns=two_levels).to_parquet(path)
    with pytest.raises(DataError, match="2 levels"):
        make_source("parquet", path=str(path)).load()
    pd.DataFrame({"close": [1.0, 2], "day": [1, 2]}, index=index.rename("day")).to_parquet(path)
    with pytest.raises(DataError, match=r"a\.parquet"):
        make_source("parquet", path=str(path)).load()
    pd.DataFrame({"close": [1.0, 2]}).to_parquet(path)
    with pytest.raises(DataError, match="no time"):
        make_source("parquet", path=str(path)).load()
