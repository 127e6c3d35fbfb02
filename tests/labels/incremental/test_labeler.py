import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.hashing import hash_json
from regimecast.labels import INCOMPLETE, IncrementalLabeler, LabelRule, format_delta_summary
from regimecast.labels.incremental import layout
from regimecast.labels.incremental import rule as rule_module
from regimecast.labels.incremental.store import FORMAT
from tests.labels.incremental.market import RULE, RULES, assert_same_bytes, bars, labelled, name_of

TABLE = bars(400, 1, gaps=True)


@pytest.fixture
def mine(small_segments, tmp_path: Path) -> IncrementalLabeler:
    labeler = IncrementalLabeler(tmp_path, rule=RULE)
    labeler.update("BTC/USDT", TABLE[:300])
    return labeler


def segments(labeler: IncrementalLabeler) -> list[Path]:
    store = labeler._store("BTC/USDT")
    return [store.folder / segment.name for segment in store.state().segments]


def test_nothing_new_changes_no_file(mine):
    before = {path: path.stat().st_mtime_ns for path in mine.folder.rglob("*.*")}
    update = mine.update("BTC/USDT", TABLE[250:300])
    assert (update.action, update.new, update.repeated) == ("cache", 0, 50)
    assert len(update.labels) == 0
    assert mine.update("BTC/USDT").action == "cache"
    assert mine.update("BTC/USDT", TABLE[:0]).action == "cache"
    assert before == {path: path.stat().st_mtime_ns for path in mine.folder.rglob("*.*")}


def test_new_bars_leave_finished_files_alone(mine):
    before = segments(mine)
    update = mine.update("BTC/USDT", TABLE[300:310])
    assert (update.action, update.new) == ("incremental", 10)
    assert segments(mine)[: len(before) - 1] == before[:-1]


def test_the_number_of_files_grows_with_the_logarithm_of_the_rows(mine):
    for start in range(300, 400, 10):
        mine.update("BTC/USDT", TABLE[start : start + 10])
    sizes = [segment.rows for segment in mine._store("BTC/USDT").state().segments]
    assert sum(sizes) == 400
    assert max(sizes) <= layout.PIECE
    small = [size for size in sizes if size <= layout.PIECE // 2]
    assert len(small) <= 4


def test_an_event_rule_enters_at_events_alone(mine):
    events = replace(RULE, entries="cusum")
    other = IncrementalLabeler(mine.folder, rule=events)
    assert other.update("BTC/USDT").action == "full"
    cache = other.load_cache("BTC/USDT")
    assert 10 < cache.entry.sum() < 100
    assert (cache.label[~cache.entry] == INCOMPLETE).all()
    assert cache.exit[~cache.entry].isna().all()
    # Bars that are no entries are not waiting for anything.
    waiting = cache.entry & (cache.label == INCOMPLETE)
    assert other.detect("BTC/USDT", TABLE[:300]).incomplete == waiting.sum() < RULE.horizon


def test_files_of_another_format(mine):
    path = mine._store("BTC/USDT").folder / "state.json"
    content = json.loads(path.read_text())
    content.pop("sha256")

    def write(values):
        path.write_text(json.dumps({**values, "sha256": hash_json(values)}))

    write({**content, "format": FORMAT + 1})
    for call in (mine.load_cache, mine.update):
        with pytest.raises(DataError, match=r"format 3, made by a newer version .* reads 2"):
            call("BTC/USDT")
    write({key: value for key, value in content.items() if key != "format"})
    with pytest.raises(DataError, match="format 1; this version writes 2"):
        mine.load_cache("BTC/USDT")
    update = mine.update("BTC/USDT", TABLE[300:])  # the bars of old files are read
    assert (update.action, update.damaged) == ("full", ())
    assert "format 1" in update.reason
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE, RULE))


def test_open_entries_at_the_edge_are_completed(mine):
    edge = mine.load_cache("BTC/USDT").iloc[-RULE.horizon :]
    assert (edge.label == INCOMPLETE).any()
    update = mine.update("BTC/USDT", TABLE[300:340])
    assert (update.labels.loc[edge.index].label != INCOMPLETE).all()


@pytest.mark.parametrize(
    "changed",
    [
        replace(RULE, upper=2.5),
        replace(RULE, commission_bps=1.1),
        replace(RULE, slippage_bps=0.0),
        *RULES[1:],
    ],
)
def test_a_change_of_rule_or_cost_labels_everything_anew(mine, changed):
    other = IncrementalLabeler(mine.folder, rule=changed)
    assert other.config_hash != mine.config_hash
    update = other.update("BTC/USDT", TABLE[300:310])
    assert (update.action, update.reason) == ("full", "config, costs, code or columns changed")
    assert_same_bytes(other.load_cache("BTC/USDT"), labelled(TABLE[:310], changed))
    # Without bars as well: the labeler keeps what it needs.
    assert mine.update("BTC/USDT").action == "full"
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE[:310], RULE))


