"""What a splitter is. One .py with a splitter and one .yaml with its parameters add it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from jaxtyping import Int

from regimecast.core.errors import LeakageError
from regimecast.core.registry import Registry
from regimecast.core.types import Interval, Regime, Samples, TrainingTime

__all__ = ["Event", "Fold", "SplitRegistry", "Splitter"]


@dataclass(frozen=True)
class Event:
    """Something that happened to markets, and how much it counts among others."""

    name: str
    start: np.datetime64
    end: np.datetime64
    """Last moment, itself included."""
    regime: Regime
    weight: float


@dataclass(frozen=True, eq=False)
class Fold:
    """One train / validation / test division, as positions into `Samples`, each ascending.

    With ``purge: auto`` no training sample's `[start, end]` meets that of a validation or test
    sample on any asset, and no validation sample's that of a test sample. With a purge in bars that
    holds for what labels read; windows may then look back over the border. Where the test part lies
    in the midst of training, "meets" has two sides.
    """

    train: Int[np.ndarray, " Ntrain"]
    validation: Int[np.ndarray, " Nval"]
    test: Int[np.ndarray, " Ntest"]
    train_interval: TrainingTime
    """The only bars that scalers, regimes and class weights may be fitted on: one interval from the
    first training sample's start to the last one's end; where training goes on before and after the
    test part, several, of bars that training samples read and no other part keeps to itself."""
    purged: int
    """Samples left out because they met another part."""
    purged_validation: int = 0
    """How many of `purged` are of the validation part; all others are of the training part."""
    calibration: Int[np.ndarray, " Ncal"] | None = None
    """End of the validation part that calibrates intervals, and is no longer in `validation`; None
    where nothing does. See `splits.calibration`."""

    @property
    def of_calibration(self) -> Int[np.ndarray, " Ncal"]:
        """Positions of the calibration part, none where there is none."""
        return self.validation[:0] if self.calibration is None else self.calibration

    event: Event | None = None
    """What the test part is, where it is something that happened."""

    @property
    def chronological(self) -> bool:
        """Whether all that is judged comes after all that was learnt."""
        return isinstance(self.train_interval, Interval)

    def of(self, kept: Int[np.ndarray, " N"]) -> "Fold":
        """The same fold of samples from which these positions were kept before it was made."""
        parts = {name: kept[getattr(self, name)] for name in ("train", "validation", "test")}
        if self.calibration is not None:
            parts["calibration"] = kept[self.calibration]
        return replace(self, **parts)

    def check_after(self, until: np.datetime64, samples: Samples, *, what: str) -> None:
        """Refuses something that was fitted on bars of the parts that shall judge it.

        Args:
            until: the last bar of the fit.
            samples: what the fold divides.
            what: to call it in the error.

        Raises:
            LeakageError: an origin of validation or test lies before `until`.
        """
        for part in ("validation", "test"):
            first = samples.origin[getattr(self, part)].min()
            if first < until:
                fit, begin = (np.datetime_as_string(time, unit="auto") for time in (until, first))
                raise LeakageError(
                    f"{what} was fitted on bars up to {fit}, and the {part} part begins at "
                    f"{begin}. Fit it again with this split, or let that part begin later"
                )


class Splitter(ABC):
    """Rule that divides samples in time.

    Samples whose label is not complete never reach a splitter.
    """

    name: ClassVar[str]
    chronological: ClassVar[bool] = True
    """Whether its folds test only on what comes after their training."""

    @abstractmethod
    def check(self, *, label_bars: int) -> None:
        """Refuses a setting that would leak, before any data are read.

        Args:
            label_bars: most bars after the origin that the target reads.

        Raises:
            LeakageError: purge or embargo is shorter than the label needs; the message gives the
                value that is needed.
            ConfigError: fractions are out of range or do not sum to 1.
        """

    @abstractmethod
    def split(self, samples: Samples) -> list[Fold]:
        """Folds in order of time, or of the groups that they test.

        Raises:
            DataError: a part would be empty; the message says how many samples each part has.
        """


SplitRegistry: Registry[Splitter] = Registry(
    "split", Splitter, package="regimecast.splits", attribute="SplitRegistry"
)
"""Every splitter by name; see `Registry`."""
