"""Pipelines that are killed or interrupted in stage 4, in processes of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from regimecast.stages.base import ordered
from tests.conftest import REPOSITORY

Hashes = Callable[[Path], dict[str, str]]
_LONG = 60.0
"""Seconds to wait for another process."""


class Command:
    """``regimecast pipeline`` with a target that waits for the gate to open."""

    def __init__(self, tmp_path: Path, bars: Path) -> None:
        self.gate = tmp_path / "gate"
        (tmp_path / "conf" / "target").mkdir(parents=True)
        (tmp_path / "conf" / "target" / "patient.yaml").write_text(
            f"name: patient\ngate: {self.gate}\n"
        )
        self.arguments = [
            sys.executable, "-c", "from tests.stages.patient import main; main()",
            "pipeline", "data=csv", f"data.path={bars}", "features=[momentum,calendar]",
            "target=patient", "window.context_length=16", f"--config-dir={tmp_path / 'conf'}",
        ]  # fmt: skip

    @contextmanager
    def begun(self, folder: Path) -> Iterator[subprocess.Popen[str]]:
        """A process, ended at the end whatever happens."""
        process = subprocess.Popen(
            [*self.arguments, f"--folder={folder}"],
            cwd=REPOSITORY,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def run(self, folder: Path) -> tuple[int, str]:
        """Exit code and output of a process that is let end by itself."""
        with self.begun(folder) as process:
            said, _ = process.communicate(timeout=_LONG)
            return process.returncode, said


@pytest.fixture
def command(tmp_path: Path, bars: Path) -> Command:
    return Command(tmp_path, bars)


def _wait_for_label(folder: Path) -> None:
    """Until stage 4 runs."""
    until = time.monotonic() + _LONG
    while time.monotonic() < until:
        if (folder / "manifest.json").exists():
            stages = json.loads((folder / "manifest.json").read_text())["stages"]
            if stages.get("label", {}).get("status") == "running":
                return
        time.sleep(0.02)
    pytest.fail("stage 4 was not reached")


def _undated(folder: Path) -> dict[str, object]:
    """The manifest without times."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for record in manifest["stages"].values():
        del record["seconds"], record["started"]
    return {key: value for key, value in manifest.items() if key != "updated"}


def test_killed_in_stage_4_and_resumed_to_the_same_hashes(
    command: Command, tmp_path: Path, hashes: Hashes
) -> None:
    assert ordered()[3] == "label"
    killed = tmp_path / "killed"
    with command.begun(killed) as process:
        _wait_for_label(killed)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(_LONG) == -signal.SIGKILL
    before = hashes(killed)
    assert {Path(name).parts[0] for name in before} == {"ingest", "clean", "features"}
    command.gate.touch()
    code, said = command.run(killed)
    assert code == 0, said
    lines = {line.split()[0]: line for line in said.splitlines() if line}
    for stage in ("ingest", "clean", "features"):
        assert "unchanged, skipped" in lines[stage]
    assert "label: running before, runs again" in said
    whole = tmp_path / "whole"
    code, said = command.run(whole)
    assert code == 0, said
    assert hashes(killed) == hashes(whole)
    assert before.items() <= hashes(killed).items()
    assert _undated(killed) == _undated(whole)
    assert not list(killed.glob(".*.unfinished"))


def test_ctrl_c_says_so_and_a_second_process_in_the_folder_is_refused(
    command: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "pipeline"
    with command.begun(folder) as process:
        _wait_for_label(folder)
        code, said = command.run(folder)
        assert code == 2
        assert f"another pipeline is at work in {folder}" in said
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=_LONG)
    assert process.returncode == 130
    assert "stage label interrupted; the same command goes on from there" in said
    assert "Traceback" not in said
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    assert manifest["stages"]["label"]["status"] == "interrupted"
