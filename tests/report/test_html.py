"""Pages say what the files say, escape what users named, and survive runs that did not end well."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from regimecast.core.errors import DataError
from regimecast.report.html import run_figures, write_multirun_report, write_run_report
from regimecast.report.run_files import RunFiles
from regimecast.report.tables import folds_table
from tests.report.lifelike import MakeRun, write_failed_run

EVIL = '</script><img src=x onerror="alert(1)">&{{7*7}}'


class _Page(HTMLParser):
    """Elements and visible text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._skip = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._skip = tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.text.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._skip = False

    def says(self, text: str) -> bool:
        return text in " ".join(" ".join(self.text).split())

    def ids(self) -> set[str]:
        return {attrs["id"] or "" for _, attrs in self.elements if "id" in attrs}


def test_a_run_page_holds_every_section(make_run: MakeRun) -> None:
    page = _Page(write_run_report(make_run()))
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
        "sharpe is 0.61, the rule is above 0.8",
        "123,456",
        "abc123",
        "layers: 2",
    ):
        assert page.says(text), text


@pytest.mark.parametrize("kind", ["quantiles", "probabilities", "positions"])
def test_pages_of_every_kind_are_self_contained(make_run: MakeRun, kind: str) -> None:
    path = write_run_report(make_run(kind=kind))
    page = _Page(path)
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
        page = _Page(path)
        nonces = {a.get("nonce") for t, a in page.elements if t == "script" and "type" not in a}
        assert len(nonces) == 1
        assert len(nonces.pop() or "") == 32
    assert EVIL in "".join(_Page(paths[0]).text)


def test_figures_stay_json_inside_their_script(make_run: MakeRun) -> None:
    text = write_run_report(make_run(assets=(EVIL, "B"))).read_text("utf-8")
    found = re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL)
    assert len(found) == text.count('<figure class="chart"')
    assert any(trace.get("meta") == EVIL for one in found for trace in json.loads(one)["data"])


def test_a_failed_run_gets_a_page_that_says_so(tmp_path: Path) -> None:
    page = _Page(write_run_report(write_failed_run(tmp_path / "demo" / "bad")))
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
    page = _Page(write_run_report(folder))
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
    assert _Page(write_run_report(folder)).says("nhits")


def test_an_interrupted_run_says_so(make_run: MakeRun) -> None:
    page = _Page(write_run_report(make_run(status="interrupted")))
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
    page = _Page(write_run_report(folder))
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


def test_a_leaderboard_lists_every_run_best_first(make_run: MakeRun, tmp_path: Path) -> None:
    write_run_report(make_run("model=lstm,seed=1", seed=1, skill=0.0))
    make_run("model=tft", seed=2, skill=0.3)
    write_failed_run(tmp_path / "demo" / "bad")
    page = _Page(write_multirun_report(tmp_path / "demo"))
    order = [a["data-value"] for t, a in page.elements if t == "th" and "data-value" in a]
    assert order[:3] == ["model=tft", "model=lstm,seed=1", "bad"]
    links = [a["href"] for t, a in page.elements if t == "a"]
    assert links == ["model%3Dlstm%2Cseed%3D1/report.html"]  # only where there is a report
    assert page.says("Sharpe ratio of 3 trials")
    assert page.says("best of 3 trials (2 with a result)")
    assert page.says("1 failed")
    assert page.says("ConfigError: model.layers=-1")
    assert sum(tag == "polyline" for tag, _ in page.elements) == 2


def _configure(folder: Path, horizon: int, crps: float) -> None:
    """Gives a run data and a target, and an error."""
    text = f"data: {{name: sp500}}\ntarget: {{name: forward_return, horizon: {horizon}}}\n"
    (folder / "config.yaml").write_text(text)
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["forecast"] |= {"test/crps": crps, "test/regime=normal/crps": crps}
    (folder / "metrics.json").write_text(json.dumps(metrics))


