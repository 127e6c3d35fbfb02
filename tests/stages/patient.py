"""A target that waits for a file, and the command line with it: a stage to be killed in."""

import time
from pathlib import Path

import numpy as np

from regimecast.data.panel import Panel
from regimecast.labels.base import TargetRegistry, TargetSeries
from regimecast.labels.forward_return import ForwardReturn


class Patient(ForwardReturn):
    """Forward returns of 3 bars, computed once the file `gate` is there."""

    def __init__(self, *, gate: str) -> None:
        super().__init__(horizon=3, scale="volatility", volatility_window=20, volatility_floor=1e-4)
        self._gate = Path(gate)

    def compute(self, panel: Panel) -> TargetSeries:
        while not self._gate.exists():
            time.sleep(0.02)
        series = super().compute(panel)
        assert np.isfinite(series.scale).any()
        return series


def main() -> None:
    from regimecast import cli

    TargetRegistry.register("patient")(Patient)
    cli.main()
