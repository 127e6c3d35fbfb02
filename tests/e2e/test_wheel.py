"""The wheel works without the checkout: it is built, installed elsewhere, and trains there."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.e2e.command import TINY, run_folders


def shell(*words: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "WANDB"))}
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shell(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ".",
        cwd=REPOSITORY,
    )  # fmt: skip
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of an environment with the wheel and this one's packages, not its checkout."""
    folder = tmp_path_factory.mktemp("environment")
    shell(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    interpreter = folder / "bin" / "python"
    (packages,) = folder.glob("lib/python*/site-packages")
    here = sysconfig.get_path("purelib")
    # A .pth file adds the folder of the packages without obeying the .pth files in it, and the one
    # of the editable install is such.
    (packages / "dependencies.pth").write_text(f"{here}\n")
    shell(
        sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index",
        "--disable-pip-version-check", "--target", packages, wheel, cwd=folder,
    )  # fmt: skip
    return interpreter


def test_the_wheel_carries_config_and_templates_and_nothing_else(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    config = {path.relative_to(REPOSITORY / "conf").as_posix() for path in
              (REPOSITORY / "conf").rglob("*.yaml")}  # fmt: skip
    inside = {n.removeprefix("regimecast/conf/") for n in names if n.startswith("regimecast/conf/")}
    assert inside == config
    assert "regimecast/py.typed" in names
    assert "hydra_plugins/regimecast/process_launcher.py" in names
    assert "hydra_plugins/__init__.py" not in names  # others have plugins in it too
    assert any(name.startswith("regimecast/report/templates/") for name in names)
    roots = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert roots == {"regimecast", "hydra_plugins"}
    assert not [name for name in names if name.endswith((".nbi", ".nbc", ".pyc"))]


@pytest.mark.slow
def test_it_trains_from_another_folder(python: Path, tmp_path: Path):
    where = shell(
        python, "-c", "import regimecast, hydra_plugins.regimecast.process_launcher as p;"
        "from regimecast.core.config import config_folder as c;"
        "print(regimecast.__file__, p.__file__, c(), sep='\\n')", cwd=tmp_path,
    )  # fmt: skip
    for line in where.splitlines():
        assert line.startswith(str(python.parents[1])), line
    out = shell(python, "-m", "regimecast", "train", "-m", *TINY, "model=naive", cwd=tmp_path)
    (run,) = run_folders(tmp_path / "runs" / "study")
    assert (run / "report.html").is_file()
    assert run.name in out
