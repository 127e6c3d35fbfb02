"""A study's table in the tracking service that its jobs are in."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from regimecast.core.parts import component
from regimecast.tracking.base import TrackerRegistry

__all__ = ["track_table"]

_log = logging.getLogger(__name__)


def track_table(
    name: str, frame: pd.DataFrame, *, folder: Path, configs: Iterable[Mapping[str, Any]]
) -> None:
    """Shows a table beside the runs of a study, as a run of its own.

    Once for every tracker that the jobs asked for and that has tables. One that fails is logged:
    the table is in the study's own page and files all the same.

    Args:
        name: of the run and its table.
        frame: the table.
        folder: of the study, where a local tracker may keep its files.
        configs: of the jobs.
    """
    shown: list[Mapping[str, Any]] = []
    for config in configs:
        chosen = config.get("tracker")
        if not isinstance(chosen, Mapping) or chosen in shown:
            continue
        shown.append(chosen)
        try:
            tracker = component(TrackerRegistry, "tracker", config)
            if not tracker.tables:
                continue
            tracker.start(study=str(config["study"]), job=name, config={}, folder=folder)
            tracker.log_table(name, frame)
            tracker.finish(0)
        except Exception as error:  # noqa: BLE001  # whatever a service raises
            _log.warning("tracker %s has no table of the study: %s", chosen.get("name"), error)
