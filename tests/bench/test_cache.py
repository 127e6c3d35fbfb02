"""The benchmark of the feature cache runs, and states the targets of the issue."""

from regimecast.bench.cache import run


def test_it_runs_on_small_data() -> None:
    report = run(repetitions=1, quick=True)
    targets = {ratio.name: ratio.target for ratio in report.ratios if ratio.target}
    assert targets == {
        "request that memory answers": "at least 260",
        "time of a hit": "at most 1",
        "request that the disk answers": "at least 10",
    }
    assert all(ratio.value > 0 for ratio in report.ratios)
