"""A sign of life of a process that works on a run folder, for other machines.

runs/<study>/.jobs/<run folder>.alive    touched every half minute, however long an epoch takes
"""

import threading
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["Heartbeat", "quiet_for"]

_SECONDS = 30.0


class Heartbeat:
    """Touches the file of a run folder until it is stopped, or its process ends.

    Args:
        run: the run folder, which this process has claimed.
    """

    def __init__(self, run: Path) -> None:
        self._file = _file_of(run)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it; the file is removed."""
        self._stopped.set()
        self._thread.join()
        with suppress(OSError):  # the run is over in any case
            self._file.unlink(missing_ok=True)

    def _beat(self) -> None:
        while True:
            with suppress(OSError):  # a full disk, a share that is away: the next one may succeed
                self._file.touch()
            if self._stopped.wait(_SECONDS):
                return


def quiet_for(run: Path) -> float:
    """Seconds since a process has given a sign of working on a run folder."""
    signs = []
    for path in (run, _file_of(run), *run.rglob("*")):
        with suppress(FileNotFoundError):  # what is written replaces what was there
            signs.append(path.stat().st_mtime)
    return time.time() - max(signs)


def _file_of(run: Path) -> Path:
    return run.parent / ".jobs" / f"{run.name}.alive"
