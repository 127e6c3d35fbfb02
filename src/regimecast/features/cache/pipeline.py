"""`CachedFeaturePipeline`: a pipeline whose tables come from a cache."""

import inspect
import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float32
from typing_extensions import override

from regimecast.core.errors import DataError
from regimecast.core.hashing import hash_json
from regimecast.data.panel import Panel
from regimecast.features.cache.shared import FeatureCache
from regimecast.features.cache.statistics import CacheStatistics
from regimecast.features.pipeline import FeaturePipeline, FeatureTable, Missing

__all__ = ["CachedFeaturePipeline"]

_PACKAGES = ("numpy", "numba", "pandas", "scipy", "TA-Lib", "exchange_calendars")
"""Packages whose version can change the last bits of a feature."""


class CachedFeaturePipeline(FeaturePipeline):
    """A `FeaturePipeline` that computes a table once and has it from then on.

    It is a pipeline and does not hold one, so that nothing leads around the cache. What it gives is
    bit for bit what a `FeaturePipeline` gives. Calendar features (`known`) do not depend on bars
    and are not kept.

    A panel that was asked about stays what it is: its arrays become read-only, for its content hash
    is remembered. Whoever changes it all the same, through a view made before, gets an error where
    features are computed: nothing is ever kept under a hash that is not its bars'.

    Args:
        families: see `FeaturePipeline`.
        missing: see `FeaturePipeline`.
        cache: `shared_cache`, but in tests.

    Raises:
        ConfigError: see `FeaturePipeline`.
    """

    def __init__(
        self, families: Mapping[str, Mapping[str, Any]], *, missing: Missing, cache: FeatureCache
    ) -> None:
        super().__init__(families, missing=missing)
        self._cache = cache

    @override
    def compute(
        self, panel: Panel, *, out: Float32[np.ndarray, "R F"] | None = None
    ) -> FeatureTable:
        """Past features of every row, as `FeaturePipeline.compute`; the values are read-only.

        What is left out for want of a column is logged either way; that infinite values became NaN
        is logged when they are computed.

        Args:
            panel: bars.
            out: where the values go, which then can be written to. A table that the cache or the
                memory has no room for besides is computed there and not kept.

        Raises:
            DataError: see `FeaturePipeline.compute`; or the panel changed since it was hashed.
        """
        if out is not None and not self._cache.keeps(out.nbytes):
            return super().compute(panel, out=out)

        def compute() -> Float32[np.ndarray, "R F"]:
            values = super(CachedFeaturePipeline, self).compute(panel).values
            if replace(panel).content_hash != panel.content_hash:
                raise DataError(
                    "the bars were changed after their panel had been asked for its content hash; "
                    "make a new Panel of changed values"
                )
            return values

        table = self._cache.table(self.key(panel), lambda: self.declarations(panel), compute)
        self._report_left_out(panel)
        if out is None:
            return table
        out[:] = table.values
        return FeatureTable(out, table.features)

    def key(self, panel: Panel) -> str:
        """SHA-256 of what the table depends on, under which the cache keeps it.

        The panel's content (values, times, layout, lags), its last time, the version of the set
        (code, parameters, order, `missing`), the code around the families and the libraries. The
        panel's arrays become read-only.
        """
        for array in (panel.values, panel.time, panel.offsets):
            array.flags.writeable = False
        filled = np.diff(panel.offsets) > 0
        last = panel.time[panel.offsets[1:][filled] - 1]
        return hash_json(
            {
                "bars": panel.content_hash,
                "end": str(last.max()) if len(last) else None,
                "set": self.version,
                "around": _around(),
            }
        )

    @property
    def statistics(self) -> CacheStatistics:
        """Counts of the cache, of all who share it."""
        return self._cache.statistics()


@cache
def _around() -> str:
    """SHA-256 of what a table depends on beside bars and families: code, libraries, processor."""
    code = [inspect.getsource(sys.modules[kind.__module__]) for kind in (FeaturePipeline, Panel)]
    return hash_json([code, platform.machine(), {name: version(name) for name in _PACKAGES}])
