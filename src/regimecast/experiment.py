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
from regimecast.core.naming import safe
from regimecast.core.values import fitting
from regimecast.evaluation.run_parts import part_names
from regimecast.job import Job, RunResult
from regimecast.report.html import write_run_report
from regimecast.same_job import check_same_job
from regimecast.tracking.base import INTERRUPTED, Tracker
from regimecast.tracking.folder import RunFolder
from regimecast.tracking.identity import code_files, described
from regimecast.tracking.ledger import Ledger
from regimecast.tracking.manifest import code_version, environment
from regimecast.tracking.open_trial import OpenTrial, new_trial, record_ended
from regimecast.tracking.repeated_trial import Repeat, RepeatedTrial, is_repeated
from regimecast.tracking.verification import causes
from regimecast.training.threads import threads_set
from regimecast.training.watch import Watch

__all__ = ["RunResult", "compose", "execute", "run"]

_log = logging.getLogger(__name__)

code_files()  # what runs is what is imported now, whatever is edited in the hours of a sweep

_NOT_IN_NAME = (
    "runs=", "ledger=", "study=", "tracker=", "tracker.", "hydra/", "hydra.", "sweep=", "sweep.",
)  # fmt: skip
"""Overrides that say where a run is kept, or how it is swept, not what it is."""
_LONGEST_NAME = 80


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
    watch: Watch | None = None,
    resume: Path | None = None,
    identity: str | None = None,
    repeat: Repeat | None = None,
) -> RunResult:
    """One run of a resolved config, which the ledger counts as a trial however it ends.

    Args:
        config: plain values with the keys of ``conf/train.yaml``.
        overrides: what the user changed.
        number: number of the job in a sweep.
        distinct: those overrides that tell the jobs of a sweep apart, which name the job; all of
            them where left out.
        watch: is told of every step, and may end the run early.
        resume: run folder of an interrupted run of the same config, which goes on there.
        identity: of the job, where it is known before the bars are read; see `job_identity`.
        repeat: which run this one repeats, if any.

    Raises:
        BusyError: another process works on the run that is to go on.
        ConfigError: that run was begun with another config, or by other code.
        Pruned: the watch has ended it.
        RegimecastError: config or data are not usable; nothing was trained.
        DiskFullError: there was no room for the run's files.
    """
    # What is wrong with a single run's config is said before it leaves a folder behind. A job of a
    # sweep leaves one in any case, so that the leaderboard lists it.
    parts = Assembly.from_config(config) if number is None else None
    ledger = _ledger(config)
    record_ended(ledger)
    threads = blas = config.get("threads")
    if resume is not None:
        check_same_job(resume, config)
        run_folder = RunFolder.reopen(resume)
        # Other numbers of threads add up in another order.
        begun_with = run_folder.manifest.get("environment", {}).get("threads", {})
        threads, blas = threads or begun_with.get("torch"), begun_with.get("blas")
    else:
        name = job_name(overrides if distinct is None else distinct, number)
        entries: dict[str, Any] = {"identity": identity, "trial": {"id": new_trial()}}
        if repeat is not None:
            name, entries = repeat.job, {**entries, **repeat.entries()}
            blas = None  # who repeats it has set them
        run_folder = RunFolder(study_folder(config), name, **entries)
    counted = RepeatedTrial if is_repeated(run_folder.manifest) else OpenTrial
    trial = counted(
        ledger,
        run=run_folder.path,
        config=described(config),
        study=str(config["study"]),
        split="".join(part_names("split", {}, config)),
        manifest=run_folder.manifest,
    )
    try:
        return _execute(
            config,
            overrides,
            parts,
            run_folder,
            trial,
            watch,
            resumed=resume is not None,
            threads=(repeat and repeat.threads) or threads,
            blas=blas,
        )
    except BaseException as error:
        if not out_of_space(error):
            _report_of_failure(run_folder.path)
        raise
    finally:
        trial.close()
        run_folder.close()


def _execute(
    config: Mapping[str, Any],
    overrides: Sequence[str],
    parts: Assembly | None,
    run_folder: RunFolder,
    trial: OpenTrial,
    watch: Watch | None,
    *,
    resumed: bool,
    threads: int | None,
    blas: int | None,
) -> RunResult:
    with run_folder as folder, threads_set(threads, blas=blas):
        job, earlier = folder.path.name, dict(folder.manifest)
        write_text(folder.path / "config.yaml", OmegaConf.to_yaml(OmegaConf.create(dict(config))))
        folder.update(
            job=job,
            study=str(config["study"]),
            trial=trial.begin(),
            overrides=list(overrides),
            config_sha256=hash_json(described(config)),
            seed=config["seed"],
            code=code_version(),
            environment=environment(),
        )
        parts = parts or Assembly.from_config(config)
        # Lightning has set switches by now: a run must look the same whatever ran here before it.
        folder.update(environment=environment())
        if resumed and (changed := causes(earlier, folder.manifest)):
            folder.update(resumed_with=changed)
            _log.warning(
                "what is left may not be to the bit what it would have been: %s", "; ".join(changed)
            )
        begin = parts.tracker.resume if resumed else parts.tracker.start
        begin(study=str(config["study"]), job=job, config=config, folder=folder.path)
        try:
            result = Job(parts, folder, job, overrides, trial, watch=watch, resumed=resumed).run()
        except BaseException as error:
            _abandon(parts.tracker, error)
            raise
        parts.tracker.finish(0)
    return result


def job_name(overrides: Sequence[str], number: int | None) -> str:
    """Folder name of a job: its number in a sweep and what was changed, safe on any file system."""
    changes = [o for o in overrides if not o.lstrip("+~").startswith(_NOT_IN_NAME)]
    name = safe(",".join(changes) or "defaults", _LONGEST_NAME)
    return name if number is None else f"{number:03d}_{name}"


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
