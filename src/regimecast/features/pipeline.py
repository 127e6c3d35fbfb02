"""`FeaturePipeline`: chosen families, checked, computed on a panel and described.

The one place that meets real data's gaps: columns a source does not have, values that are not
finite, panels of a single asset. Families stay pure functions of bars.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.hashing import hash_json
from regimecast.data.panel import Panel
from regimecast.features.base import (
    AssetFeatures,
    Bars,
    CalendarFeatures,
    CrossAssetFeatures,
    Feature,
    FeatureFamily,
    FeatureRegistry,
)
from regimecast.features.indicators import IndicatorFamily
from regimecast.features.versions import code_of, feature_version

__all__ = ["FeaturePipeline", "FeatureTable"]

_log = logging.getLogger(__name__)

Missing = Literal["skip", "error"]


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Past features of every row of a panel, as known at each close."""

    values: Float[np.ndarray, "R F"]
    """float32, NaN in warm-up and after gaps, never infinite."""
    features: tuple[Feature, ...]
    """Declarations of the columns; lookbacks include the inputs' availability lags."""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def lookbacks(self) -> tuple[int, ...]:
        """Bars before t that each column reads."""
        return tuple(feature.lookback for feature in self.features)

    @property
    def lookback(self) -> int:
        """Most bars before t that any column reads; 0 without columns."""
        return max(self.lookbacks, default=0)


class FeaturePipeline:
    """Feature families with their parameters.

    Args:
        families: parameters of each family by its registry name, in the order of the columns.
        missing: what to do with a feature whose input column the data lack: ``skip`` leaves it out
            and says so once in the log, ``error`` raises.

    Raises:
        ConfigError: unknown family or parameter, two features of one name, or unknown `missing`.
    """

    def __init__(self, families: Mapping[str, Mapping[str, Any]], *, missing: Missing) -> None:
        if missing not in get_args(Missing):
            raise ConfigError(f"missing={missing!r}; allowed: {', '.join(get_args(Missing))}")
        self._missing = missing
        self._parameters = {name: dict(parameters) for name, parameters in families.items()}
        self._families = {
            name: FeatureRegistry.create(name, **parameters)
            for name, parameters in self._parameters.items()
        }
        self._reported = False
        self._check_names()

    def declarations(self, panel: Panel) -> tuple[Feature, ...]:
        """Past features that `compute` gives on a panel, lookbacks with the inputs' lags added.

        Raises:
            DataError: a feature needs a column that the panel lacks and `missing` is ``error``.
        """
        return tuple(
            replace(feature, lookback=feature.lookback + _lag(panel, feature))
            for name in self._past(panel)
            for feature in self._families[name].features()
            if self._supported(panel, name, feature)
        )

    def compute(self, panel: Panel) -> FeatureTable:
        """Past features of every row, from what was available at its close.

        Values that are not finite in float32 become NaN; their number is logged.

        Raises:
            DataError: a feature needs a column that the panel lacks and `missing` is ``error``.
        """
        declarations = self.declarations(panel)
        # Filled in place, a few columns at a time: the table is most of what a large panel needs.
        values = np.empty((panel.n_rows, len(declarations)), dtype=np.float32)
        first, infinite = 0, 0
        for name in self._past(panel):
            family = self._families[name]
            wanted = [
                column
                for column, feature in enumerate(family.features())
                if self._supported(panel, name, feature)
            ]
            for rows, columns, block in _blocks(family, panel, wanted):
                bad = np.isinf(block)
                infinite += int(bad.sum())
                block[bad] = np.nan
                values[rows, first + columns.start : first + columns.stop] = block
            first += len(wanted)
        self._report_left_out(panel)
        if infinite:
            _log.warning("%d infinite feature values became NaN", infinite)
        return FeatureTable(values, declarations)

    def known(self, time: Shaped[np.ndarray, " T"], calendar: str) -> Float[np.ndarray, "T Fk"]:
        """Calendar features of any times, past or to come, as float32.

        Raises:
            ConfigError: unknown calendar.
            DataError: the calendar does not reach the times.
        """
        parts = [family.compute(time, calendar) for family in self._known.values()]
        empty = np.empty((len(time), 0), dtype=np.float32)
        return np.concatenate([empty, *parts], axis=1).astype(np.float32)

    @property
    def known_names(self) -> tuple[str, ...]:
        """Names of the columns of `known`."""
        return tuple(
            feature.name for family in self._known.values() for feature in family.features()
        )

    @cached_property
    def version(self) -> str:
        """SHA-256 of the families' code, parameters and declarations; see `feature_version`.

        Two pipelines of one version give the same values on the same panel (`Panel.content_hash`).
        """
        return hash_json(
            {
                "families": {
                    name: {
                        "code": code_of(type(family)),
                        "parameters": self._parameters[name],
                        "features": [asdict(feature) for feature in family.features()],
                    }
                    for name, family in self._families.items()
                },
                "order": list(self._families),
                "missing": self._missing,
            }
        )

    def table(self) -> pd.DataFrame:
        """One row per declared feature: family, name, version and what it declares."""
        columns = ["family", "name", "version", "lookback", "inputs", "units", "source"]
        rows = [
            (
                name,
                f.name,
                feature_version(family, self._parameters[name], f),
                f.lookback,
                " ".join(f.inputs),
                f.units,
                f.source,
            )
            for name, family in self._families.items()
            for f in family.features()
        ]
        return pd.DataFrame(rows, columns=columns)

    @cached_property
    def _known(self) -> dict[str, CalendarFeatures]:
        return {
            name: family
            for name, family in self._families.items()
            if isinstance(family, CalendarFeatures)
        }

    def _past(self, panel: Panel) -> list[str]:
        """Families of past features that say something on this panel."""
        return [
            name
            for name, family in self._families.items()
            if name not in self._known
            and (panel.n_assets > 1 or not isinstance(family, CrossAssetFeatures))
        ]

    def _supported(self, panel: Panel, family: str, feature: Feature) -> bool:
        absent = [column for column in feature.inputs if not panel.has(column)]
        if absent and self._missing == "error":
            raise DataError(
                f"feature {feature.name!r} of family {family!r} needs column {absent[0]!r}, which "
                f"the data lack. Columns: {', '.join(panel.names)}. Leave out the family, or set "
                "missing=skip to leave out such features"
            )
        return not absent

    def _report_left_out(self, panel: Panel) -> None:
        """Logs what `compute` leaves out, once per pipeline."""
        if self._reported:
            return
        self._reported = True
        past = self._past(panel)
        for name in self._families:
            if name not in past and name not in self._known:
                _log.info("family %r needs two assets and is left out", name)
        skipped = [
            feature
            for name in past
            for feature in self._families[name].features()
            if not self._supported(panel, name, feature)
        ]
        if skipped:
            absent = sorted({c for f in skipped for c in f.inputs if not panel.has(c)})
            _log.warning(
                "%d features left out, for the data lack %s: %s",
                len(skipped),
                ", ".join(absent),
                ", ".join(feature.name for feature in skipped),
            )

    def _check_names(self) -> None:
        owner: dict[str, str] = {}
        for name, family in self._families.items():
            for feature in family.features():
                if feature.name in owner:
                    raise ConfigError(
                        f"feature {feature.name!r} is declared twice: by {owner[feature.name]!r} "
                        f"and {name!r}; change a window of one of them"
                    )
                owner[feature.name] = name


