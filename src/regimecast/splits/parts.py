"""Parts of a fold, cut on times that all assets share, then purged."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.places import narrow
from regimecast.core.types import Interval, Intervals, Samples
from regimecast.splits.base import Event, Fold
from regimecast.splits.purging import PurgeRule
from regimecast.splits.spans import NEVER, Span, distinct, ticks

__all__ = ["Cut", "Timeline", "require_validation"]

Positions = Int[np.ndarray, " _"]
"""Positions into the samples, ascending; their number differs from part to part."""


@dataclass(frozen=True)
class Cut:
    """Borders of one fold as positions into the distinct origin times.

    Training origins lie in [start, validation), validation origins in [validation, test), test
    origins in [test, stop).
    """

    start: int
    validation: int
    test: int
    stop: int


class Timeline:
    """The distinct origin times of samples, and the folds that cuts of it make.

    All assets are cut at the same dates, however long their histories are.
    """

    def __init__(self, samples: Samples) -> None:
        if len(samples) == 0:
            raise DataError(
                "there are no samples to split: no origin has both a full context and a complete "
                "label. Use more bars, a shorter context_length or a shorter horizon"
            )
        self.samples = samples
        self._origin = ticks(samples.origin)
        self.times: Int[np.ndarray, " T"] = distinct(self._origin)
        """Distinct origin times in nanoseconds, ascending."""

    @property
    def n_times(self) -> int:
        """Number of distinct origin times."""
        return len(self.times)

    @cached_property
    def bars(self) -> Int[np.ndarray, " G"]:
        """Distinct times of all bars that samples name, origins or not, in nanoseconds."""
        edges = ticks(self.samples.start), ticks(self.samples.end)
        return distinct(np.concatenate([self.times, *edges]))

    def fold(self, cut: Cut, rule: PurgeRule, *, label: str) -> Fold:
        """The chronological fold of a cut, earlier parts purged against later ones.

        Args:
            cut: where the parts begin and end.
            rule: how far apart they must be.
            label: what to call the fold in an error.

        Raises:
            DataError: a part is empty; the message says how many samples each part has.
        """
        grid = self.bars if rule.measures else self.times
        natural = {
            "train": self._between(cut.start, cut.validation),
            "validation": self._between(cut.validation, cut.test),
            "test": self._between(cut.test, cut.stop),
        }
        test = natural["test"]
        validation = self._thin(natural["validation"], [test], rule, grid)
        train = self._thin(natural["train"], [validation, test], rule, grid)
        kept = {"train": train, "validation": validation, "test": test}
        if not all(len(part) for part in kept.values()):
            raise DataError(self._explain_empty(label, rule, natural, kept))
        trained = self.samples.take(train)
        return Fold(
            train=train,
            validation=validation,
            test=test,
            train_interval=Interval(trained.start.min(), trained.end.max()),
            purged=sum(len(natural[name]) - len(kept[name]) for name in kept),
            purged_validation=len(natural["validation"]) - len(validation),
        )

    def around(
        self,
        tested: Bool[np.ndarray, " T"],
        validation: Span,
        rule: PurgeRule,
        *,
        label: str,
        event: Event | None = None,
    ) -> Fold:
        """The fold that tests at some times and learns from all others, earlier and later.

        What is not tested is purged against the test part. The tail of what is left validates, and
        the rest is purged against that.

        Args:
            tested: the origin times of the test part.
            validation: size of that tail, a fraction being one of the origin times that are left;
                0 for no validation part.
            rule: how far apart the parts must be.
            label: what to call the fold in an error.
            event: what happened at the times that are tested.

        Raises:
            DataError: a part is empty; the message says how many samples each part has.
        """
        grid = self.bars
        test, others = (
            narrow(np.flatnonzero(part)) for part in (tested[self._place], ~tested[self._place])
        )
        left = self._thin(others, [test], rule, grid)
        times = distinct(self._origin[left])
        first = max(validation.start_of_tail(times, len(times), whole=len(times)), 0)
        late = self._origin >= (times[first] if first < len(times) else NEVER)
        checked = left[late[left]]
        train = self._thin(left[~late[left]], [checked], rule, grid)
        natural = {"train": others[~late[others]], "validation": others[late[others]], "test": test}
        kept = {"train": train, "validation": checked, "test": test}
        if not (len(train) and len(test) and (len(checked) or validation.is_zero)):
            raise DataError(self._explain_empty(label, rule, natural, kept))
        return Fold(
            train=train,
            validation=checked,
            test=test,
            train_interval=self._covered(*rule.spans(self.samples.take(train), grid)),
            purged=len(others) - len(train) - len(checked),
            purged_validation=len(natural["validation"]) - len(checked),
            event=event,
        )

    @cached_property
    def _place(self) -> Int[np.ndarray, " N"]:
        """Place of each sample's origin among the distinct times."""
        return narrow(self.times.searchsorted(self._origin))

    def _covered(self, first: Int[np.ndarray, " N"], last: Int[np.ndarray, " N"]) -> Intervals:
        """Runs of bars that lie in any of these closed intervals, in nanoseconds."""
        begun, ended = (
            np.bincount(self.bars.searchsorted(edge), minlength=len(self.bars))
            for edge in (first, last)
        )
        # An interval still covers the bar that it ends at.
        open_ones = np.cumsum(begun) - np.cumsum(ended) + ended
        edges = np.flatnonzero(np.diff(open_ones > 0, prepend=False, append=False))
        ends = self.bars.view("datetime64[ns]")
        return Intervals(
            tuple(Interval(ends[start], ends[stop - 1]) for start, stop in edges.reshape(-1, 2))
        )

    def _between(self, first: int, stop: int) -> Positions:
        """Samples whose origin time has a position in [first, stop)."""
        if stop <= first:
            return np.empty(0, dtype=np.int64)
        low, high = self.times[first], self.times[stop - 1]
        return narrow(np.flatnonzero((self._origin >= low) & (self._origin <= high)))

    def _thin(
        self,
        part: Positions,
        later: list[Positions],
        rule: PurgeRule,
        grid: Int[np.ndarray, " G"],
    ) -> Positions:
        keep: Bool[np.ndarray, " _"] = rule.keep(
            self.samples.take(part), self.samples.take(np.concatenate(later)), grid
        )
        return part[keep]

    def _explain_empty(
        self,
        label: str,
        rule: PurgeRule,
        natural: dict[str, Positions],
        kept: dict[str, Positions],
    ) -> str:
        rows = [
            f"  {name:<10} {len(natural[name]):>9,} before purging {len(kept[name]):>9,} after"
            for name in kept
        ]
        if rule.bars is None:
            reach = pd.Timedelta((self.samples.end - self.samples.start).max())
            lost = f"A sample reads up to {_readable(reach)}, and so much is lost between two parts"
            smaller = ["context_length", "feature look-back", "horizon"]
        else:
            lost = f"split.purge={rule.bars} takes that many bars from between two parts"
            smaller = ["split.purge"]
        if not rule.embargo.is_zero:
            smaller.append("split.embargo")
        return "\n".join(
            [
                f"{label} has a part without samples:",
                *rows,
                f"{lost}. Use more bars, a larger share for the empty part, or a smaller "
                + " or ".join(smaller),
            ]
        )


def require_validation(validation: Span) -> None:
    """Nothing, if a run can stop early and calibrate on something.

    Raises:
        ConfigError: the validation part is empty.
    """
    if validation.is_zero:
        raise ConfigError(
            "split.validation=0 leaves a run nothing to stop early on; allowed: more than 0 (0 is "
            "for `as_cross_validator`)"
        )


def _readable(length: pd.Timedelta) -> str:
    """A length of time in its two largest units, such as ``280 days`` or ``1 day 5 hours``."""
    parts = length.components._asdict()
    named = [(int(parts[unit]), unit) for unit in ("days", "hours", "minutes", "seconds")]
    counted = [f"{n} {unit if n > 1 else unit[:-1]}" for n, unit in named if n]
    return " ".join(counted[:2]) or "no time"
