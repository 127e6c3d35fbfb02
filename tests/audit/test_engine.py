"""The audit as a whole: no false alarm, the same seed the same report, an honest table."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from regimecast.audit.engine import MARKET_CHECKS, audit
from regimecast.audit.findings import AuditReport, Check, Failure, Finding
from regimecast.audit.render import show
from regimecast.audit.split_checks import SplitCheck, first_meeting
from regimecast.audit.subject import Subject
from regimecast.core.compose import composed
from regimecast.core.errors import DataError

SYNTHETIC = (
    "data=synthetic", "data.assets=2", "data.bars=1300", "window.context_length=8", "model=naive",
    "tracker=csv",
)  # fmt: skip
VARIANTS = {
    "default": (),
    "classes": ("target=triple_barrier", "loss=cross_entropy", "strategy=class_probability"),
    "folds": (
        "split=walk_forward", "split.folds=2", "split.test=0.2", "split.validation=0.3",
        "weighting=[regime,recency,uniqueness]", "sampling=balanced",
    ),
    "purge in bars": ("split.purge=20", "split.embargo=5"),
}  # fmt: skip


def test_no_alarm_on_clean_parts_and_every_check_compares() -> None:
    for seed, (name, overrides) in enumerate(VARIANTS.items()):
        config = composed([*SYNTHETIC, f"data.seed={seed}", *overrides])
        report = audit(config, cuts=2, seed=seed)
        problems = [c.component for c in report.checks if not c.ok]
        assert report.clean, (name, problems, report.findings, report.failures)
        assert {check.name for check in report.checks} == {check.name for check in MARKET_CHECKS}


def test_the_seed_decides() -> None:
    config = composed(SYNTHETIC)
    first, again, other = (Subject.of(config, cuts=5, seed=seed) for seed in (1, 1, 2))
    assert first.cuts == again.cuts
    assert first.cuts != other.cuts
    assert len(first.cuts) == 5


def test_only_the_latest_bars() -> None:
    subject = Subject.of(composed(SYNTHETIC), cuts=2, seed=0, bars=1200)
    assert len(np.unique(subject.bars.time)) == 1200
    assert subject.bars.time.max() == subject.raw.frame["time"].max()
    with pytest.raises(DataError, match="at least 1"):
        Subject.of(composed(SYNTHETIC), cuts=2, seed=0, bars=0)


def test_half_of_the_cuts_are_where_an_asset_has_no_bar(
    config: Callable[..., dict[str, Any]],
) -> None:
    subject = Subject.of(config(), cuts=6, seed=0)
    times, present = np.unique(subject.bars.time, return_counts=True)
    uneven = times[present < subject.bars.n_assets]
    assert np.isin(subject.cuts, uneven).sum() == 3


def test_the_oracle_of_splits_is_the_definition() -> None:
    chance = np.random.default_rng(0)
    for _ in range(300):
        start, later = (chance.integers(0, 60, chance.integers(0, 8)) for _ in range(2))
        end, until = (s + chance.integers(0, 6, len(s)) for s in (start, later))
        met, pairs = first_meeting(start, end, later, until)
        naive = [
            (i, j)
            for i in range(len(start))
            for j in range(len(later))
            if start[i] <= until[j] and later[j] <= end[i]
        ]
        assert pairs == len(start) * len(later)
        assert met == (naive[0] if naive else None)


def test_a_split_without_later_bars_is_checked_alone() -> None:
    checks, notes = SplitCheck().run(Subject.of(composed(SYNTHETIC), cuts=1, seed=0))
    assert [check.component for check in checks] == ["split/holdout"]
    assert checks[0].ok
    assert not notes


def report_with(*findings: Finding, failures: tuple[Failure, ...] = ()) -> AuditReport:
    cut = np.datetime64("2020-01-02", "ns")
    check = Check("features", "features/x", ("noise",), 1, 10, 0.1, findings, failures)
    return AuditReport("made", 0, (cut,), (check,), (), 0.1)


def text_of(report: AuditReport) -> str:
    stream = StringIO()
    show(report, Console(file=stream, width=200, markup=False))
    return stream.getvalue()


def test_the_table_names_component_row_and_cut() -> None:
    time, cut = np.datetime64("2020-01-01", "ns"), np.datetime64("2020-01-02", "ns")
    finding = Finding("features/x", "x_5", "AAA", time, cut, "noise", "1 became 2", 3)
    report = report_with(finding)
    assert not report.clean
    text = text_of(report)
    for part in ("features/x", "x_5", "AAA 2020-01-01", "2020-01-02", "noise", "1 became 2"):
        assert part in text
    assert report.to_json()["checks"][0]["findings"][0]["time"] == "2020-01-01T00:00:00"


@pytest.mark.parametrize("refused", [True, False])
def test_refusals_are_shown_and_errors_fail(refused: bool) -> None:
    cut = np.datetime64("2020-01-02", "ns")
    report = report_with(failures=(Failure("features/x", "nan", cut, "ValueError: no", refused),))
    assert report.clean is refused
    text = text_of(report)
    assert "ValueError: no" in text
    assert ("ERROR" in text) is not refused


def test_what_compared_nothing_is_not_clean() -> None:
    assert not AuditReport("made", 0, (), (), (), 0.0).clean
    assert not Check("a", "b", (), 0, 0, 0.0).ok


def test_the_command(tmp_path: Path) -> None:
    import typer

    from regimecast.commands.audit import audit as command

    app = typer.Typer()
    app.command()(command)
    path = tmp_path / "report.json"
    arguments = [*SYNTHETIC, "--cuts", "1", "--bars", "1200", "--no-model", "--json", str(path)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "clean" in result.output
    assert "not audited" in result.output
    values = json.loads(path.read_text())
    assert values["clean"] is True
    assert len(values["cuts"]) == 1
