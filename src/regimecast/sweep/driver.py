"""A search from the command line to its outcomes: ask, run by Ray Tune, tell."""

import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from regimecast.core.errors import BusyError
from regimecast.core.terminal import console
from regimecast.sweep.closing import CLOSING_SECONDS, close_pruned, wait_until_closed
from regimecast.sweep.cluster import (
    check_address,
    check_nodes,
    check_room,
    connected,
    node_reports,
    prepare,
    resources,
)
from regimecast.sweep.digest import digest
from regimecast.sweep.jobs import JobOutcome, SweepJob
from regimecast.sweep.live import LiveTable
from regimecast.sweep.on_head import is_client, run_on_head
from regimecast.sweep.opening import DATABASE, open_search
from regimecast.sweep.samplers import check_searcher
from regimecast.sweep.search_jobs import SearchJobs, search_node, search_study, shared_config
from regimecast.sweep.search_store import SearchStore
from regimecast.sweep.settings import SearchSettings, check_objectives
from regimecast.sweep.slots import Slots
from regimecast.sweep.space import read_space
from regimecast.sweep.status import SweepStatus
from regimecast.sweep.study import Search
from regimecast.tracking.claim import let_go, remove_unborn, taken
from regimecast.tracking.identity import code_hash, deciding

__all__ = ["run_search"]

_log = logging.getLogger(__name__)

_MANY = 10**9
_TEMPORARY = ".search-"


def run_search(arguments: Sequence[str], config: Any, loader: Any) -> list[JobOutcome]:
    """Outcomes of the jobs that a search begins, in order of their numbers.

    Args:
        arguments: overrides of the command line, swept ones among them.
        config: composed by Hydra, without the swept ones.
        loader: Hydra's.

    Raises:
        ConfigError: something is wrong with the settings, the space, the study or the cluster;
            nothing was run.
        BusyError: another process runs this search.
        KeyboardInterrupt: Ctrl-C; jobs have ended as interrupted.
        SystemExit: the head of a cluster has run this command, and it has not gone well there.
    """
    settings = SearchSettings.from_config(search_node(config))
    prepare(settings.address)
    check_objectives(settings.objectives)
    model = str(config.hydra.runtime.choices["model"])
    space = read_space(arguments, settings, loader=loader, model=model)
    check_searcher(space, settings)
    jobs = SearchJobs(config, loader, space)
    corners = jobs.corners()
    base, study = shared_config(config), search_study(config)
    if settings.population_based:
        from regimecast.sweep.exchange import check_population

        check_population(space, settings, base)
    check_address(settings.address)
    store = None
    if settings.remote is not None:
        own = settings.storage is None  # else Optuna's storage is where it is
        store = SearchStore(settings.remote, base, study / DATABASE if own else None)
    if is_client(settings.address):
        _leave_to_head(str(settings.address), base, study)
        return []
    if not any(study.glob("*/manifest.json")):  # else some of its jobs have run
        from regimecast.sweep.rehearsal import rehearse

        rehearse(corners, settings.objectives)
    with _alone(study):
        if store is not None:
            store.meet()
        search = open_search(
            settings.storage,
            study,
            space=space,
            settings=settings,
            base=deciding(base),
            bars=jobs.bars(corners),
            code=code_hash(),
        )
        close_pruned(search, Path(base["ledger"]))
        if search.complete:
            _log.info("%s: all %d jobs have ended before", study, search.total)
            outcomes = _before(search, jobs, study)
        else:
            outcomes = _searched(search, jobs, study, base, store)
            close_pruned(search, Path(base["ledger"]))
    for line in digest(search, space.fixed):
        console().print(line, soft_wrap=True)
    return outcomes


def _leave_to_head(address: str, base: Mapping[str, Any], study: Path) -> None:
    """Returns when a cluster's head has run this command, and has said all there is to say."""
    study.mkdir(parents=True, exist_ok=True)
    with connected(address) as ray:
        _check_cluster(ray, base, study)
        code = run_on_head(ray, ["train", *sys.argv[1:]])
    if code:
        sys.exit(code)


def _searched(
    search: Search,
    jobs: SearchJobs,
    study: Path,
    base: Mapping[str, Any],
    store: SearchStore | None,
) -> list[JobOutcome]:
    """Outcomes of a search that has something left to do, with those of before."""
    settings = search.settings
    with connected(settings.address) as ray:
        nodes = resources(ray)
        on_cpu = base["trainer"].get("accelerator") == "cpu"
        slots = Slots.of(nodes, settings, on_cpu=on_cpu)
        check_room(nodes, slots.demand)
        if settings.address is not None:
            _check_cluster(ray, base, study, settings.remote)
        before = _before(search, jobs, study)
        last = base["trainer"]["max_epochs"]
        return [*before, *_run(search, jobs, slots, study, store, last=last)]


