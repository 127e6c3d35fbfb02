"""What a report says of intervals, against counting."""

import json

import numpy as np
import pytest
from rich.console import Console

from regimecast.core.types import Regime
from regimecast.evaluation.conformal.base import Calibrated, ConformalRegistry
from regimecast.evaluation.conformal.coverage import coverage_section, coverage_table
from tests.evaluation.conformal.records import make_record, method, noisy


def test_coverage_and_width_of_every_part() -> None:
    past, now = noisy(0, 100), noisy(7, 120, start=1_000)
    regime = np.random.default_rng(0).integers(-1, 3, len(now)).astype(np.int8)
    object.__setattr__(now.outcomes, "regime", regime)
    rule = method("aci")
    found = rule.calibrated(past, now)
    section = coverage_section(rule, [found], now.outcomes)["conformal"]
    json.dumps(section, allow_nan=False)
    assert (section["method"], section["level"]) == ("aci", 0.9)
    for part, forecast in ((section, found.forecast), (section["uncalibrated"], found.before)):
        lower, upper = forecast.values[:, :, 0], forecast.values[:, :, 4]
        held = (lower <= now.outcomes.values) & (now.outcomes.values <= upper)
        for code, name in enumerate(("low_volatility", "normal", "high_volatility", "crash")):
            cells = now.outcomes.mask & (regime == code)[:, None]
            row = part["by_regime"][name]
            assert row["n"] == cells.sum()
            if row["n"]:
                assert row["coverage"] == pytest.approx(held[cells].mean())
                assert row["width"] == pytest.approx((upper - lower)[cells].mean())
            else:
                assert row["coverage"] is None
                assert row["width"] is None
        cells = now.outcomes.mask
        assert part["coverage"] == pytest.approx(held[cells].mean())
        assert [row["step"] for row in part["by_step"]] == [1, 2]
        assert part["by_step"][1]["coverage"] == pytest.approx(held[:, 1][cells[:, 1]].mean())
    assert section["coverage"] > section["uncalibrated"]["coverage"]
    console = Console(width=120, record=True)
    console.print(coverage_table(section))
    text = console.export_text()
    assert "90 % intervals, aci" in text
    assert "high_volatility" in text
    assert "crash" not in text
    assert f"{section['coverage']:.4g}" in text


def test_a_point_was_no_interval() -> None:
    rng = np.random.default_rng(0)
    past, now = (
        make_record(np.zeros((50, 1, 1)), rng.normal(size=(50, 1)), start=start)
        for start in (0, 1_000)
    )
    rule = method("split")
    folds, happened = [rule.calibrated(past, now)], now.outcomes
    section = coverage_section(rule, folds, happened)["conformal"]
    assert section["uncalibrated"] is None
    assert section["by_regime"][Regime.NORMAL.label]["n"] == 50
    console = Console(width=120, record=True)
    console.print(coverage_table(section))
    assert "uncalibrated" not in console.export_text()


def test_nothing_is_said_where_nothing_is_calibrated() -> None:
    now = noisy(7, 20)
    none = ConformalRegistry.create("none")
    folds = [Calibrated(now.forecast, now.forecast)]
    assert coverage_section(none, folds, now.outcomes) == {}