def test_a_change_of_the_code_labels_everything_anew(mine, monkeypatch):
    before = mine.config_hash
    monkeypatch.setattr(rule_module, "_code_version", lambda: "other code")
    assert mine.config_hash != before
    assert mine.cached_hash("BTC/USDT") == before
    assert mine.update("BTC/USDT", TABLE[300:]).action == "full"
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE, RULE))


def test_conflicts_are_kept_apart_and_overwrite_nothing(mine):
    before = mine.load_cache("BTC/USDT")
    wrong = TABLE[100:103] * 1.5
    update = mine.update("BTC/USDT", pd.concat([TABLE[90:100], wrong]))
    assert (update.action, update.conflicts, update.repeated) == ("cache", 3, 10)
    assert_same_bytes(mine.load_cache("BTC/USDT"), before)
    kept = mine.conflicts("BTC/USDT")
    np.testing.assert_array_equal(kept.close, TABLE.close[100:103])
    np.testing.assert_array_equal(kept.given_close, wrong.close)
    mine.update("BTC/USDT", pd.concat([TABLE[300:], wrong[:1]]))
    assert len(mine.conflicts("BTC/USDT")) == 3  # each once
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE, RULE))


def test_of_two_bars_with_one_time_in_one_update_the_first_counts(mine):
    update = mine.update("BTC/USDT", pd.concat([TABLE[300:310], TABLE[309:310] * 1.1]))
    assert (update.new, update.conflicts) == (10, 1)
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE[:310], RULE))


@pytest.mark.parametrize("damage", ["flip", "cut", "delete", "silent flip"])
@pytest.mark.parametrize("which", [0, 2, -1])
def test_a_damaged_file_is_found_and_made_good(mine, damage, which, caplog):
    path = segments(mine)[which]
    content = bytearray(path.read_bytes())
    facts = path.stat()
    content[len(content) // 2] ^= 1
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if damage == "cut" else content)
    with pytest.raises(DataError, match=r"(missing|content).* bars from 2024-03-01"):
        mine.load_cache("BTC/USDT")
    if damage == "silent flip":
        os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        update = mine.update("BTC/USDT", TABLE)  # reads every file: the first bars are among them
    else:
        with pytest.raises(DataError, match=r"bars from 2024-03-01 .* full=True"):
            mine.update("BTC/USDT", TABLE[300:310])
        update = mine.update("BTC/USDT", TABLE)
    assert update.action == "full"
    assert update.damaged == (path.name,)
    assert path.name in caplog.text
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE, RULE))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"sha256": "0"}', None])
def test_a_damaged_state_is_found_and_made_good(mine, content):
    path = mine._store("BTC/USDT").folder / "state.json"
    path.write_bytes(
        path.read_bytes().replace(b'"rows": ', b'"rows": 1') if content is None else content
    )
    for call in (mine.load_cache, mine.cached_hash, lambda asset: mine.detect(asset, TABLE)):
        with pytest.raises(DataError, match=r"state\.json.*an update with any bars makes it good"):
            call("BTC/USDT")
    with pytest.raises(DataError, match=r"state\.json.*give the bars"):
        mine.update("BTC/USDT")
    update = mine.update("BTC/USDT", TABLE[300:])  # the other bars are in sound files
    assert (update.action, update.damaged) == ("full", ("state.json",))
    assert "300 bars recovered" in update.reason
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE, RULE))


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_damaged_state_loses_nothing_of_a_window(small_segments, tmp_path, rule):
    mine = IncrementalLabeler(tmp_path, rule=rule, rolling_window_days=0.1)
    for start in range(0, 400, 40):
        mine.update("a", TABLE[start : start + 40])
    (tmp_path / "a" / "state.json").write_bytes(b"")
    before = mine._store("a").found("")[0][0].time[0]
    assert before > TABLE.index.asi8[20]
    mine.update("a", TABLE[-1:])
    assert_same_bytes(mine.load_cache("a"), labelled(TABLE, rule).loc[mine.load_cache("a").index])


def test_an_update_that_fails_changes_nothing(mine):
    before = mine.load_cache("BTC/USDT")
    for broken, message in (
        (TABLE[300:].assign(close=np.nan), "close=nan"),
        (TABLE[300:].assign(low=0.0), "low=0.0"),
        (TABLE[300:].assign(high=TABLE.low * 0.9), "is below low"),
        (TABLE[300:].drop(columns="high"), "no high"),
        (TABLE[300:].reset_index(drop=True), "datetime"),
        (TABLE[300:].assign(close="x"), "not numbers"),
    ):
        with pytest.raises(DataError, match=message):
            mine.update("BTC/USDT", broken)
    assert_same_bytes(mine.load_cache("BTC/USDT"), before)


