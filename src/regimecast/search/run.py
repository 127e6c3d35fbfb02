"""A search from its config to its files: the yaml that `target=` loads, and the page beside it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from regimecast.assembly import Assembly
from regimecast.core.compose import composed
from regimecast.core.errors import ConfigError
from regimecast.core.files import write_text
from regimecast.core.parts import component
from regimecast.data.cleaning import clean
from regimecast.labels.barrier_target import TripleBarrier
from regimecast.labels.base import TargetRegistry
from regimecast.search.barriers import BarrierSearch, SearchResult
from regimecast.search.interval import check_chronological, training_interval
from regimecast.search.page import write_page
from regimecast.search.saved import check_output, target_yaml

__all__ = ["FoundBarriers", "find_barriers"]

_log = logging.getLogger(__name__)

_CLASSES = (
    "+labels/search=barriers",
    "target=triple_barrier",
    "loss=cross_entropy",
    "strategy=class_probability",
    "tracker=csv",
)
"""What has to go with barriers; a user's own overrides come after these and win."""


@dataclass(frozen=True)
class FoundBarriers:
    """What a search leaves behind."""

    result: SearchResult
    output: Path
    """The yaml."""
    page: Path


def find_barriers(
    overrides: Sequence[str], *, output: Path, config_dir: Path | None = None
) -> FoundBarriers:
    """A finished search; nothing is written before all of it is done.

    Args:
        overrides: GROUP=OPTION or KEY=VALUE; ``search.`` has the keys of
            ``conf/labels/search/barriers.yaml``.
        output: yaml to write, in a folder named ``target``.
        config_dir: a folder of the user's own yaml files.

    Raises:
        ConfigError: something in the config is wrong, the split is not in order of time, or the
            output cannot be written or is somebody's own file.
        DataError: the data are too short, or no barriers leave an edge after costs.
        LeakageError: the split's purge is shorter than the longest deadline.
    """
    check_output(output)
    config = composed([*_CLASSES, *overrides], config_dir=config_dir)
    search = BarrierSearch.from_config(config)
    del config["search"]
    # Before the other parts: the loss for classes would be blamed for a target without any.
    target = component(TargetRegistry, "target", config)
    if not isinstance(target, TripleBarrier):
        raise ConfigError(
            f"target={target.name} has no barriers to search; barriers needs a target whose name "
            "is triple_barrier"
        )
    parts = Assembly.from_config(config, trains=False)
    check_chronological(parts.splitter)
    unit = str(config["target"]["unit"])
    if unit == "fraction" and search.width[1] >= 1:
        raise ConfigError(
            f"search.width={search.width} counts in fractions of the close with "
            "target.unit=fraction, and a fall ends at 1; try 'search.width=[0.002,0.1]'"
        )
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    interval = training_interval(parts.splitter, parts.market(bars), horizon=search.horizon[1])
    with _progress(bars.n_assets * search.generations, search.generations) as advance:
        result = search.run(
            bars,
            target,
            interval=interval,
            cost=parts.cost,
            seed=parts.seed,
            advance=advance,
        )
    write_text(output, target_yaml(result, config["target"], overrides=overrides))
    page = write_page(
        output.with_suffix(".html"),
        result,
        unit=unit,
        facts=_facts(result, search, parts, unit),
        tolerance=search.tolerance,
    )
    return FoundBarriers(result, output, page)


def _facts(
    result: SearchResult, search: BarrierSearch, parts: Assembly, unit: str
) -> list[tuple[str, str]]:
    start, end = (
        np.datetime_as_string(time, unit="auto")
        for time in (result.interval.start, result.interval.end)
    )
    return [
        ("training interval", f"{start} to {end}"),
        ("assets", str(len(result.assets) + len(result.short))),
        ("settings judged", f"{result.trials:,}"),
        ("round trip", f"{2e4 * parts.cost.per_side:g} bp"),
        ("hit rate of the forecaster", f"{(1 + search.skill) / 2:.1%}"),
        ("wanted at the deadline", f"{search.neutral:.0%}"),
        ("distances in", unit),
    ]


@contextmanager
def _progress(steps: int, generations: int) -> Iterator[Callable[[str], None]]:
    """A bar on stderr; without a terminal one log line per asset."""
    console = Console(stderr=True)
    if not console.is_terminal:
        seen: set[str] = set()

        def note(asset: str) -> None:
            if asset not in seen:
                seen.add(asset)
                _log.info("%s: searching, %d generations at most", asset, generations)

        yield note
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("barriers", total=steps)
        yield lambda asset: progress.update(task, advance=1, description=asset)
