"""The labelling library against mlfinpy 0.1.2 on 130,000 real minutes.

| | mlfinpy | here | equal on this file |
|---|---|---|---|
| CUSUM events | log returns, strict, the side that passed starts anew | the same | 6,552 of 6,552 |
| end of the data | left out unless a barrier is met | `INCOMPLETE` | the same 9 |
| deadline | 240 minutes of clock time | 240 bars | 6,537 of 6,543; 6 cross missing minutes |
| label | sign of the touch; at the deadline log return against target | simple return | 2 differ |
| return | simple, at the close that touched | the same without highs and lows | all but the 6 |
| meta-label | 1 where side · return > 0 | the same, after costs | all but the 6 |
| average uniqueness | entry and exit included | the same | 6,543 of 6,543 |
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.labels import (
    INCOMPLETE,
    TripleBarrierLabels,
    average_uniqueness,
    cusum_events,
    meta_labels,
    sequential_bootstrap,
    triple_barrier,
)
from tests.labels.conftest import Golden


@pytest.fixture(scope="session")
def labels(golden: Golden) -> TripleBarrierLabels:
    """From nothing but closes to labels."""
    change = pd.Series(golden.close).pct_change()
    target = (change.ewm(span=1440).std() * np.sqrt(240)).to_numpy()
    np.testing.assert_allclose(target[golden.entries], golden.target, rtol=1e-9)
    events = cusum_events(golden.close, 0.005)
    return triple_barrier(
        golden.close, None, None, upper=target, lower=target, horizon=240, entries=events
    )


@pytest.fixture(scope="session")
def same(golden: Golden, labels: TripleBarrierLabels) -> np.ndarray:
    """Golden labels with the same exit; the others cross missing minutes."""
    mine = labels.exit[: len(golden.exits)]
    other = np.flatnonzero(mine != golden.exits)
    assert len(other) == 6
    minutes = (golden.time[mine[other]] - golden.time[golden.entries[other]]) / pd.Timedelta("1min")
    assert (minutes > mine[other] - golden.entries[other]).all()
    return np.flatnonzero(mine == golden.exits)


def test_events_and_what_is_incomplete_at_the_end(
    golden: Golden, labels: TripleBarrierLabels, shared_data: Path
):
    meta = json.loads((shared_data / "golden" / "mlfinpy_tb_meta.json").read_text())
    events = cusum_events(golden.close, 0.005)
    assert len(events) == meta["n_events"] == 6552
    np.testing.assert_array_equal(events[labels.label != INCOMPLETE], golden.entries)
    assert (labels.label[-9:] == INCOMPLETE).all()


def test_labels_and_returns(golden: Golden, labels: TripleBarrierLabels, same: np.ndarray):
    np.testing.assert_allclose(labels.ret[same], golden.ret[same], rtol=1e-9, atol=1e-12)
    # Twice mlfinpy calls a touch what its own return and target say is none: it compares the log
    # return of the deadline's close with a distance meant for simple returns.
    touched = np.abs(golden.ret) >= golden.target
    assert (touched != (golden.label != 0)).sum() == 2
    np.testing.assert_array_equal(
        labels.label[same], np.where(touched[same], golden.label[same], 0)
    )


def test_meta_labels(golden: Golden, labels: TripleBarrierLabels, same: np.ndarray):
    side = np.where(np.arange(len(labels.label)) % 3 == 0, -1, 1)
    mine = meta_labels(side, labels)
    np.testing.assert_array_equal(mine[same], side[same] * golden.ret[same] > 0)
    assert (mine[-9:] == INCOMPLETE).all()


def test_average_uniqueness(golden: Golden):
    mine = average_uniqueness(golden.entries, golden.exits, len(golden.close))
    np.testing.assert_allclose(mine, golden.uniqueness, rtol=1e-9)


def test_sequential_draws_of_real_labels_overlap_less(golden: Golden):
    n_bars = len(golden.close)
    drawn = sequential_bootstrap(golden.entries, golden.exits, n_bars, size=1000, seed=3)
    plain = np.random.default_rng(3).integers(0, len(golden.entries), 1000)
    mean = [
        average_uniqueness(golden.entries[some], golden.exits[some], n_bars).mean()
        for some in (drawn, plain)
    ]
    assert mean[0] > 1.1 * mean[1]
