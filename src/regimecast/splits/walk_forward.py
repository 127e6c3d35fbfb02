"""Several divisions in time, each tested on what comes next."""

from itertools import pairwise

from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.types import Samples
from regimecast.splits.base import Fold, SplitRegistry, Splitter
from regimecast.splits.parts import Cut, Timeline
from regimecast.splits.purging import PurgeRule
from regimecast.splits.spans import Span

__all__ = ["WalkForward"]

WINDOWS = ("expanding", "rolling")


@SplitRegistry.register("walk_forward")
class WalkForward(Splitter):
    """Folds whose test parts follow one another without overlap up to the last origin.

    Everything before a fold's test part is its history: the last part of it validates, the rest
    trains. Two of `folds`, `test` and `train` say how the time is divided:

    - `folds` and `test`: that many test parts of that size, counted back from the last origin.
    - `test` and `train`: as many test parts as fit behind a first history of size `train`.
    - `folds` and `train`: what follows the first history, in that many equal test parts.

    Sizes are bars (int, distinct origin times), time (``"365D"``) or a fraction of all distinct
    origin times.

    Args:
        folds: number of folds, or null.
        test: size of each test part, or null.
        validation: size of the tail of each history that validates; a fraction is one of the
            history.
        window: ``expanding`` histories begin at the first origin, ``rolling`` ones have size
            `train`.
        train: size of the first (expanding) or each (rolling) history, validation included, or
            null.
        purge: ``auto`` for the interval rule, or a number of bars (see `PurgeRule`).
        embargo: extra distance: bars, time, or a fraction of the whole span.

    Raises:
        ConfigError: sizes contradict or miss each other, or a value is out of range.
    """

    def __init__(
        self,
        *,
        folds: int | None,
        test: int | float | str | None,
        validation: int | float | str,
        window: str,
        train: int | float | str | None,
        purge: int | str,
        embargo: int | float | str,
    ) -> None:
        if window not in WINDOWS:
            raise ConfigError(
                f"split.window={window!r} is unknown.{did_you_mean(window, WINDOWS)} "
                f"Allowed: {', '.join(WINDOWS)}"
            )
        if folds is not None and folds < 1:
            raise ConfigError(f"split.folds={folds!r}; allowed: 1 or more, or null")
        if window == "rolling" and train is None:
            raise ConfigError("split.train=null does not go with window=rolling: give its size")
        if folds is not None and test is not None and window == "expanding" and train is not None:
            raise ConfigError(
                f"split.folds={folds}, split.test={test!r} and split.train={train!r} contradict "
                "one another with window=expanding: leave one of them null"
            )
        given = {"folds": folds, "test": test, "train": train}
        if sum(value is not None for value in given.values()) < 2:
            raise ConfigError(
                f"split needs two of folds, test and train, got "
                f"{', '.join(k for k, v in given.items() if v is not None) or 'none'}"
            )
        self._folds = folds
        self._test = None if test is None else _size(test, "test")
        self._validation = _size(validation, "validation")
        self._rolling = window == "rolling"
        self._train = None if train is None else _size(train, "train")
        self._rule = PurgeRule.parse(purge, embargo)

    def check(self, *, label_bars: int) -> None:
        """Refuses a purge shorter than the label; see `Splitter.check`."""
        self._rule.check(label_bars=label_bars)

    def split(self, samples: Samples) -> list[Fold]:
        """Folds in order of time.

        Raises:
            DataError: a part would be empty.
        """
        timeline = Timeline(samples)
        borders = self._test_borders(timeline)
        folds = []
        for number, (first, stop) in enumerate(pairwise(borders)):
            start = self._history_start(timeline, first)
            validation = self._validation.start_of_tail(timeline.times, first, whole=first - start)
            cut = Cut(start, max(validation, start), first, stop)
            label = f"split 'walk_forward', fold {number} of {len(borders) - 1},"
            folds.append(timeline.fold(cut, self._rule, label=label))
        return folds

    def _history_start(self, timeline: Timeline, first: int) -> int:
        if not self._rolling or self._train is None:
            return 0
        return max(self._train.start_of_tail(timeline.times, first, whole=timeline.n_times), 0)

    def _test_borders(self, timeline: Timeline) -> list[int]:
        """Positions of the test parts' first origins and, at the end, one past the last origin."""
        n = timeline.n_times
        earliest = self._first_history(timeline)
        if self._test is None:
            assert self._folds is not None
            if (n - earliest) < self._folds:
                raise DataError(self._too_short(n))
            return [earliest + (n - earliest) * k // self._folds for k in range(self._folds + 1)]
        borders = [n]
        while self._folds is None or len(borders) <= self._folds:
            border = self._test.start_of_tail(timeline.times, borders[0], whole=n)
            if border < max(earliest, 1) or border == borders[0]:
                break
            borders.insert(0, border)
        if len(borders) - 1 < (self._folds or 1):
            raise DataError(self._too_short(n))
        return borders

    def _first_history(self, timeline: Timeline) -> int:
        """Position of the first origin after a first history of size `train`."""
        if self._train is None:
            return 1
        times, n = timeline.times, timeline.n_times
        if self._train.nanoseconds is not None:
            return int(times.searchsorted(times[0] + self._train.nanoseconds))
        return -self._train.start_of_tail(times, 0, whole=n)

    def _too_short(self, n_times: int) -> str:
        return (
            f"split 'walk_forward' does not fit {n_times} distinct origin times: "
            f"folds={self._folds}, test={_show(self._test)}, train={_show(self._train)}. "
            "Use fewer folds, a smaller test or a smaller train"
        )


def _size(value: int | float | str, name: str) -> Span:
    span = Span.parse(value, key=f"split.{name}")
    if span.is_zero:
        raise ConfigError(f"split.{name}={value!r} must be more than nothing")
    return span


def _show(span: Span | None) -> str:
    if span is None:
        return "null"
    if span.nanoseconds is not None:
        return f"{span.nanoseconds / 86_400e9:g}D"
    return str(span.fraction if span.bars is None else span.bars)
