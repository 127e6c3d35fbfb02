import json
import subprocess
from pathlib import Path

from regimecast.tracking import manifest
from tests.conftest import REPOSITORY


def test_the_environment_names_what_can_change_a_result():
    environment = manifest.environment()
    json.dumps(environment)
    assert environment["packages"]["torch"].startswith("2.")
    assert environment["packages"]["regimecast"]
    assert len(environment["packages_sha256"]) == 64
    assert environment["threads"] >= 1
    assert environment["processor"]
    assert isinstance(environment["gpu"], list)


def test_the_code_is_the_checkout_s_commit():
    version = manifest.code_version()
    head = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    if head.returncode:
        assert version == {"commit": None, "diff": None}
    else:
        assert version["commit"] == head.stdout.strip()
        assert version["diff"] is not None


def test_a_package_outside_a_checkout_has_no_commit(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "manifest.py"))
    assert manifest.code_version() == {"commit": None, "diff": None}


def test_a_machine_without_git_has_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert manifest.code_version() == {"commit": None, "diff": None}


def test_a_package_that_is_not_there_has_no_version():
    assert manifest._version("no-such-package-at-all") is None
