"""One division in time at borders that are given as they are, as benchmarks publish them."""

import numpy as np

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.types import Samples
from regimecast.splits.base import Fold, SplitRegistry, Splitter
from regimecast.splits.parts import Cut, Timeline
from regimecast.splits.purging import PurgeRule
from regimecast.splits.spans import ticks, time_of

__all__ = ["Borders"]


@SplitRegistry.register("borders")
class Borders(Splitter):
    """Train | validation | test, cut at numbers of bars or at dates.

    A part holds the forecasts of its own bars: its first origin is the last bar before it, and no
    label reads past its end. ``purge: auto`` also keeps every window apart. A purge of as many bars
    as the horizon (``purge: ${target.horizon}``) is the protocol of the long-horizon papers: labels
    stay within their part, windows look back over a border, and the bars of a validation or test
    window's context may have been training labels, as when a model is used on the day after its
    training ends. With it a test part of n bars has n - horizon + 1 origins.

    Bars are counted over the distinct times that samples read, from the first one on.

    Args:
        train: size of the part in bars, or the time at which it ends, itself excluded.
        validation: the same; used for early stopping and calibration.
        test: the same; None ends it at the last bar.
        purge: ``auto`` for the interval rule, or a number of bars (see `PurgeRule`).
        embargo: extra distance: bars (int), time (``"5D"``) or a fraction of the whole span.

    Raises:
        ConfigError: a size is not positive, a time cannot be read, or purge or embargo is
            malformed.
    """

    def __init__(
        self,
        *,
        train: int | str,
        validation: int | str,
        test: int | str | None,
        purge: int | str,
        embargo: int | float | str,
    ) -> None:
        self._ends = [
            _end("train", train),
            _end("validation", validation),
            None if test is None else _end("test", test),
        ]
        self._rule = PurgeRule.parse(purge, embargo)

    def check(self, *, label_bars: int) -> None:
        """Refuses a purge shorter than the label; see `Splitter.check`."""
        self._rule.check(label_bars=label_bars)

    def split(self, samples: Samples) -> list[Fold]:
        """The one fold.

        Raises:
            DataError: a part would be empty, or a border lies outside the data.
        """
        whole = Timeline(samples)
        train, validation, test = self._positions(whole.bars)
        # What ends after the last border belongs to no part, and must not purge any.
        kept = np.flatnonzero(
            self._rule.within(samples, whole.bars, last=int(whole.bars[test - 1]))
        )
        if not len(kept):
            raise DataError("split 'borders': no sample ends before the test part does")
        timeline = Timeline(samples.take(kept))
        # A forecast of the first bar of a part is made at the bar before it.
        cuts = timeline.times.searchsorted(whole.bars[[train - 1, validation - 1]])
        cut = Cut(start=0, validation=int(cuts[0]), test=int(cuts[1]), stop=timeline.n_times)
        fold = timeline.fold(cut, self._rule, label="split 'borders'")
        return [fold.of(kept)]

    def _positions(self, bars: np.ndarray) -> list[int]:
        """Positions of the bars after each part."""
        positions: list[int] = []
        for name, end in zip(("train", "validation", "test"), self._ends, strict=True):
            before = positions[-1] if positions else 0
            if end is None:
                position = len(bars)
            elif isinstance(end, int):
                position = before + end
            else:
                position = int(bars.searchsorted(ticks(np.array([end]))[0]))
            if not before < position <= len(bars):
                raise DataError(
                    f"split.{name}={end} ends its part at bar {position:,}; allowed: after "
                    f"{before:,}, where the part begins, and at most {len(bars):,}, the bars there "
                    f"are ({_date(int(bars[0]))} to {_date(int(bars[-1]))})"
                )
            positions.append(position)
        return positions


def _end(name: str, value: int | str) -> int | np.datetime64:
    """Size in bars, or the time at which a part ends."""
    allowed = "a number of bars above 0, or a time such as '2015-01-01'"
    if isinstance(value, bool) or (isinstance(value, int) and value < 1):
        raise ConfigError(f"split.{name}={value!r}; allowed: {allowed}")
    if isinstance(value, int):
        return value
    return time_of(value, key=f"split.{name}", allowed=allowed)


def _date(tick: int) -> str:
    return str(np.datetime64(tick, "ns"))[:10]
