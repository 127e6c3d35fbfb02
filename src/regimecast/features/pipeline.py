"""`FeaturePipeline`: chosen families, checked, computed on a panel and described.

The one place that meets real data's gaps: columns a source does not have, values that are not
finite, panels of a single asset. Families stay pure functions of bars.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Shaped

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.hashing import hash_json
from regimecast.data.panel import Panel
from regimecast.features.base import (
    AssetFeatures,
    CalendarFeatures,
    CrossAssetFeatures,
    Feature,
    FeatureRegistry,
)
from regimecast.features.blocks import (
    Excerpt,
    blank_infinite,
    fill_asset_features,
    fill_cross_features,
)
from regimecast.features.table import FeatureTable
from regimecast.features.update import FeatureState, joined, remainder
from regimecast.features.versions import code_of, feature_version

__all__ = ["FeaturePipeline", "FeatureState", "FeatureTable", "Missing"]

_log = logging.getLogger(__name__)

Missing = Literal["skip", "error"]


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
        """Past features that `compute` gives on a panel; lookback and lag with the inputs' lags.

        Raises:
            DataError: a feature needs a column that the panel lacks and `missing` is ``error``.
        """
        return tuple(
            replace(feature, lookback=feature.lookback + lag, lag=feature.lag + lag)
            for name in self._past(panel)
            for feature in self._families[name].features()
            if self._supported(panel, name, feature)
            for lag in (_lag(panel, feature),)
        )

    def compute(
        self, panel: Panel, *, out: Float32[np.ndarray, "R F"] | None = None
    ) -> FeatureTable:
        """Past features of every row, from what was available at its close.

        Values that are not finite in float32 become NaN; their number is logged.

        Args:
            panel: bars.
            out: where to write the values, a column for each of `declarations`; a new array where
                left out.

        Raises:
            DataError: a feature needs a column that the panel lacks and `missing` is ``error``.
        """
        return self._evaluate(Excerpt.whole(panel), out)

    def update(self, state: FeatureState | None, bars: Panel) -> tuple[FeatureTable, FeatureState]:
        """Past features of new bars, and the state to go on from, with a part of the work.

        The rows are, to the byte, those that `compute` gives the same bars of a panel that holds
        all bars so far. Columns are the same too, except that relations between assets appear with
        the second asset, where rows before hold NaN.

        Args:
            state: what the update before returned; None at the start.
            bars: bars that are all new, of old or new assets, in any number. With relations between
                assets every new bar is later than every bar before.

        Raises:
            DataError: bars come late or again, columns differ from those before, the state is of
                another version of the features, or a needed column is missing, as in `compute`.
        """
        excerpt = joined(state, bars, version=self.version, related=bool(self._related))
        table = self._evaluate(excerpt, None)
        kept = remainder(
            excerpt, version=self.version, own=list(self._own.values()), related=self._related
        )
        return table, kept

    def _evaluate(
        self, excerpt: Excerpt, values: Float32[np.ndarray, "R F"] | None
    ) -> FeatureTable:
        panel = excerpt.panel
        declarations = self.declarations(panel)
        # Filled in place: the table is most of what a large panel needs.
        if values is None:
            values = np.empty((int(excerpt.wanted.sum()), len(declarations)), dtype=np.float32)
        own, first = [], 0
        for name in self._past(panel):
            family = self._families[name]
            wanted = [
                column
                for column, feature in enumerate(family.features())
                if self._supported(panel, name, feature)
            ]
            if isinstance(family, CrossAssetFeatures):
                fill_cross_features(values, excerpt, family, wanted, first)
            else:
                own.append((self._own[name], wanted, first))
            first += len(wanted)
        fill_asset_features(values, excerpt, own)
        self._report_left_out(panel)
        infinite = blank_infinite(values)
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
        """One row per declared feature: family, name, version and what it declares.

        The lag is that of the feature itself, to which `declarations` adds those of the columns;
        calendar features are known ``ahead``. Parameters are those of the family.
        """
        columns = ["family", "name", "version", "lookback", "lag", "inputs", "parameters", "units"]
        rows = [
            (
                name,
                f.name,
                feature_version(family, self._parameters[name], f),
                f.lookback,
                "ahead" if isinstance(family, CalendarFeatures) else f.lag,
                " ".join(f.inputs),
                " ".join(f"{key}={value}" for key, value in self._parameters[name].items()),
                f.units,
                f.source,
            )
            for name, family in self._families.items()
            for f in family.features()
        ]
        return pd.DataFrame(rows, columns=[*columns, "source"])

    @cached_property
    def _known(self) -> dict[str, CalendarFeatures]:
        return {n: f for n, f in self._families.items() if isinstance(f, CalendarFeatures)}

    @cached_property
    def _own(self) -> dict[str, AssetFeatures]:
        return {n: f for n, f in self._families.items() if isinstance(f, AssetFeatures)}

    @cached_property
    def _related(self) -> list[CrossAssetFeatures]:
        return [f for f in self._families.values() if isinstance(f, CrossAssetFeatures)]

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


def _lag(panel: Panel, feature: Feature) -> int:
    """Bars that the latest of a feature's inputs becomes known late."""
    return max((panel.columns[panel.index(name)].lag for name in feature.inputs), default=0)