def test_a_folder_that_cannot_be_written_to(mine, monkeypatch):
    before = mine.load_cache("BTC/USDT")

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DataError, match=r"cannot be written to.*No space left"):
        mine.update("BTC/USDT", TABLE[300:])
    assert_same_bytes(mine.load_cache("BTC/USDT"), before)


def test_bars_from_before_the_window_are_left_out(small_segments, tmp_path):
    table = bars(400, 2)
    mine = IncrementalLabeler(tmp_path, rule=RULE, rolling_window_days=100 / 1440)
    mine.update("a", table[50:])
    before = mine.load_cache("a")
    assert list(before.index) == list(table.index[-100:])
    update = mine.update("a", table[:200])
    assert (update.action, update.expired) == ("cache", 200)
    assert_same_bytes(mine.load_cache("a"), before)


def test_times_with_a_zone_and_times_in_a_column(mine):
    zoned = TABLE[300:350].tz_localize("UTC").tz_convert("Asia/Tokyo")
    assert mine.update("BTC/USDT", zoned).new == 50
    assert mine.update("BTC/USDT", TABLE[340:].reset_index()).new == 50
    assert_same_bytes(mine.load_cache("BTC/USDT"), labelled(TABLE, RULE))


@pytest.mark.parametrize("asset", ["BTC/USDT", "^GSPC", "..x", "a b", "日経"])
def test_any_name_of_an_asset_is_a_folder(tmp_path, asset):
    mine = IncrementalLabeler(tmp_path, rule=RULE)
    mine.update(asset, TABLE)
    assert len(mine.load_cache(asset)) == 400
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_not_there(tmp_path):
    mine = IncrementalLabeler(tmp_path, rule=RULE)
    for call in (mine.update, mine.load_cache):
        with pytest.raises(DataError, match="'a' has no labels"):
            call("a")
    with pytest.raises(ConfigError, match=r"asset='\.\.'"):
        mine.update("..", TABLE)
    with pytest.raises(ConfigError, match="rolling_window_days=0"):
        IncrementalLabeler(tmp_path, rule=RULE, rolling_window_days=0)
    assert not list(tmp_path.iterdir())


def test_modes(tmp_path):
    scalp = IncrementalLabeler.for_mode("scalp", tmp_path, rolling_window_days=90).rule
    assert (scalp.upper, scalp.lower, scalp.horizon) == (0.0015, 0.001, 30)
    runner = LabelRule.for_mode("runner", commission_bps=2)
    assert (runner.upper, runner.lower, runner.horizon) == (0.008, 0.004, 7 * 1440)
    assert runner.cost_bps == 4.0
    with pytest.raises(ConfigError, match=r"mode='scalper'.*mean 'scalp'.*runner, scalp"):
        IncrementalLabeler.for_mode("scalper", tmp_path)
    with pytest.raises(ConfigError, match=r"'horizn'.*mean 'horizon'"):
        IncrementalLabeler.for_mode("scalp", tmp_path, horizn=3)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("upper", 0.0),
        ("upper", "2"),
        ("lower", np.inf),
        ("floor", -1.0),
        ("horizon", 0),
        ("horizon", 2.5),
        ("window", 1),
        ("commission_bps", -1.0),
        ("slippage_bps", np.nan),
        ("event_size", 0.0),
        ("entries", "some"),
        ("unit", "x"),
        ("tie", "y"),
    ],
)
def test_a_rule_names_what_is_out_of_range(key, value):
    with pytest.raises(ConfigError, match=rf"labels\.{key}="):
        LabelRule.for_mode("scalp", **{key: value})


def test_what_detect_says_is_what_update_does(mine):
    late = IncrementalLabeler(mine.folder, rule=RULES[1])
    for labeler, more in (
        (mine, TABLE[250:300]),
        (mine, TABLE[290:320]),
        (late, TABLE[310:330]),
        (late, TABLE[310:330]),
    ):
        delta = labeler.detect("BTC/USDT", more)
        update = labeler.update("BTC/USDT", more)
        assert (delta.action, delta.new, delta.late) == (update.action, update.new, update.late)
    first = mine.detect("new", TABLE)
    assert (first.action, first.config, first.new) == ("full", "none", 400)
    assert "nothing to do" in format_delta_summary(late.detect("BTC/USDT", TABLE[:9]))
