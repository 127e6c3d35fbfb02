"""A pipeline on the terminal: a line per stage, then its artifacts."""

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from regimecast.report.numbers import duration
from regimecast.stages.manifest import PipelineManifest
from regimecast.stages.report import size
from regimecast.stages.runner import Progress

__all__ = ["artifact_table", "stage_line"]

_NAME, _TIME = 13, 10
_DIGITS = 12
"""Of a hash; the manifest has all 64."""


def stage_line(progress: Progress) -> Text:
    """What became of a stage, in one line."""
    name = f"{progress.stage:<{_NAME}}"
    if not progress.ran:
        return Text(f"{name} {'-':>{_TIME}}  unchanged, skipped", "dim")
    return Text.assemble(
        (name, "bold"), f" {duration(progress.record.seconds):>{_TIME}}  {progress.record.said}"
    )


def artifact_table(manifest: PipelineManifest) -> Table:
    """Every artifact with its size and the first digits of its SHA-256."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("artifact", "size", "sha256"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for stage, record in manifest.stages.items():
        for name, artifact in record.artifacts.items():
            table.add_row(f"{stage}/{name}", size(artifact.bytes), artifact.sha256[:_DIGITS])
    return table