def test_runs_of_other_targets_are_not_ranked_together(make_run: MakeRun, tmp_path: Path) -> None:
    for name, horizon, crps in (("a", 5, 3.0), ("b", 1, 1.0), ("c", 5, 2.0), ("d", 1, 1.5)):
        _configure(make_run(name, bars=60), horizon, crps)
    path = write_multirun_report(tmp_path / "demo")
    page = _Page(path)
    order = [a["data-value"] for t, a in page.elements if t == "th" and "data-value" in a]
    assert order[:4] == ["b", "d", "c", "a"]
    assert page.says("forward_return(horizon=5)")
    assert page.says("sp500")
    assert page.says("cannot be ranked")
    assert not any("aria-sort" in a for _, a in page.elements)
    heats = re.findall(r'--heat: ([\d.]+)">([\d.]+)<', path.read_text("utf-8"))
    assert [shade for shade, value in heats[::2]] == ["0.00", "1.00", "0.00", "1.00"]


def test_runs_of_one_target_are_ranked(make_run: MakeRun, tmp_path: Path) -> None:
    for name, crps in (("a", 3.0), ("b", 1.0)):
        _configure(make_run(name, bars=60), 5, crps)
    page = _Page(write_multirun_report(tmp_path / "demo"))
    assert {a.get("aria-sort") for t, a in page.elements if t == "th"} == {None, "ascending"}
    assert not page.says("cannot be ranked")
    assert page.says("target, in every run")
    assert not page.says("status")  # the badge above says that both are finished


def test_the_overlay_says_which_runs_it_shows(make_run: MakeRun, tmp_path: Path) -> None:
    for number in range(11):
        _configure(make_run(f"{number:02}", bars=30), 5, 1.0 - number / 100)
    page = _Page(write_multirun_report(tmp_path / "demo"))
    assert page.says("the first 10 of 11 runs in the leaderboard's order")


def test_studies_below_a_folder_are_told_apart(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("same", study="one", bars=60)
    make_run("same", study="two", bars=60)
    page = _Page(write_multirun_report(tmp_path))
    rows = {a["data-value"] for t, a in page.elements if t == "th" and "data-value" in a}
    assert rows == {"one/same", "two/same"}


def test_copies_that_a_tracker_keeps_are_no_runs(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run(bars=60)
    copies = folder / "wandb" / "offline-run-1" / "files"
    copies.mkdir(parents=True)
    shutil.copy(folder / "metrics.json", copies)
    assert _Page(write_multirun_report(tmp_path / "demo")).says("best of 1 trial:")


def test_a_study_in_which_everything_failed(tmp_path: Path) -> None:
    write_failed_run(tmp_path / "demo" / "bad")
    page = _Page(write_multirun_report(tmp_path / "demo"))
    assert page.says("1 failed")
    assert "figure" not in {tag for tag, _ in page.elements}


def test_a_fast_dev_run_says_so(make_run: MakeRun) -> None:
    folder = make_run(bars=60)
    said = "This was a fast dev run (trainer.fast_dev_run, which debug=fast sets)"
    assert not _Page(write_run_report(folder)).says(said)
    (folder / "config.yaml").write_text("trainer: {fast_dev_run: true}")
    assert _Page(write_run_report(folder)).says(said)


def test_the_folds_tell_what_each_part_lost(make_run: MakeRun) -> None:
    folds = folds_table(RunFiles.read(make_run(bars=60), predictions=False))
    assert [(row["purged from training"], row["purged from validation"]) for row in folds] == [
        ("7", "5")
    ] * 3


def test_how_assets_that_disagree_are_counted_is_said(make_run: MakeRun) -> None:
    said = "for the most severe where as many are in another"
    assert not _Page(write_run_report(make_run("one", bars=60))).says(said)
    assert _Page(write_run_report(make_run("two", bars=60, assets=("A", "B")))).says(said)


def test_a_study_over_sampling_and_seeds_tells_them_apart(
    make_run: MakeRun, tmp_path: Path
) -> None:
    for seed in (0, 1):
        config = make_run(f"job{seed}", bars=60) / "config.yaml"
        config.write_text(f"model: {{name: nhits}}\nseed: {seed}\nsampling: {{name: natural}}")
    page = _Page(write_multirun_report(tmp_path / "demo"))
    assert page.says("sampling, in every run")
    assert not page.says("seed, in every run")
