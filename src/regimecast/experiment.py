"""One experiment from config to report: the only place that knows every room.

result = run("model=nhits", "data=sp500")
result.metrics["forecast"]["test/pinball"]
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from regimecast.assembly import Assembly
from regimecast.core.compose import composed
from regimecast.core.config import study_folder
from regimecast.core.errors import ConfigError
from regimecast.core.files import check_writable_folder, out_of_space, write_text
from regimecast.core.hashing import hash_json
from regimecast.core.values import fitting
from regimecast.evaluation.run_parts import part_names
from regimecast.job import Job, RunResult
from regimecast.report.html import write_run_report
from regimecast.tracking.base import INTERRUPTED, Tracker
from regimecast.tracking.folder import RunFolder
from regimecast.tracking.ledger import Ledger
from regimecast.tracking.manifest import code_version, environment
from regimecast.tracking.open_trial import OpenTrial, record_ended
from regimecast.training.threads import threads_set

__all__ = ["RunResult", "compose", "deciding", "execute", "run"]

_log = logging.getLogger(__name__)

_NOT_IN_NAME = ("runs=", "ledger=", "study=", "tracker=", "tracker.", "hydra/", "hydra.")
"""Overrides that say where a run is kept, not what it is."""
_WHERE_KEPT = frozenset({"runs", "ledger", "study", "tracker"})
"""Keys of the config that say so."""


def compose(*overrides: str) -> dict[str, Any]:
    """Resolved config of the packaged defaults and these overrides, as plain values.

    Raises:
        ConfigError: an override does not parse or names something unknown, or a value that has no
            default is missing.
    """
    return composed(overrides)


def run(*overrides: str) -> RunResult:
    """One run in this process, the same as ``regimecast train OVERRIDES``."""
    return execute(compose(*overrides), overrides=overrides)


def execute(
    config: Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    number: int | None = None,
    distinct: Sequence[str] | None = None,
) -> RunResult:
    """One run of a resolved config, which the ledger counts as a trial however it ends.

    Args:
        config: plain values with the keys of ``conf/train.yaml``.
        overrides: what the user changed.
        number: number of the job in a sweep.
        distinct: those overrides that tell the jobs of a sweep apart, which name the job; all of
            them where left out.

    Raises:
        RegimecastError: config or data are not usable; nothing was trained.
        DiskFullError: there was no room for the run's files.
    """
    # What is wrong with a single run's config is said before it leaves a folder behind. A job of a
    # sweep leaves one in any case, so that the leaderboard lists it.
    parts = Assembly.from_config(config) if number is None else None
    ledger = _ledger(config)
    record_ended(ledger)
    study = study_folder(config)
    run_folder = RunFolder(study, job_name(overrides if distinct is None else distinct, number))
    trial = OpenTrial(
        ledger,
        run=run_folder.path,
        config=deciding(config),
        study=str(config["study"]),
        split="".join(part_names("split", {}, config)),
    )
    try:
        return _execute(config, overrides, parts, run_folder, trial)
    except BaseException as error:
        if not out_of_space(error):
            _report_of_failure(run_folder.path)
        raise
    finally:
        trial.close()


def _execute(
    config: Mapping[str, Any],
    overrides: Sequence[str],
    parts: Assembly | None,
    run_folder: RunFolder,
    trial: OpenTrial,
) -> RunResult:
    with run_folder as folder, threads_set(config.get("threads")):
        job = folder.path.name
        write_text(folder.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(config))))
        folder.update(
            job=job,
            study=str(config["study"]),
            trial=trial.begin(),
            overrides=list(overrides),
            config_sha256=hash_json(deciding(config)),
            seed=config["seed"],
            code=code_version(),
            environment=environment(),
        )
        parts = parts or Assembly.from_config(config)
        parts.tracker.start(study=str(config["study"]), job=job, config=config, folder=folder.path)
        try:
            result = Job(parts, folder, job, overrides, trial).run()
        except BaseException as error:
            _abandon(parts.tracker, error)
            raise
        parts.tracker.finish(0)
    return result


def job_name(overrides: Sequence[str], number: int | None) -> str:
    """Folder name of a job: its number in a sweep and what was changed, safe on any file system."""
    changes = [o for o in overrides if not o.lstrip("+~").startswith(_NOT_IN_NAME)]
    text = ",".join(changes) or "defaults"
    safe = "".join(c if c.isalnum() or c in "=,.-+" else "_" for c in text)[:80].strip("._")
    return safe if number is None else f"{number:03d}_{safe}"


def _report_of_failure(folder: Path) -> None:
    """A page that says what went wrong, so that a study's leaderboard can link to it."""
    try:
        write_run_report(folder)
    except Exception as error:  # noqa: BLE001  # the run's own error is the one to show
        _log.warning("no report of the failed run: %s", error)


def _abandon(tracker: Tracker, cause: BaseException) -> None:
    """Closes the tracker of a run that ended with an error."""
    full = out_of_space(cause)
    try:
        tracker.finish(1 if isinstance(cause, Exception) and not full else INTERRUPTED)
    except Exception as error:  # noqa: BLE001  # the run's own error is the one to show
        if not full:  # else it is the same error again
            _log.warning("tracker %s could not be closed: %s", tracker.name, error)


def _ledger(config: Mapping[str, Any]) -> Ledger:
    """Where the run is counted.

    Raises:
        ConfigError: nothing can be written there.
    """
    folder = fitting("ledger", config["ledger"], str)
    if not folder:
        raise ConfigError("ledger='' must name a folder: every run is counted as a trial")
    check_writable_folder(Path(folder), "ledger")
    return Ledger(Path(folder))


def deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result: where it is written and how it is tracked do not."""
    return {key: value for key, value in config.items() if key not in _WHERE_KEPT}
