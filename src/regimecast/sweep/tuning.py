"""The two ends that Ray Tune speaks to: who suggests jobs, and who hears how they do."""

from collections.abc import Callable, Sequence
from typing import Any

from ray.tune import Callback
from ray.tune.search import Searcher

from regimecast.core.stopping import stop_if_asked
from regimecast.sweep.jobs import SweepJob
from regimecast.sweep.running import Running

__all__ = ["Listener", "Suggester"]


class Suggester(Searcher):
    """Gives Tune the next job.

    Args:
        running: where jobs come from.
        trial_config: what a worker is to know of one.
    """

    def __init__(
        self, running: Running, trial_config: Callable[[SweepJob], dict[str, Any]]
    ) -> None:
        super().__init__()
        self._running = running
        self._trial_config = trial_config

    def suggest(self, trial_id: str) -> Any:
        """The next job, or that there is no other."""
        job = self._running.next_job()
        return Searcher.FINISHED if job is None else self._trial_config(job)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing: `Listener` hears it."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: all is in Optuna's storage."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see `save`."""


class Listener(Callback):
    """Hears from Tune how jobs do.

    Args:
        running: where it is written down.
    """

    def __init__(self, running: Running) -> None:
        self._running = running
        self._broken: Exception | None = None

    def on_step_end(self, iteration: int, trials: Sequence[Any], **info: Any) -> None:
        """Goes on unless Ctrl-C was lost in Tune, or an error, which it would take for a job's."""
        stop_if_asked()
        if self._broken is not None:
            raise self._broken

    def on_trial_result(
        self,
        iteration: int,
        trials: Sequence[Any],
        trial: Any,
        result: dict[str, Any],
        **info: Any,
    ) -> None:
        """Notes a step."""
        self._running.step(trial.config["number"], result)

    def on_trial_complete(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        """Notes the end of a job."""
        self._end(trial, trial.last_result)

    def on_trial_error(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        """Notes that a job's worker died more often than it may; the same command goes on."""
        said = (str(trial.get_error()).strip() or "no word").splitlines()[-1]
        self._end(trial, {"status": "interrupted", "error": f"its worker died: {said}"})

    def _end(self, trial: Any, result: dict[str, Any]) -> None:
        try:
            self._running.ended(trial.config["number"], result)
        except Exception as error:  # noqa: BLE001  # raised where Tune does not see it
            self._broken = self._broken or error
