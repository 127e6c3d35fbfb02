"""No regimes: unknown everywhere, whatever the bars hold."""

from dataclasses import replace

import numpy as np

from regimecast.core.types import Interval
from regimecast.data.panel import Column
from regimecast.regimes.base import RegimeRegistry
from tests.data.panels import random_panel


def test_every_code_is_unknown_and_no_price_is_needed():
    panel = random_panel(30, 20)
    bare = replace(panel, values=-panel.values[:, :1], columns=(Column("value"),))
    labeller = RegimeRegistry.create("none")
    for bars in (panel, bare):
        codes = labeller.fit(bars, Interval(bars.time[0], bars.time[9])).label(bars)
        assert codes.dtype == np.int8
        assert codes.tolist() == [-1] * 50
    assert labeller.state() == {}
