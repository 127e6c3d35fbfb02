import pytest

from regimecast.bench import sweep
from regimecast.bench.catalogue import run_bench


@pytest.mark.slow
@pytest.mark.timeout(900)  # six commands, each of which begins Ray or imports torch
def test_searches_are_begun_cut_and_resumed(monkeypatch):
    small = ("optimizer.lr=tag(log,interval(1e-5,1e-2))", "callbacks.early_stopping=null")
    monkeypatch.setattr(sweep, "_SEARCH", (*sweep._TINY, *small))
    report = run_bench("sweep", repetitions=1, quick=True)
    ratios = {ratio.name: ratio for ratio in report.ratios}
    assert list(ratios) == [
        "steps", "best objective", "two workers", "overhead of a job", "resuming",
    ]  # fmt: skip
    assert ratios["steps"].over.values == (36.0,)  # all trials, all epochs
    assert ratios["steps"].under.values[0] < 36.0
    assert 0 < ratios["resuming"].over.values[0] < 300
