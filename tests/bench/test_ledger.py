from regimecast.bench import ledger
from regimecast.bench.catalogue import run_bench


def test_a_long_ledger_opens(monkeypatch):
    monkeypatch.setattr(ledger, "_STUDY", 3)
    report = run_bench("ledger", repetitions=1, quick=True)
    assert [ratio.target for ratio in report.ratios] == ["at most 1", "at most 1", ""]
    assert [ratio.over.name for ratio in report.ratios][1:] == [
        "leaderboard, 3 runs",
        "leaderboard, 40 runs",
    ]
