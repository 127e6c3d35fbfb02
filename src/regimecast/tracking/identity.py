"""What a job is: its config, its bars and the code. The same again is the same job."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from regimecast.core.hashing import hash_file, hash_json
from regimecast.core.naming import CHANGES_NOTHING

__all__ = ["changed_code", "code_files", "code_hash", "deciding", "described", "job_identity"]

_WHERE_KEPT = frozenset({"runs", "ledger", "study", "tracker"})
"""Keys of a config that say where a run is kept, not what it is."""

_SHOWING = (
    "__main__.py",
    "audit",
    "bench",
    "cli.py",
    "commands",
    "data_changes.py",
    "explain.py",
    "ledger_view.py",
    "reload.py",
    "report",
    "rerun.py",
    "run_diff.py",
    "search",
    "stages",
    "summary.py",
    "sweep",
    "tracking",
)
"""Rooms of the package that start, record or show runs; no number of a run comes from there."""


def job_identity(config: Mapping[str, Any], bars_hash: str) -> str:
    """SHA-256 of what decides a job's result; equal for jobs that need not both be run.

    Args:
        config: resolved, plain values.
        bars_hash: content hash of the bars as the source gives them, see `Panel.content_hash`.
    """
    # Hydra leaves out a group of which none is chosen.
    return hash_json([{"features": {}, **deciding(config)}, bars_hash, code_hash()])


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result: where it is kept does not, nor does by what way it is reached."""
    return _less(described(config))


def described(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a config says of a run, whether it decides the result or not, less where it is kept."""
    return {key: value for key, value in config.items() if key not in _WHERE_KEPT}


def _less(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values without those that change nothing."""
    return {
        key: _less(value, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in config.items()
        if f"{prefix}{key}" not in CHANGES_NOTHING
    }


def code_hash() -> str:
    """SHA-256 of the package's Python files that decide a result, as `code_files` has them.

    Files of config are none of them: a job's config is resolved and holds what they say.
    """
    return hash_json([[name, content] for name, content in code_files().items()])


@cache
def code_files() -> dict[str, str]:
    """SHA-256 of each of those files, by its path in the package, as this process found them.

    What is edited later does not count: `regimecast.experiment` asks when it is imported, and
    processes that are forked from this one know the answer.
    """
    return _files()


def changed_code() -> list[str]:
    """Files that are not as they were found: what is imported from now on is of other code."""
    before, now = code_files(), _files()
    return [name for name in {**before, **now} if before.get(name) != now.get(name)]


def _files() -> dict[str, str]:
    package = Path(__file__).resolve().parents[1]
    names = sorted(
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if path.relative_to(package).parts[0] not in _SHOWING
    )
    return {name: hash_file(package / name) for name in names}
