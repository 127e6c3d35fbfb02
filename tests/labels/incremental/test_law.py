"""Whatever the chunks, restarts, gaps, late bars and rules: equal to labelling once."""

import tempfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regimecast.labels import IncrementalLabeler
from tests.labels.incremental.market import (
    MEMORY,
    RULES,
    Reference,
    assert_same_bytes,
    bars,
    name_of,
)


@st.composite
def histories(draw):
    """Bars in chunks, some of them out of order or given twice, each under one of the rules."""
    length = draw(st.integers(2, 260))
    table = bars(length, draw(st.integers(0, 1_000)), gaps=draw(st.booleans()))
    cuts = sorted(draw(st.sets(st.integers(1, length), max_size=8)) | {length})
    chunks = [list(range(a, b)) for a, b in zip([0, *cuts[:-1]], cuts, strict=True) if a < b]
    for source in range(len(chunks) - 1):
        if draw(st.booleans()):  # some bars arrive late, in a later chunk
            target = draw(st.integers(source + 1, len(chunks) - 1))
            share = draw(st.sampled_from([2, 3, 7]))
            moved = chunks[source][1::share]
            chunks[source] = [bar for bar in chunks[source] if bar not in moved]
            chunks[target] = [*chunks[target], *moved]
        if draw(st.booleans()):  # and some again
            chunks[source + 1] = [*chunks[source][-5:], *chunks[source + 1]]
    rule = draw(st.sampled_from(RULES))
    steps = []
    for chunk in chunks:
        if draw(st.integers(0, 4)) == 0:
            rule = draw(st.sampled_from(RULES))
        steps.append((table.iloc[draw(st.permutations(chunk)) if len(chunk) < 9 else chunk], rule))
    days = draw(st.sampled_from([None, 60 / 1440, 150 / 1440, 10.0]))
    return steps, days


@given(histories())
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_updates_equal_a_full_relabel_to_the_byte(small_segments, history):
    steps, days = history
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        reference = Reference(steps[0][1], days)
        for more, rule in steps:
            reference.give(more, rule)
            # A new object each time: nothing lives on but the files.
            mine = IncrementalLabeler(folder, rule=rule, rolling_window_days=days)
            if not len(reference.table):
                continue
            update = mine.update("BTC/USDT", more)
            assert update.conflicts == 0
            cache = mine.load_cache("BTC/USDT")
            assert_same_bytes(cache, reference.labels)
            written = update.labels
            assert_same_bytes(written, cache.loc[written.index])


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_an_update_tells_every_label_that_it_changed(small_segments, tmp_path, rule):
    table = bars(400, 3, gaps=True)
    mine = IncrementalLabeler(tmp_path, rule=rule)
    mine.update("a", table[:300].drop(table.index[200:220]))
    before = mine.load_cache("a")
    update = mine.update("a", table[195:330])
    assert (update.action, update.reason) == ("incremental", "late bars")
    assert (update.new, update.late, update.repeated) == (50, 20, 85)
    after = mine.load_cache("a")
    untouched = after.index.difference(update.labels.index)
    assert len(untouched) > 100
    assert_same_bytes(after.loc[untouched], before.loc[untouched])


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_forced_relabel_keeps_the_recursive_state(small_segments, memory, rule):
    table = bars(500, 5)
    reference = Reference(rule, 100 / 1440)
    mine = IncrementalLabeler(memory, rule=rule, rolling_window_days=100 / 1440)
    for start in range(0, 500, 50):
        mine.update("a", table[start : start + 50])
        reference.give(table[start : start + 50], rule)
    update = mine.update("a", full=True)
    assert (update.action, update.reason) == ("full", "asked for")
    assert_same_bytes(mine.load_cache("a"), reference.labels)


def test_files_hold_no_more_than_the_window_and_a_few_segments(small_segments, tmp_path):
    table = bars(3_000, 6)
    mine = IncrementalLabeler(tmp_path, rule=RULES[0], rolling_window_days=200 / 1440)
    for start in range(0, 3_000, 50):
        mine.update("a", table[start : start + 50])
    segments = mine._store("a").state().segments
    assert 200 <= sum(segment.rows for segment in segments) < 300
    assert len(list((tmp_path / "a").glob("segment-*"))) == len(segments)
    assert len(mine.load_cache("a")) == 200


@pytest.mark.parametrize("step", [17, 35])
@pytest.mark.parametrize("first", range(len(RULES)))
def test_a_window_through_changes_of_the_rule_and_late_bars(small_segments, memory, first, step):
    table = bars(700, 7)
    late = table.index[[i for i in range(700) if i % step == 3]]
    reference = Reference(RULES[first], 100 / 1440)
    for number, start in enumerate(range(0, 700, step)):
        rule = RULES[(first + number // 4) % len(RULES)]
        # The late bar of an earlier chunk comes when the window is about to pass it.
        more = table[start : start + step].drop(late, errors="ignore")
        if start >= 2 * step:
            more = table.loc[[*more.index, late[number - 2]]]
        reference.give(more, rule)
        mine = IncrementalLabeler(memory, rule=rule, rolling_window_days=100 / 1440)
        mine.update("a", more)
        assert_same_bytes(mine.load_cache("a"), reference.labels)
