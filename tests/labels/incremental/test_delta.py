import pandas as pd

from regimecast.labels import INCOMPLETE, DeltaDetector, format_delta_summary
from tests.labels.incremental.market import RULE, bars, labelled

TABLE = bars(300, 4)
LABELS = labelled(TABLE[:240], RULE)


def detect(table, **changes):
    given = {"labels": LABELS, "config_hash": "a", "cached_hash": "a", **changes}
    return DeltaDetector.detect(table, **given)


def test_new_bars():
    delta = detect(TABLE[200:300])
    assert (delta.new, delta.late, delta.action) == (60, 0, "incremental")
    assert (delta.first, delta.last) == (TABLE.index[240], TABLE.index[299])
    assert delta.incomplete == (LABELS.label == INCOMPLETE).sum() > 0
    assert delta.has_new
    assert not delta.requires_full


def test_late_bars():
    delta = detect(TABLE[200:250], labels=LABELS.drop(LABELS.index[210:215]))
    assert (delta.new, delta.late, delta.action) == (15, 5, "incremental")
    expired = detect(TABLE, labels=LABELS[100:], after=LABELS.index[99])
    assert (expired.new, expired.late) == (60, 0)


def test_nothing_new():
    delta = detect(TABLE[:240])
    assert (delta.new, delta.first, delta.action) == (0, None, "cache")


def test_another_config_needs_everything_anew():
    assert detect(TABLE[:240], cached_hash="b").requires_full
    assert detect(TABLE, labels=None, cached_hash=None).config == "none"


def test_summary():
    delta = detect(TABLE[200:300], last_run=pd.Timestamp("2024-03-01 05:00:00.5"))
    text = format_delta_summary(delta, now=pd.Timestamp("2024-03-01 06:30"))
    assert text.splitlines() == [
        "new bars           60: 2024-03-01 04:01:00 to 2024-03-01 05:00:00",
        f"incomplete labels  {delta.incomplete}",
        "config             unchanged",
        "action             incremental: label what the new bars change",
        "last run           2024-03-01 05:00:00, 0 days 01:29:59 ago",
    ]
