"""What has to be known to run a job again: code, packages, hardware, threads."""

import os
import platform
import re
import site
import subprocess
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import scipy.linalg  # noqa: F401  # its linear algebra is then loaded, and listed, in every process
import torch
from threadpoolctl import threadpool_info

from regimecast.core.cores import usable_cores
from regimecast.core.hashing import hash_file
from regimecast.tracking.identity import code_files

__all__ = ["code_version", "environment"]

_VARIABLES = (
    "OMP_NUM_THREADS", "OMP_DYNAMIC", "OMP_SCHEDULE", "MKL_NUM_THREADS", "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "NUMBA_NUM_THREADS",
    "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES", "NUMBA_DISABLE_JIT", "ATEN_CPU_CAPABILITY",
    "CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "PYTHONHASHSEED",
)  # fmt: skip
"""Environment variables that can change a result."""
_CODE = ("src", "conf")
"""Folders of a checkout whose files decide a result."""
_LONGEST_TEXT, _LONGEST_TEXTS = 2**16, 2**20
"""Bytes of a new file, and of all of them or of a diff, that are kept word for word."""
_FIELD = re.compile(r"^(Name|Version): *(.*?)\s*$", flags=re.MULTILINE)
_SHORT = 16
"""Digits of a file's hash that tell it from its other versions."""


def environment() -> dict[str, Any]:
    """Python, packages, hardware, thread counts and switches of this process."""
    # Torch's own linear algebra is a part of torch.
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": usable_cores(),
        "blas": sorted({_library(pool) for pool in blas}),
        "gpu": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "cuda": torch.version.cuda,
        "threads": {
            "torch": torch.get_num_threads(),
            # Numba's kernels here are serial, and to ask it would start threads and change torch's.
            "blas": max((pool["num_threads"] for pool in blas), default=1),
        },
        "variables": {name: os.environ[name] for name in _VARIABLES if name in os.environ},
        "switches": {
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "matmul_precision": torch.get_float32_matmul_precision(),
        },
        "packages": dict(_packages()),
    }


def _library(pool: dict[str, Any]) -> str:
    parts = (pool.get(key) for key in ("internal_api", "version", "architecture"))
    return " ".join(str(part) for part in parts if part)


@cache
def _packages() -> dict[str, str]:
    """Version of every installed distribution, by name."""
    versions: dict[str, str] = {}
    # What is a part of a package, as some are of ray, is on the path too once that is used.
    own = {*site.getsitepackages(), site.getusersitepackages()}
    for installed in distributions(path=[path for path in sys.path if path in own]):
        text = installed.read_text("METADATA") or installed.read_text("PKG-INFO") or ""
        # Most of the text is the project's page, and parsing it takes ten times as long.
        said = dict(_FIELD.findall(text.partition("\n\n")[0]))
        # The first of a name is the one that is imported.
        versions.setdefault(said.get("Name", "?"), said.get("Version", "?"))
    return dict(sorted(versions.items()))


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def code_version() -> dict[str, Any]:
    """Commit of the checkout that this package runs from, its uncommitted diff and its new files.

    Both are of the folders of code and config. Of a long diff the end is left out, and its last
    line says how much. A new file, such as a model that git does not know yet, has its ``sha256``
    and, where short, its ``text``. All are None where the package is installed outside a checkout
    or git is missing;
    ``files``, the hashes of the package's own, are there in any case.
    """
    folder = Path(__file__).resolve().parent
    commit = _git(folder, "rev-parse", "HEAD")
    tracked = _git(folder, "ls-files", "--error-unmatch", str(Path(__file__).resolve()))
    root = _git(folder, "rev-parse", "--show-toplevel")
    if commit is None or tracked is None or root is None:
        return {"commit": None, "diff": None, "untracked": None, "files": _files()}
    top = Path(root.rstrip("\n"))
    return {
        "commit": commit.strip(),
        "diff": _diff(top),
        "untracked": _untracked(top),
        "files": _files(),
    }


@cache
def _files() -> dict[str, str]:
    """Start of the hash of every file of the package that decides a result, by path in it."""
    return {name: content[:_SHORT] for name, content in code_files().items()}


def _diff(root: Path) -> str | None:
    """Uncommitted changes below the folders of code and config."""
    text = _git(root, "diff", "HEAD", "--", *_CODE)
    if text is None or len(whole := text.encode()) <= _LONGEST_TEXTS:
        return text
    kept = whole[: whole.rfind(b"\n", 0, _LONGEST_TEXTS) + 1]
    left = whole[len(kept) :]
    return f"{kept.decode()}[left out: {len(left)} bytes, sha256 {sha256(left).hexdigest()}]\n"


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
            encoding="utf-8",
            errors="replace",  # a diff has the bytes of its files
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
