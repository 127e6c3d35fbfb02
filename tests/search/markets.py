"""Made-up bars of which the answer is known, and a search that takes a moment."""

import numpy as np
import yaml

from regimecast.core.config import config_folder
from regimecast.core.parts import settings
from regimecast.data.panel import Column, Panel, Role
from regimecast.labels.barrier_target import TripleBarrier
from regimecast.labels.base import TargetRegistry
from regimecast.search.barriers import BarrierSearch


def drifting(length: int, *, drift: float = 0.0, sigma: float = 0.01, seed: int = 0) -> Panel:
    """Closes of one asset whose log returns have a mean of `drift` standard deviations."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(drift * sigma, sigma, length)))
    time = np.datetime64("2000-01-01", "ns") + np.arange(length) * np.timedelta64(1, "D")
    return Panel(
        values=close[:, None],
        time=time,
        offsets=np.array([0, length]),
        columns=(Column("close", Role.TARGET_SOURCE),),
        assets=("A0",),
        frequency="1D",
        calendar="24/7",
    )


def target(**changes: object) -> TripleBarrier:
    values = yaml.safe_load((config_folder() / "target" / "triple_barrier.yaml").read_text())
    rule = TargetRegistry.create(values.pop("name"), **{**values, **changes})
    assert isinstance(rule, TripleBarrier)
    return rule


def search(**changes: object) -> BarrierSearch:
    """The packaged profile, smaller."""
    path = config_folder() / "labels" / "search" / "barriers.yaml"
    small = {"population": 16, "generations": 12, "horizon": [2, 20]}
    values = {**yaml.safe_load(path.read_text()), **small, **changes}
    return settings(BarrierSearch, "search", {"search": values})
