"""Targets: what a model is asked to forecast, and which bars each target reads.

The functions exported here label the bars of one asset, given as arrays, and weigh the labels. They
need no panel and no config. A label is `INCOMPLETE` until the bars it reads are there, and does not
change when bars are appended. `IncrementalLabeler` keeps such labels on disk and goes on from them.
"""

from regimecast.data.overlap import average_uniqueness, concurrency
from regimecast.labels.attribution import return_attribution, time_decay
from regimecast.labels.barriers import TripleBarrierLabels, triple_barrier
from regimecast.labels.base import INCOMPLETE
from regimecast.labels.bootstrap import sequential_bootstrap
from regimecast.labels.cusum import cusum_events
from regimecast.labels.incremental import (
    Delta,
    DeltaDetector,
    IncrementalLabeler,
    LabelRule,
    LabelUpdate,
    format_delta_summary,
)
from regimecast.labels.meta import meta_labels
from regimecast.labels.trends import TrendLabels, trend_scanning
from regimecast.labels.widths import (
    BarrierWidths,
    atr_barriers,
    average_true_range,
    percentage_barriers,
    volatility_barriers,
)

__all__ = [
    "INCOMPLETE",
    "BarrierWidths",
    "Delta",
    "DeltaDetector",
    "IncrementalLabeler",
    "LabelRule",
    "LabelUpdate",
    "TrendLabels",
    "TripleBarrierLabels",
    "atr_barriers",
    "average_true_range",
    "average_uniqueness",
    "concurrency",
    "cusum_events",
    "format_delta_summary",
    "meta_labels",
    "percentage_barriers",
    "return_attribution",
    "sequential_bootstrap",
    "time_decay",
    "trend_scanning",
    "triple_barrier",
    "volatility_barriers",
]
