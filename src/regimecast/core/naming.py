"""How a study is called that nobody has named."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from omegaconf import OmegaConf

from regimecast.core.hashing import hash_json

__all__ = ["CHANGES_NOTHING", "safe", "sweep_name", "sweep_named"]

_sweep: ContextVar[str | None] = ContextVar("sweep", default=None)
"""Name of the sweep that is composed; None for a run by itself."""

CHANGES_NOTHING = (
    "feature_cache", "window.num_workers", "window.mapped_folder", "window.placement",
    "callbacks.checkpoint.every_n_steps", "callbacks.progress",
)  # fmt: skip
"""Keys of a config that say by what way a run comes to its numbers, which are the same by any."""

_NOT_OF_A_SWEEP = (
    "runs=", "ledger=", "tracker=", "tracker.", "hydra/", "hydra.", "sweep.jobs=",
    "sweep.fail_fast=", "sweep.max_failures=", "sweep.time_limit=", "sweep.retries=",
    "sweep.retry_failed=", "sweep.trials=", "sweep.cpu=", "sweep.gpu=", "sweep.address=",
    "sweep.storage=", "sweep.remote=", *(f"{key}{end}" for key in CHANGES_NOTHING for end in "=."),
)  # fmt: skip
"""Overrides that say where or how fast a sweep is run, not what it is."""
_LONGEST = 48
_DIGITS = 8
"""Of the hash."""


@contextmanager
def sweep_named(overrides: Sequence[str]) -> Iterator[None]:
    """Block in which a config without a name for its study has that of a sweep.

    Args:
        overrides: of the command line, swept ones among them.
    """
    token = _sweep.set(sweep_name(overrides))
    try:
        yield
    finally:
        _sweep.reset(token)


def sweep_name(overrides: Sequence[str]) -> str:
    """The same name for the same overrides in any order, safe on any file system."""
    deciding = [o for o in overrides if not o.lstrip("+~").startswith(_NOT_OF_A_SWEEP)]
    digits = hash_json(sorted(deciding))[:_DIGITS]
    return f"{safe(','.join(deciding) or 'defaults', _LONGEST)}-{digits}"


def safe(text: str, longest: int) -> str:
    """A part of a file's name that reads like the text."""
    plain = "".join(c if c.isalnum() or c in "=,.-+" else "_" for c in text)
    return plain[:longest].strip("._")


def _study_name() -> str:
    return _sweep.get() or f"{datetime.now():%Y-%m-%d_%H-%M-%S}"  # the user's clock


OmegaConf.register_new_resolver("study_name", _study_name, use_cache=True)
