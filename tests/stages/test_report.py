"""The page about a pipeline, and what the terminal says of it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from regimecast.cli import app
from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError
from regimecast.core.terminal import console
from regimecast.stages.report import size
from regimecast.stages.runner import Progress, run_pipeline
from regimecast.stages.table import artifact_table, stage_line
from tests.stages.conftest import SMALL, Config


class _Page(HTMLParser):
    """Links, targets of links, and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.text: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and given["href"]:
            self.links.append(given["href"])
        if given.get("id"):
            self.places.add(str(given["id"]))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_every_link_of_the_page_leads_somewhere(config: Config, tmp_path: Path) -> None:
    manifest = run_pipeline(config, tmp_path / "p")
    page = _Page(tmp_path / "p" / "report" / "report.html")
    assert "../features/features.parquet" in page.links
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.places
        else:
            assert (tmp_path / "p" / "report" / link).is_file(), link
    text = " ".join(page.text)
    for stage, record in manifest.stages.items():
        if stage != "report":
            assert record.said in text
            assert all(sha256 in text for sha256 in record.hashes.values())
    assert text.count(" holds ") >= 8
    assert not re.search(r"\b\d+\.\d s\b", text)  # nothing that another run would say differently


@pytest.mark.parametrize("target", ["triple_barrier", "forward_return"])
def test_names_of_users_are_text(
    target: str,
    config: Config,
    bars: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "<b>&amp;[red]"
    table = pd.read_csv(bars)
    table["asset"] = table["asset"].replace("AAA", name)
    table.to_csv(bars, index=False)
    if target == "forward_return":
        config["target"] = composed(["target=forward_return"])["target"]
    config["search"] = None
    seen: list[Progress] = []
    manifest = run_pipeline(config, tmp_path / "p", tell=seen.append)
    page = (tmp_path / "p" / "report" / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in page
    assert name in "".join(_Page(tmp_path / "p" / "report" / "report.html").text)
    for progress in seen:
        console().print(stage_line(progress))
    console().print(artifact_table(manifest))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:9]] == [progress.stage for progress in seen]
    assert any(line.startswith("features/features.parquet") for line in lines)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (2_500_000, "2.5 MB"),
        (10**13, "10000.0 GB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


def test_the_command_runs_skips_and_says_where(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["pipeline", *SMALL, f"data.path={bars}", "search=null"]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    assert "report: pipelines/csv/report/report.html" in first.output
    assert "nothing to search: search=null" in first.output
    again = CliRunner().invoke(app, [*arguments, "--until", "label"])
    assert again.output.count("unchanged, skipped") == 4
    run_id = re.findall(r"run id (\w{16}), finished", first.output + again.output)
    assert len(run_id) == 2
    assert run_id[0] == run_id[1]
    changed = CliRunner().invoke(app, [*arguments, "target.horizon=5", "--until", "label"])
    assert "no longer up to date: " in changed.output
    assert "report:" not in changed.output


@pytest.mark.parametrize("folder", ["file", "/proc/none"])
def test_a_folder_that_cannot_be_written_is_said(
    config: Config, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=f"--folder .*{folder} cannot be written to"):
        run_pipeline(config, tmp_path / folder)
