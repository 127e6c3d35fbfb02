import json
import subprocess
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import torch

from regimecast.tracking import manifest
from regimecast.tracking.identity import code_files
from regimecast.training.threads import threads_set
from tests.conftest import REPOSITORY

GIT = ("commit", "diff", "untracked")


def test_the_environment_names_what_can_change_a_result():
    environment = manifest.environment()
    json.dumps(environment)
    packages = environment["packages"]
    assert {"torch", "regimecast", "hydra-core"} <= packages.keys()
    assert packages == {name: version(name) for name in packages}
    assert environment["threads"]["torch"] == torch.get_num_threads()
    assert environment["threads"]["blas"] >= 1
    assert environment["processor"]
    assert environment["instructions"]
    assert isinstance(environment["gpu"], list)


def test_only_variables_that_can_change_a_result_are_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    environment = manifest.environment()
    assert environment["variables"]["OMP_NUM_THREADS"] == "3"
    assert "secret" not in json.dumps(environment)


def test_to_ask_for_the_environment_changes_nothing():
    with threads_set(1):
        manifest.environment()
        assert torch.get_num_threads() == 1  # numba would set it to all cores when asked


def test_the_code_is_the_checkout_s_commit():
    version = manifest.code_version()
    head = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    if head.returncode:
        assert version["commit"] is None
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


def test_a_diff_is_of_code_and_config_and_has_a_limit(tmp_path: Path, monkeypatch):
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    for name in ("src/package/manifest.py", "conf/a.yaml", "notebooks/large.ipynb"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("before\n")
    git("init", "-q")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a")
    (tmp_path / "src/package/manifest.py").write_bytes(b"caf\xe9\n" + b"line\n" * 10)
    (tmp_path / "conf/a.yaml").write_text("after\n")
    (tmp_path / "notebooks/large.ipynb").write_text("elsewhere\n")
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "src/package/manifest.py"))
    whole = manifest.code_version()["diff"]
    assert "+after" in whole
    assert "+caf" in whole
    assert "elsewhere" not in whole
    monkeypatch.setattr(manifest, "_LONGEST_TEXTS", len(whole.encode()) - 1)
    *kept, last = manifest.code_version()["diff"].splitlines(keepends=True)
    left = whole.removeprefix("".join(kept)).encode()
    assert left
    assert last == f"[left out: {len(left)} bytes, sha256 {sha256(left).hexdigest()}]\n"


def test_a_package_outside_a_checkout_has_no_commit(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "manifest.py"))
    version = manifest.code_version()
    assert {name: version[name] for name in GIT} == dict.fromkeys(GIT)


def test_a_machine_without_git_has_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    version = manifest.code_version()
    assert {name: version[name] for name in GIT} == dict.fromkeys(GIT)


def test_files_of_the_code_are_known_without_git(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(manifest, "__file__", str(tmp_path / "manifest.py"))
    files = manifest.code_version()["files"]
    assert files["models/lstm.py"] == code_files()["models/lstm.py"][: len(files["models/lstm.py"])]
    assert "cli.py" not in files
