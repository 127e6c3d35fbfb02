import json
import subprocess
from hashlib import sha256
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
        assert version == {"commit": None, "diff": None, "untracked": None}
    else:
        assert version["commit"] == head.stdout.strip()
        assert version["diff"] is not None
        assert version["untracked"] is not None


def test_new_files_of_code_and_config_are_kept(tmp_path: Path, monkeypatch):
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return sha256(content).hexdigest()

    git("init", "-q")
    write("src/package/manifest.py", b"known")
    write(".gitignore", b"*.log\n")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a")
    model = write("src/package/models/my model.py", b"class A: ...\n")
    config = write("conf/model/a.yaml", "name: ä\n".encode())
    large = write("src/large.py", b"#" * (2**16 + 1))
    binary = write("src/binary.so", b"\xff\xfe\x00")
    write("src/run.log", b"ignored")
    write("notes.txt", b"elsewhere")
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "src/package/manifest.py"))
    version = manifest.code_version()
    assert version["untracked"] == {
        "conf/model/a.yaml": {"sha256": config, "text": "name: ä\n"},
        "src/binary.so": {"sha256": binary, "text": None},
        "src/large.py": {"sha256": large, "text": None},
        "src/package/models/my model.py": {"sha256": model, "text": "class A: ...\n"},
    }
    monkeypatch.setattr(manifest, "_LONGEST_TEXTS", 12)
    texts = [file["text"] for file in manifest.code_version()["untracked"].values()]
    assert texts == ["name: ä\n", None, None, None]


def test_a_package_outside_a_checkout_has_no_commit(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "manifest.py"))
    assert manifest.code_version() == {"commit": None, "diff": None, "untracked": None}


def test_a_machine_without_git_has_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert manifest.code_version() == {"commit": None, "diff": None, "untracked": None}


def test_a_package_that_is_not_there_has_no_version():
    assert manifest._version("no-such-package-at-all") is None
