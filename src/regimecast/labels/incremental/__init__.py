"""Labels that are kept on disk and brought up to date with new bars.

`rule` says what a label is, `rows` holds bars beside their labels, `fold` adds bars to them,
`store` keeps them in files, `layout` says in how many, `plan` finds out what an update has to
touch, `labeler` does it, `quarantine` holds bars that contradict known ones, and `delta` says
beforehand what there is to do.
"""

from regimecast.labels.incremental.delta import Delta, DeltaDetector, format_delta_summary
from regimecast.labels.incremental.labeler import IncrementalLabeler, LabelUpdate
from regimecast.labels.incremental.rule import LabelRule

__all__ = [
    "Delta",
    "DeltaDetector",
    "IncrementalLabeler",
    "LabelRule",
    "LabelUpdate",
    "format_delta_summary",
]
