"""What single checks count, compare and leave alone."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regimecast.audit import market_checks
from regimecast.audit.interval_checks import IntervalCheck
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.market_checks import CacheCheck, CleaningCheck, FeatureCheck
from regimecast.audit.perturbation import Kind
from regimecast.audit.predictions import compare_forecasts
from regimecast.audit.subject import Subject
from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError, DataError, LeakageError
from regimecast.core.forecast import Forecast
from regimecast.core.types import ForecastKind
from regimecast.features.base import FeatureRegistry
from tests.audit.conftest import Plant
from tests.audit.test_planted_leaks import of_asset, with_family

Config = Callable[..., dict[str, Any]]
CUT = np.datetime64("2020-01-05", "ns")


@pytest.mark.parametrize(
    ("error", "refused"),
    [(DataError, True), (LeakageError, False), (ConfigError, False), (ValueError, False)],
)
def test_only_data_are_refused(error: type[Exception], refused: bool) -> None:
    ledger = Ledger("test")
    with ledger.attempt("part", CUT, Kind.NAN):
        raise error("no")
    assert ledger.checks()[0].failures[0].refused is refused


def test_a_nan_that_stays_one_is_no_value_that_was_compared() -> None:
    ledger = Ledger("test")
    column = np.array([np.nan, 1.0, np.nan])
    where = Where(("A",), np.zeros(3, dtype=np.int64), np.full(3, CUT), CUT, "noise")
    ledger.compare("part", "column", column, column.copy(), where)
    assert ledger.checks()[0].values == 1
    ledger.compare("empty", "column", column[[0, 2]], column[[0, 2]], where)
    assert ledger.checks()[1].status == "nothing compared"


def test_a_family_without_a_value_is_not_clean(config: Config, plant: Plant) -> None:
    name = plant(FeatureRegistry, of_asset(lambda c: c * np.nan, "close"))
    checks, notes = FeatureCheck().run(Subject.of(with_family(config, name), cuts=2, seed=0))
    status = {check.component: check.status for check in checks}
    assert status == {"features/momentum": "clean", f"features/{name}": "nothing compared"}
    assert [note.what for note in notes] == [f"features/{name}: planted"]


def test_cuts_come_after_the_longest_lookback(config: Config) -> None:
    values = config(["window.context_length=400", "split.purge=10"])
    subject = Subject.of(values, cuts=4, seed=0)
    assert min(subject.cuts) >= subject.bars.time[subject.market.has_window].min()


@pytest.mark.parametrize(
    ("column", "clean"),
    [
        (lambda c: c.shift(400), False),
        (lambda c: c.rolling(5).mean(), True),
        (lambda c: c.ewm(span=4, adjust=False).mean(), True),
    ],
)
def test_a_lookback_longer_than_declared_on_long_data(
    column: Callable[..., Any], clean: bool, plant: Plant
) -> None:
    """Ten bars are declared; prices of 12,000 bars spread far wider than one bar moves them."""
    name = plant(FeatureRegistry, of_asset(column, "close"))
    values = composed(
        ["data=synthetic", "data.bars=12000", "data.assets=2", "window.context_length=8",
         "features=[momentum]", "model=naive", "tracker=csv"]
    )  # fmt: skip
    values["features"][name] = {}
    checks, notes = IntervalCheck().run(Subject.of(values, cuts=3, seed=0))
    found = {finding.output for check in checks for finding in check.findings}
    assert found == (set() if clean else {"past/planted"})
    assert not any("planted" in note.why for note in notes)


def test_assets_that_later_bars_take_away(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = market_checks.clean

    def only_long(raw: Any, *, settings: Any) -> Any:
        panel, report = whole(raw, settings=settings)
        bars = np.diff(panel.offsets)
        kept = panel.assets if (bars > 755).all() else panel.assets[:1]
        return panel.select(kept), report

    subject = Subject.of(config(), cuts=2, seed=0)
    rows = subject.raw.frame
    fewer = rows[(rows["asset"] == "AAA") | (rows["time"] < subject.cuts[-1])]
    short = replace(subject, raw=replace(subject.raw, frame=fewer.reset_index(drop=True)))
    assert CleaningCheck().run(short)[0][0].ok
    monkeypatch.setattr(market_checks, "clean", only_long)
    [check] = CleaningCheck().run(subject)[0]
    assert {finding.output for finding in check.findings} == {"assets"}


def forecast_at(origins: np.ndarray) -> Forecast:
    n = len(origins)
    return Forecast(
        kind=ForecastKind.QUANTILES,
        values=np.zeros((n, 1, 1), dtype=np.float32),
        levels=(0.5,),
        asset=np.zeros(n, dtype=np.int64),
        assets=("A",),
        origin=origins,
    )


@pytest.mark.parametrize("kind", [Kind.NOISE, Kind.END])
def test_forecasts_that_are_gone_are_found_or_no_answer(kind: Kind) -> None:
    ledger = Ledger("test")
    origins = CUT - np.arange(3)[::-1].astype("timedelta64[D]")
    base, none = forecast_at(origins), forecast_at(origins[:0])
    compare_forecasts(ledger, "model/x", base, none, CUT, kind)
    checks = ledger.checks()
    if kind is Kind.END:
        assert not checks
    else:
        [finding] = checks[0].findings
        assert finding.detail == "3 of 3 origins have no forecast any more"


def test_made_up_bars_stay_out_of_the_folder_of_the_cache(config: Config, tmp_path: Path) -> None:
    values = config(["feature_cache=disk", f"feature_cache.folder={tmp_path}"])
    subject = Subject.of(values, cuts=1, seed=0)
    asked = subject.cached.statistics
    checks, _ = CacheCheck().run(subject)
    assert checks[0].ok
    assert checks[0].values > 0
    assert not list(tmp_path.rglob("*"))
    assert subject.cached.statistics == asked