_BLOCK = 2
"""Columns that are held twice at a time; one at a time would walk through the table too often."""


def _blocks(
    family: FeatureFamily, panel: Panel, wanted: Sequence[int]
) -> Iterator[tuple[slice, slice, Float[np.ndarray, "R F"]]]:
    """Some columns of some rows as float32, with their places among the wanted columns."""
    if not wanted:
        return
    if not isinstance(family, IndicatorFamily):
        whole = _compute(family, panel)[:, list(wanted)]
        yield slice(0, panel.n_rows), slice(0, len(wanted)), whole
        return
    for rows, bars in _bars(family, panel):
        for start in range(0, len(wanted), _BLOCK):
            chosen = wanted[start : start + _BLOCK]
            block = np.empty((len(chosen), rows.stop - rows.start), dtype=np.float32)
            for place, column in enumerate(family.columns(bars, chosen)):
                block[place] = _narrow(column)
            yield rows, slice(start, start + len(chosen)), block.T


def _compute(family: FeatureFamily, panel: Panel) -> Float[np.ndarray, "R F"]:
    """All columns of a family as float32; those whose inputs are absent are NaN."""
    if isinstance(family, CrossAssetFeatures):
        return _narrow(family.compute(panel))
    assert isinstance(family, AssetFeatures)
    values = np.empty((panel.n_rows, len(family.features())), dtype=np.float32)
    for rows, bars in _bars(family, panel):
        values[rows] = _narrow(family.compute(bars))
    return values


def _bars(family: FeatureFamily, panel: Panel) -> Iterator[tuple[slice, Bars]]:
    """Rows and bars of each asset as a family reads them; NaN where the panel lacks a column."""
    names = sorted({column for feature in family.features() for column in feature.inputs})
    inputs = {
        name: panel.available(name) if panel.has(name) else np.full(panel.n_rows, np.nan)
        for name in names
    }
    for asset in range(panel.n_assets):
        rows = panel.rows(asset)
        yield (
            rows,
            {name: np.array(x[rows], dtype=np.float64, order="C") for name, x in inputs.items()},
        )


def _narrow(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """float32; what it cannot hold becomes infinite and is counted later."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _lag(panel: Panel, feature: Feature) -> int:
    """Bars that the latest of a feature's inputs becomes known late."""
    return max((panel.columns[panel.index(name)].lag for name in feature.inputs), default=0)
