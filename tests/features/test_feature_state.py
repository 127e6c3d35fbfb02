"""States of features on disk, and what an update refuses."""

from dataclasses import replace

import numpy as np
import pytest

from regimecast.core.errors import DataError
from regimecast.data.panel import Column
from regimecast.features.base import LOOKBACKS
from regimecast.features.blocks import BLOCK
from regimecast.features.pipeline import FeaturePipeline, FeatureState
from tests.data.panels import random_panel
from tests.features.markets import only, packaged, with_vix

FAMILIES = {name: packaged(name) for name in ("trend", "cross_asset")}


@pytest.fixture
def pipeline():
    return FeaturePipeline(FAMILIES, missing="error")


@pytest.fixture
def panel():
    return random_panel(120, 120)


def day(panel, row):
    return np.unique(panel.time)[row]


def after(panel, time):
    keep = panel.time > time
    return replace(
        panel,
        values=panel.values[keep],
        time=panel.time[keep],
        offsets=np.concatenate([[0], np.cumsum(keep)])[panel.offsets],
    )


def test_a_state_comes_back_as_it_was_saved(pipeline, panel, tmp_path):
    _, state = pipeline.update(None, panel)
    state.save(str(tmp_path))
    found = FeatureState.load(str(tmp_path))
    assert found.version == state.version == pipeline.version
    assert found.bars.content_hash == state.bars.content_hash
    np.testing.assert_array_equal(found.dropped, state.dropped)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_flipped_byte_anywhere_is_found(pipeline, panel, tmp_path):
    _, state = pipeline.update(None, panel.until(day(panel, 3)))
    state.save(tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    for at in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(DataError, match=r"features\.state is damaged.*whole panel again"):
            FeatureState.load(tmp_path)
    for length in (0, 7, 32, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="whole panel again"):
            FeatureState.load(tmp_path)


def test_a_save_that_fails_leaves_the_old_state(pipeline, panel, tmp_path, monkeypatch):
    _, state = pipeline.update(None, panel.until(day(panel, 90)))
    state.save(tmp_path)
    _, later = pipeline.update(state, after(panel, day(panel, 90)))
    monkeypatch.setattr("os.fsync", lambda file: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        later.save(tmp_path)
    assert FeatureState.load(tmp_path).bars.content_hash == state.bars.content_hash
    assert len(list(tmp_path.iterdir())) == 1


def test_no_state_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"holds no state.*whole panel again"):
        FeatureState.load(tmp_path)


def test_a_state_of_other_features_or_columns_is_refused(pipeline, panel):
    _, state = pipeline.update(None, panel.until(day(panel, 90)))
    new = after(panel, day(panel, 90))
    other = FeaturePipeline({**FAMILIES, "momentum": packaged("momentum")}, missing="error")
    with pytest.raises(DataError, match=r"of version .* whole panel again"):
        other.update(state, new)
    late = (*new.columns[:-1], Column("volume", lag=1))
    for changed in (
        only(new, "open", "high", "low", "close"),
        with_vix(new),
        replace(new, columns=late),
    ):
        with pytest.raises(DataError, match=r"columns of new bars.*whole panel again"):
            pipeline.update(state, changed)
    with pytest.raises(DataError, match="frequency of new bars are 1h"):
        pipeline.update(state, replace(new, frequency="1h"))


def test_bars_that_come_late_or_again_are_refused(pipeline, panel):
    _, state = pipeline.update(None, panel.until(day(panel, 90)))
    again = after(panel, day(panel, 89))
    with pytest.raises(DataError, match=r"'A0' has a bar at .*leave it out, or compute"):
        pipeline.update(state, again)
    # Relations: a bar of any asset changes what was said of the others at its time.
    ahead = after(panel, day(panel, 90)).select(("A0",))
    _, further = pipeline.update(state, ahead)
    with pytest.raises(DataError, match="'A1' has a bar at"):
        pipeline.update(further, after(panel, day(panel, 90)).select(("A1",)))


def test_without_relations_assets_come_in_turn(panel):
    pipeline = FeaturePipeline({"trend": packaged("trend")}, missing="error")
    whole = pipeline.compute(panel)
    state = None
    for name in ("A1", "A0"):
        table, state = pipeline.update(state, panel.select((name,)))
        rows = panel.rows(panel.assets.index(name))
        np.testing.assert_array_equal(table.values, whole.values[rows])
    with pytest.raises(DataError, match="'A1' has a bar at"):
        pipeline.update(state, panel.select(("A1",)))


def test_nothing_new_gives_no_rows_and_the_same_state(pipeline, panel):
    nothing = after(panel, day(panel, -1))
    table, empty = pipeline.update(None, nothing)
    assert table.values.shape == (0, len(pipeline.declarations(panel)))
    first, state = pipeline.update(empty, panel)
    np.testing.assert_array_equal(first.values, pipeline.compute(panel).values)
    table, same = pipeline.update(state, nothing)
    assert table.values.shape[0] == 0
    assert same.bars.content_hash == state.bars.content_hash


def test_relations_appear_with_the_second_asset(pipeline, panel):
    whole = pipeline.compute(panel)
    alone = panel.select(("A0",)).until(day(panel, 60))
    first, state = pipeline.update(None, alone)
    assert len(first.names) < len(whole.names)
    second, _ = pipeline.update(state, after(panel, day(panel, 60)))
    assert second.names == whole.names


def test_a_state_does_not_grow_with_the_bars():
    pipeline = FeaturePipeline({"momentum": packaged("momentum")}, missing="error")
    panel = random_panel(30_000)
    _, state = pipeline.update(None, panel)
    lookback = max(feature.lookback for feature in pipeline.declarations(panel))
    before = 30_000 // BLOCK * BLOCK - LOOKBACKS * lookback - 1
    assert state.bars.n_rows == 30_000 - before < 2 * BLOCK
    assert state.dropped[0] + state.bars.n_rows == 30_000
