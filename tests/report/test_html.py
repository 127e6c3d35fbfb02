"""Pages say what the files say, escape what users named, and survive runs that did not end well."""

import json
import re
from pathlib import Path

import pytest

from regimecast.core.errors import DataError
from regimecast.report.html import run_figures, write_multirun_report, write_run_report
from regimecast.report.run_files import RunFiles
from regimecast.report.tables import folds_table
from tests.report.lifelike import MakeRun, write_failed_run
from tests.report.parsed import Parsed

EVIL = '</script><img src=x onerror="alert(1)">&{{7*7}}'


def test_a_run_page_holds_every_section(make_run: MakeRun) -> None:
    page = Parsed(write_run_report(make_run()))
    assert {"equity", "fan", "calibration", "steps", "regimes", "training"} <= page.ids()
    sections = {
        f"section-{name}" for name in ("money", "forecasts", "regimes", "training", "record")
    }
    assert sections <= page.ids()
    for text in (
        "finished",
        "gate failed",
        "model=nhits",
        "2004-01-05",
        "700 bars",
        "Sharpe ratio",
        "buy and hold",
        "naive rule",
        "MAE in crashes",
        "Break-even cost per side 3.40 bp",
        "The model cannot use 1 of the inputs: sector.",
        "Sharpe ratio is 0.61, not above 0.80",
        "123,456",
        "abc123",
        "layers: 2",
    ):
        assert page.says(text), text


@pytest.mark.parametrize("kind", ["quantiles", "probabilities", "positions"])
def test_pages_of_every_kind_are_self_contained(make_run: MakeRun, kind: str) -> None:
    path = write_run_report(make_run(kind=kind))
    page = Parsed(path)
    assert path.stat().st_size < 6_000_000
    for tag, attrs in page.elements:
        assert tag != "iframe"
        if tag == "a":
            assert (attrs["href"] or "").startswith("#")
        if tag in {"script", "img"}:
            assert "src" not in attrs
        if tag == "link":
            assert attrs["href"] == "data:,"
    policy = next(a["content"] for t, a in page.elements if "http-equiv" in a)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert path.read_text("utf-8").count('id="plotly-gzip"') == 1


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun) -> None:
    folder = make_run()
    first = write_run_report(folder).read_bytes()
    assert write_run_report(folder).read_bytes() == first


def test_names_and_messages_are_escaped(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(label=EVIL, overrides=(EVIL,), assets=(EVIL, "B"))
    (folder / "config.yaml").write_text(f"note: '{EVIL}'")
    failed = write_failed_run(tmp_path / "demo" / "failed", EVIL)
    paths = [
        write_run_report(folder),
        write_run_report(failed),
        write_multirun_report(tmp_path / "demo"),
    ]
    for path in paths:
        text = path.read_text("utf-8")
        assert "<img" not in text
        assert "&{{" not in text
        page = Parsed(path)
        nonces = {a.get("nonce") for t, a in page.elements if t == "script" and "type" not in a}
        assert len(nonces) == 1
        assert len(nonces.pop() or "") == 32
    assert EVIL in "".join(Parsed(paths[0]).text)


def test_figures_stay_json_inside_their_script(make_run: MakeRun) -> None:
    text = write_run_report(make_run(assets=(EVIL, "B"))).read_text("utf-8")
    found = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert len(found) == text.count('<figure class="chart"')
    assert any(trace.get("meta") == EVIL for one in found for trace in json.loads(one)["data"])


def test_a_failed_run_gets_a_page_that_says_so(tmp_path: Path) -> None:
    page = Parsed(write_run_report(write_failed_run(tmp_path / "demo" / "bad")))
    assert page.says("This run is not complete: failed")
    assert page.says("ConfigError: model.layers=-1")
    assert page.says("before the end")
    assert page.says("returns.parquet is missing.")
    assert page.says("nhits")  # from the config, as there are no metrics
    assert "figure" not in {tag for tag, _ in page.elements}


@pytest.mark.parametrize(
    "name",
    ["metrics.json", "manifest.json", "config.yaml", "returns.parquet", "predictions.parquet"],
)
@pytest.mark.parametrize("damage", ["missing", "garbage", "empty"])
def test_damaged_files_still_give_a_page(make_run: MakeRun, name: str, damage: str) -> None:
    folder = make_run(bars=60)
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"\x00\xff{[: garbage" if damage == "garbage" else b"")
    page = Parsed(write_run_report(folder))
    if not (name == "config.yaml" and damage == "empty"):
        assert page.says(name)


def test_strange_metrics_still_give_a_page(make_run: MakeRun) -> None:
    folder = make_run(bars=60)
    strange = {
        "forecast": [1],
        "trading": {"strategy": {"sharpe": None}},
        "folds": [{}],
        "gate": None,
    }
    (folder / "metrics.json").write_text(json.dumps(strange))
    assert Parsed(write_run_report(folder)).says("nhits")


def test_an_interrupted_run_says_so(make_run: MakeRun) -> None:
    page = Parsed(write_run_report(make_run(status="interrupted")))
    assert page.says("This run is not complete: interrupted")


def test_few_forecasts_are_named(make_run: MakeRun) -> None:
    folder = make_run()
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["forecast"] |= {
        "test/regime=crash/n": 12,
        "test/regime=crash/episodes": 1,
        "test/regime=recovery/n": 0,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    page = Parsed(write_run_report(folder))
    assert page.says("Too few forecasts to judge in: crash (12).")
    assert page.says("The test period holds no forecasts in: recovery.")
    warning = re.search(r"only one or two separate spells of: ([^.]*)\.", " ".join(page.text))
    assert warning is not None
    assert "crash" in warning.group(1)


def test_figures_by_name_for_notebooks(make_run: MakeRun) -> None:
    found = run_figures(make_run())
    assert {"equity", "fan", "calibration", "training"} <= set(found)
    assert found["equity"].layout.height > 0


def test_not_a_run_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run folder"):
        write_run_report(tmp_path)
    with pytest.raises(DataError, match="no run folders"):
        write_multirun_report(tmp_path)
    with pytest.raises(DataError, match="no run folders"):
        write_multirun_report(tmp_path / "nowhere")


def test_a_fast_dev_run_says_so(make_run: MakeRun) -> None:
    folder = make_run(bars=60)
    said = "This was a fast dev run (trainer.fast_dev_run, which debug=fast sets)"
    assert not Parsed(write_run_report(folder)).says(said)
    (folder / "config.yaml").write_text("trainer: {fast_dev_run: true}")
    assert Parsed(write_run_report(folder)).says(said)


def test_the_folds_tell_what_each_part_lost(make_run: MakeRun) -> None:
    folds = folds_table(RunFiles.read(make_run(bars=60), predictions=False))
    assert [(row["purged from training"], row["purged from validation"]) for row in folds] == [
        ("7", "5")
    ] * 3


def test_how_assets_that_disagree_are_counted_is_said(make_run: MakeRun) -> None:
    said = "for the most severe where as many are in another"
    assert not Parsed(write_run_report(make_run("one", bars=60))).says(said)
    assert Parsed(write_run_report(make_run("two", bars=60, assets=("A", "B")))).says(said)
