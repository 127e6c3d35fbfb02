"""Counts in words and as plain values."""

import json

from regimecast.features.cache import CacheStatistics, TierStatistics


def test_a_request_is_a_hit_wherever_the_table_came_from() -> None:
    statistics = CacheStatistics(
        memory=TierStatistics(hits=3, misses=4, entries=2, bytes=5_000_000, evictions=1),
        disk=TierStatistics(hits=2, misses=2, entries=1, bytes=1_000_000, corrupt=1),
        joined=1,
    )
    assert (statistics.requests, statistics.hits, statistics.hit_rate) == (8, 6, 0.75)
    assert str(statistics) == (
        "6 of 8 requests (75%) answered from the cache; "
        "memory: 3 hits, 4 misses, 1 evicted, 2 tables of 5.0 MB; "
        "disk: 2 hits, 2 misses, 1 corrupt, 1 table of 1.0 MB; 1 waited for another thread"
    )
    assert json.loads(json.dumps(statistics.to_json()))["disk"]["hits"] == 2


def test_nothing_asked_is_no_rate() -> None:
    statistics = CacheStatistics(memory=TierStatistics(), disk=None, joined=0)
    assert statistics.hit_rate == 0.0
    assert "disk" not in str(statistics)
