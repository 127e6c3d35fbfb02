"""The benchmark of boosters compares two ways to the same forecasts."""

from pathlib import Path

import pytest

from regimecast.bench import boosters
from regimecast.bench.boosters import _OURS, _PLAIN, FEW_ASSETS, FEW_BARS, PLAIN, _Contest
from regimecast.bench.fold import Workbench


@pytest.fixture(scope="module")
def bench():
    return Workbench.of(FEW_BARS, *boosters._FOLD, assets=FEW_ASSETS)


@pytest.mark.parametrize("name", PLAIN)
def test_both_ways_forecast_the_same(name, bench, monkeypatch):
    contest = _Contest.of(name, bench)
    contest.check()
    plain = PLAIN[name]
    other = {name: lambda rows, model, levels: plain(rows, {**model, "rounds": 2}, levels)}
    monkeypatch.setattr(boosters, "PLAIN", other)
    with pytest.raises(AssertionError, match=f"{name}: losses"):
        contest.check()


def test_every_library_has_its_time_and_its_memory(monkeypatch):
    asked = []

    def found(function, name, way, assets, bars):
        asked.append((name, way))
        return 2 if way == _PLAIN else 1

    monkeypatch.setattr(boosters, "in_new_process", found)
    report = boosters.run(repetitions=1, quick=True)
    assert [ratio.name for ratio in report.ratios] == [
        f"{title}: {what} of a fit"
        for what in ("time", "memory")
        for title in ("LightGBM", "XGBoost", "CatBoost")
    ]
    assert [ratio.value for ratio in report.ratios[3:]] == [2.0, 2.0, 2.0]
    assert asked == [(name, way) for name in PLAIN for way in (_OURS, _PLAIN)]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_fit_takes_memory():
    rows = 4 * 4_000 * 0.5
    assert boosters.memory_of("lightgbm", _PLAIN, 4, 4_000) > 4 * 50 * rows
