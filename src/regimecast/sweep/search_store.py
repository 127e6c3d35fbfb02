"""The end of a store that the search itself holds; workers have the other, see `Store`."""

import logging
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from regimecast.sweep.jobs import ENDED, find_done
from regimecast.sweep.states import check_remote
from regimecast.sweep.store import SEARCH, Store

__all__ = ["SearchStore"]

_log = logging.getLogger(__name__)

_AT_ONCE = 8
"""Runs that are fetched beside each other."""
_LOOK_AGAIN = 0.5


class SearchStore(Store):
    """What a search asks of a store.

    Args:
        url: see `Store`.
        config: see `Store`.
        database: Optuna's file, which goes with the runs; None where its storage is elsewhere.

    Raises:
        ConfigError: this machine cannot write to it.
    """

    def __init__(self, url: str, config: Mapping[str, Any], database: Path | None) -> None:
        check_remote(url)
        super().__init__(url, config)
        self._database = database
        self._cut: list[str] = []

    def meet(self) -> None:
        """Brings what of the study is newer there, and hands over what only this machine has.

        For the beginning of a search, while nobody works on its jobs.

        Raises:
            ConfigError: the searches here and there were begun apart.
            DataError: what is there is damaged.
            OSError: the store cannot be reached.
        """
        self.tidy()
        self.there.lower_flags()
        names = self.there.names()
        for identity, (folder, status) in find_done(self.study).items():
            if status == "running":  # it is being closed, and will be handed over by who goes on
                continue
            key = identity[:16]
            mine = self.goes_on_from(key)
            if key not in names or (names[key] in mine and status == "interrupted"):
                self.push(identity, folder)
            elif not mine and status in ENDED and self._status(identity) not in ENDED:
                self.push(identity, folder, newest=True)
        if self._database is None:
            names.pop(SEARCH, None)
        behind = [key for key, name in names.items() if name not in self.goes_on_from(key)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self.bring, behind))

    def hand_over(self) -> None:
        """Gives it Optuna's file, as that is between two transactions.

        Raises:
            BusyError: another machine searches the study.
        """
        if (mine := self._database) is None:
            return
        try:
            with self.scratch() as scratch:
                copy = scratch / mine.name
                with closing(sqlite3.connect(mine)) as one, closing(sqlite3.connect(copy)) as other:
                    one.backup(other)
                self.write(SEARCH, {mine.name: copy}, {}, {"folder": mine.name})
        except OSError as error:  # the next time may go better
            _log.warning("%s", error)

    def cut(self, identity: str) -> None:
        """Says that the scheduler has ended a job."""
        self.there.flag(identity)
        self._cut.append(identity)

    def settle(self, seconds: float) -> None:
        """Brings the run folders of jobs that were cut, once their workers have closed them.

        Args:
            seconds: to wait at most.
        """
        deadline = time.monotonic() + seconds
        for identity in self._cut:
            while self._status(identity) not in ENDED and time.monotonic() < deadline:
                time.sleep(_LOOK_AGAIN)
            self.pull(identity)

    def _status(self, identity: str) -> str | None:
        """Status of a job's newest state there."""
        state = self.there.newest(identity[:16])
        return None if state is None else state.about["status"]
