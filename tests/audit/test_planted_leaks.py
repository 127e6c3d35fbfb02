"""Leaks planted as tiny components: the audit finds each, and names component, row and cut.

The numbers are those of the list of 24 leaks that an audit of this project has to find; the rest
are in `test_planted_stages.py` and `test_model_leaks.py`. Some plants are milder than their names:

- 06 gives each day its own week's last close (pandas' label of the week's start, forward filled).
- 08 has two forms: a family that reads the late column past its declared lag, and a source that
  declares no lag for an index that is struck later. A same-day value under a false name and a true
  lag would not be seen.
- 11 gives every bar of a quarter the number that the quarter ends with, as a table of restated
  values does. A source that only holds restated values cannot be seen to; the report says so.
- 18 counts the bars an asset has left, computed from the panel. A source's own column of delisting
  dates, declared as known ahead, is not seen either, and the report names it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from regimecast.assembly import Assembly
from regimecast.audit.engine import audit
from regimecast.audit.market_checks import FeatureCheck
from regimecast.audit.perturbation import Kind
from regimecast.audit.source_checks import SourceCheck
from regimecast.audit.subject import Subject
from regimecast.data.panel import Panel
from regimecast.features.base import AssetFeatures, CrossAssetFeatures, Feature, FeatureRegistry
from tests.audit.conftest import Plant, assert_found, run

Config = Callable[..., dict[str, Any]]
Column = Callable[..., Any]


def of_asset(column: Column, *inputs: str) -> type[AssetFeatures]:
    """Family of one column of one asset's bars."""

    class Planted(AssetFeatures):
        def features(self) -> tuple[Feature, ...]:
            return (Feature("planted", 10, inputs, "any", "test"),)

        def compute(self, bars: Any) -> Any:
            frame = pd.DataFrame({name: bars[name] for name in inputs})
            values = np.asarray(column(*(frame[name] for name in inputs)), dtype=np.float64)
            return values.reshape(-1, 1)

    return Planted


def of_panel(column: Column, *inputs: str) -> type[CrossAssetFeatures]:
    """Family of one column of the long table of all assets."""

    class Planted(CrossAssetFeatures):
        def features(self) -> tuple[Feature, ...]:
            return (Feature("planted", 10, inputs, "any", "test"),)

        def compute(self, panel: Panel) -> Any:
            frame = pd.DataFrame({name: panel.actual(name) for name in panel.names})
            frame["time"], frame["asset"] = panel.time, panel.asset_of_row
            return np.asarray(column(frame), dtype=np.float64).reshape(-1, 1)

    return Planted


def ewma(close: pd.Series, seed: float) -> np.ndarray:
    values = np.empty(len(close))
    for t, now in enumerate(close):
        seed = 0.98 * seed + 0.02 * now
        values[t] = seed
    return values


def weekly(frame: pd.DataFrame, label: str) -> np.ndarray:
    parts = []
    for _, bars in frame.groupby("asset"):
        close = bars.set_index("time")["close"]
        week = close.resample("W", label=label).last()
        parts.append(week.reindex(close.index, method="ffill").to_numpy())
    return np.concatenate(parts)


def of_the_other(frame: pd.DataFrame, direction: str) -> np.ndarray:
    left, right = (frame[frame["asset"] == asset] for asset in (0, 1))
    parts = []
    for mine, other in ((left, right), (right, left)):
        joined = pd.merge_asof(
            mine[["time"]], other[["time", "close"]], on="time", direction=direction
        )
        parts.append(joined["close"].to_numpy())
    return np.concatenate(parts)


def of_quarter(frame: pd.DataFrame, word: str) -> pd.Series:
    quarter = frame["time"].dt.to_period("Q")
    return frame.groupby(["asset", quarter])["earnings"].transform(word)


def session_vwap(frame: pd.DataFrame, whole: bool) -> pd.Series:
    keys = [frame["asset"], frame["time"].dt.date]
    money, volume = frame["close"] * frame["volume"], frame["volume"]
    if whole:
        return money.groupby(keys).transform("sum") / volume.groupby(keys).transform("sum")
    return money.groupby(keys).cumsum() / volume.groupby(keys).cumsum()


def gradient(close: pd.Series) -> np.ndarray:
    return np.gradient(np.log(close)) if len(close) > 1 else np.full(len(close), np.nan)


def bins(volume: pd.Series) -> pd.Series:
    known = volume.dropna()
    return pd.Series(np.searchsorted(np.sort(known.quantile([0.25, 0.5, 0.75])), volume))


