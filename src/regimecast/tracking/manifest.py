"""What has to be known to run a job again: code, packages, hardware, threads."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

import torch

from regimecast.core.cores import usable_cores
from regimecast.core.hashing import hash_file, hash_json

__all__ = ["code_version", "environment"]

_NAMED_PACKAGES = (
    "regimecast", "torch", "lightning", "neuralforecast", "hydra-core", "numpy", "pandas",
    "pyarrow", "numba", "TA-Lib", "scikit-learn", "scipy", "statsmodels", "xgboost", "lightgbm",
    "catboost",
)  # fmt: skip
"""Packages whose version can change a result; shown by name, the rest go into one hash."""
_CODE = ("src", "conf")
"""Folders of a checkout whose files decide a result."""
_LONGEST_TEXT, _LONGEST_TEXTS = 2**16, 2**20
"""Bytes of a new file, and of all of them, that are kept word for word."""


def environment() -> dict[str, Any]:
    """Python, packages, hardware and thread counts of this process."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": usable_cores(),
        "threads": torch.get_num_threads(),
        "gpu": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "packages": {name: _version(name) for name in _NAMED_PACKAGES},
        "packages_sha256": _all_packages(),
    }


@cache
def _all_packages() -> str:
    return hash_json(sorted(f"{d.metadata['Name']}=={d.version}" for d in distributions()))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def code_version() -> dict[str, Any]:
    """Commit of the checkout that this package runs from, its uncommitted diff and its new files.

    A new file, such as a model that git does not know yet, has its ``sha256`` and, where short, its
    ``text``. All are None where the package is installed outside a checkout or git is missing.
    """
    folder = Path(__file__).resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    tracked = _git(folder, "ls-files", "--error-unmatch", str(Path(__file__).resolve()))
    root = _git(folder, "rev-parse", "--show-toplevel")
    if commit is None or tracked is None or root is None:
        return {"commit": None, "diff": None, "untracked": None}
    return {
        "commit": commit.strip(),
        "diff": _git(folder, "diff", "HEAD"),
        "untracked": _untracked(Path(root.rstrip("\n"))),
    }


def _untracked(root: Path) -> dict[str, dict[str, str | None]] | None:
    """Files below the folders of code and config that git neither knows nor ignores, by path."""
    names = _git(root, "ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE)
    if names is None:
        return None
    files: dict[str, dict[str, str | None]] = {}
    room = _LONGEST_TEXTS
    for name in names.split("\0"):
        path = root / name
        if not name or not path.is_file():
            continue
        size = path.stat().st_size
        text = _text(path) if size <= min(_LONGEST_TEXT, room) else None
        room -= 0 if text is None else size
        files[name] = {"sha256": hash_file(path), "text": text}
    return files


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  # fixed command, no shell
            ["git", "-C", str(folder), *arguments],  # noqa: S607  # the user's own git
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