def _before(search: Search, jobs: SearchJobs, study: Path) -> list[JobOutcome]:
    """Outcomes of the jobs that have ended before."""
    return [
        JobOutcome(
            study,
            tuple(told.facts.get("overrides") or jobs.overrides(told.point)),
            None if told.facts.get("folder") is None else Path(told.facts["folder"]),
            told.facts.get("error"),
            told.status,
            before=True,
        )
        for told in search.told()
    ]


def _check_cluster(
    ray: Any, base: Mapping[str, Any], study: Path, remote: str | None = None
) -> None:
    """Nothing, if every node of a cluster has what this machine has."""
    from regimecast.sweep.survey import shared_places

    with shared_places(base, study, remote) as places:
        check_nodes(node_reports(ray, places, remote))


def _run(
    search: Search,
    jobs: SearchJobs,
    slots: Slots,
    study: Path,
    store: SearchStore | None,
    *,
    last: int | None,
) -> list[JobOutcome]:
    """Everything that is left of the search."""
    from ray import tune
    from ray.tune.schedulers import TrialScheduler

    from regimecast.sweep.exchange import current_values, make_exchange
    from regimecast.sweep.past import curve, curves
    from regimecast.sweep.running import Running
    from regimecast.sweep.schedulers import Deciding, make_scheduler
    from regimecast.sweep.trainable import JobTrainable, trial_config
    from regimecast.sweep.tuning import Listener, Suggester

    settings = search.settings
    status = SweepStatus(
        study,
        total=search.total,
        at_a_time=slots.jobs,
        objectives=settings.objectives,
    )
    running = Running(search, jobs, status, store)
    with _shared(study) as shared:
        marks, exchange = shared / "ended", shared / "exchange"
        for folder in (marks, exchange):
            folder.mkdir()

        def configured(job: SweepJob, follows: Path | None = None) -> dict[str, Any]:
            values = current_values(search.space, job.config) if settings.population_based else {}
            given = trial_config(
                job,
                folder=str(Path.cwd()),
                remote=settings.remote,
                marks=str(marks.resolve()),
                exchange=str(exchange.resolve()) if settings.population_based else None,
                follows=None if follows is None else str(follows.resolve()),
                threads=slots.cpu,
                watched=settings.cuts,
                time_limit=settings.time_limit,
                retries=settings.retries,
                retry_failed=settings.retry_failed,
            )
            return given | values

        def cut(config: Mapping[str, Any]) -> None:
            (marks / config["identity"]).touch()
            if store is not None:
                store.cut(config["identity"])

        def replaced(
            mine: Mapping[str, Any], other: Mapping[str, Any], step: int, values: Mapping[str, Any]
        ) -> dict[str, Any]:
            cut(mine)
            job = running.follows(mine["number"], other["number"], step, values)
            return configured(job, exchange / f"{other['identity']}-{step}")

        scheduler: TrialScheduler
        if settings.population_based:
            scheduler = make_exchange(settings, search.space, replaced, last=last)
        else:
            scheduler = make_scheduler(settings, curves(search))
        try:
            with LiveTable(status):
                tune.run(
                    JobTrainable,
                    name="search",
                    storage_path=str((shared / "tune").resolve()),
                    search_alg=Suggester(running, configured),
                    scheduler=Deciding(
                        scheduler,
                        cut=lambda trial: cut(trial.config),
                        earlier=None if settings.population_based else curve,
                    ),
                    num_samples=_MANY,
                    # A population takes turns.
                    max_concurrent_trials=None if settings.population_based else slots.jobs,
                    resources_per_trial={"cpu": slots.cpu, "gpu": slots.gpu},
                    max_failures=settings.retries,
                    reuse_actors=True,
                    raise_on_failed_trial=False,
                    callbacks=[Listener(running)],
                    trial_dirname_creator=lambda trial: str(trial.trial_id),
                    verbose=0,
                )
                wait_until_closed(running.cut)
            if store is not None:
                store.settle(CLOSING_SECONDS)
        except BaseException:
            import ray

            ray.shutdown()  # jobs end as interrupted when their workers are gone
            wait_until_closed(running.open)
            running.stopped()
            raise
        finally:
            status.write()
    return [running.outcomes[number] for number in sorted(running.outcomes)]


@contextmanager
def _alone(study: Path) -> Iterator[None]:
    """Block in which no other process searches for the study."""
    try:
        lock = taken(study, "search")
    except BusyError as error:
        raise BusyError(f"{study} is being searched by another process") from error
    try:
        remove_unborn(study)
        yield
    finally:
        let_go(lock)


@contextmanager
def _shared(study: Path) -> Iterator[Path]:
    """A folder that all nodes see, for what they tell each other; it is gone afterwards."""
    for left in study.glob(f"{_TEMPORARY}*"):  # nobody else searches here: of a killed search
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        dir=study, prefix=_TEMPORARY, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)