FEATURES = {
    "01 centred rolling": (
        of_asset(lambda c: c.rolling(11, center=True).mean(), "close"),
        of_asset(lambda c: c.rolling(11).apply(np.mean, raw=True), "close"),
    ),
    "02 bfill": (
        of_asset(lambda c: c.where(c.index % 5 == 0).bfill(), "close"),
        of_asset(lambda c: c.where(c.index % 5 == 0).ffill(), "close"),
    ),
    "06 resample(label='left')": (
        of_panel(lambda f: weekly(f, "left"), "close"),
        None,
    ),
    "07 join without as-of": (
        of_panel(lambda f: of_the_other(f, "forward"), "close"),
        of_panel(lambda f: of_the_other(f, "backward"), "close"),
    ),
    "08 same-day VIX": (
        of_panel(lambda f: f["vix"], "vix"),
        of_asset(lambda v: v, "vix"),
    ),
    "11 restated fundamentals": (
        of_panel(lambda f: of_quarter(f, "last"), "earnings"),
        of_panel(lambda f: of_quarter(f, "first"), "earnings"),
    ),
    "14 np.gradient": (
        of_asset(gradient, "close"),
        of_asset(lambda c: np.log(c).diff(), "close"),
    ),
    "15 EWMA seeded from the future": (
        of_asset(lambda c: ewma(c, float(c.mean())), "close"),
        of_asset(lambda c: ewma(c, float(c.iloc[0]) if len(c) else 0.0), "close"),
    ),
    "16 quantile bins of the full history": (
        of_asset(bins, "volume"),
        of_asset(lambda v: (v > v.expanding().median()).astype(float), "volume"),
    ),
    "18 calendar of future delistings": (
        of_asset(lambda c: len(c) - 1 - c.index + 0 * c, "close"),
        of_asset(lambda c: c.index + 0 * c, "close"),
    ),
}


BEHIND_FEATURES = {"windows", "scaler", "interval"}
"""What a feature flows into."""


def with_family(config: Config, name: str, **source: Any) -> dict[str, Any]:
    values = config(**source)
    return {**values, "features": {"momentum": values["features"]["momentum"], name: {}}}


@pytest.mark.parametrize("leak", FEATURES)
def test_feature(leak: str, config: Config, plant: Plant) -> None:
    report = run(with_family(config, plant(FeatureRegistry, FEATURES[leak][0])))
    assert_found(report, "features/planted_planted", {"planted"}, by={*Kind}, also=BEHIND_FEATURES)


@pytest.mark.parametrize("leak", [leak for leak, pair in FEATURES.items() if pair[1]])
def test_clean_twin_of_the_feature(leak: str, config: Config, plant: Plant) -> None:
    twin = FEATURES[leak][1]
    assert twin is not None
    values = with_family(config, plant(FeatureRegistry, twin))
    # Twins that never forget declare too short a lookback, which other checks would find.
    report = audit(values, cuts=3, seed=5, checks=(FeatureCheck(),))
    assert report.clean, (report.findings, report.failures)


@pytest.mark.parametrize("whole", [True, False])
def test_19_session_vwap(whole: bool, config: Config, plant: Plant) -> None:
    family = of_panel(lambda f: session_vwap(f, whole), "close", "volume")
    report = run(with_family(config, plant(FeatureRegistry, family), frequency="1h"))
    if whole:
        found = "features/planted_planted"
        assert_found(report, found, {"planted"}, by={*Kind}, also=BEHIND_FEATURES)
    else:
        assert not report.of("features/planted_planted"), report.findings


@pytest.mark.parametrize("lag", [0, 1])
def test_08_vix_declared_as_known_on_its_own_day(lag: int, config: Config) -> None:
    report = run(config(vix_lag=lag))
    if lag == 0:
        assert_found(report, "source/vix", {"lag"}, by={"declaration"})
    else:
        assert report.clean, (report.findings, report.failures)


def test_18_what_is_declared_as_known_ahead_is_named_as_not_audited(config: Config) -> None:
    report = run(config(delisting=True))
    assert "column 'delisting' after a cut" in {note.what for note in report.not_audited}
    assert report.clean, (report.findings, report.failures)


def test_static_columns_are_named_as_not_audited(config: Config) -> None:
    _, notes = SourceCheck().run(Subject.of(config(statics={"sector": 3.0}), cuts=1, seed=0))
    assert "static column 'sector'" in {note.what for note in notes}


def test_20_static_column_made_of_the_whole_history(config: Config) -> None:
    fine = config(statics={"sector": 3.0})
    assert audit(fine, cuts=1, seed=5, checks=(SourceCheck(),)).clean
    source = Assembly.from_config(fine, trains=False).source
    raw = source.load()
    mean = raw.frame.groupby("asset")["close"].transform(lambda c: np.log(c).diff().mean())
    planted = replace(raw, frame=raw.frame.assign(sector=mean))

    class Fixed(type(source)):  # type: ignore[misc]  # the class is only known at run time
        def __init__(self) -> None:
            pass

        def load(self) -> Any:
            return planted

    parts = replace(Assembly.from_config(fine, trains=False), source=Fixed())
    report = run(fine, parts=parts)
    assert_found(report, "source/sector", {"value"}, by={"declaration"})
