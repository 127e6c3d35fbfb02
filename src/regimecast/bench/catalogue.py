"""The benchmarks by name; a module of this package is loaded when its benchmark is asked for."""

from importlib import import_module

from regimecast.bench.results import BenchReport
from regimecast.core.errors import ConfigError, did_you_mean

__all__ = ["BENCHES", "run_bench"]

BENCHES = (
    "features", "labels", "cache", "incremental", "splits", "audit",
    "training", "windows", "memory", "inference", "boosters", "compile", "gpu", "selection",
    "ledger", "sweep",
)  # fmt: skip
"""Each is the module of that name beside this one, with a function
``run(*, repetitions: int, quick: bool) -> BenchReport``. ``quick`` takes small data, to see that
the benchmark works; its ratios say nothing about the targets."""


def run_bench(name: str, *, repetitions: int, quick: bool) -> BenchReport:
    """What the benchmark of that name measured.

    Args:
        name: one of `BENCHES`.
        repetitions: of each contestant; odd numbers have a median of their own.
        quick: take small data.

    Raises:
        ConfigError: there is no such benchmark, or `repetitions` is below 1.
    """
    if name not in BENCHES:
        raise ConfigError(
            f"bench={name!r} is not known.{did_you_mean(name, BENCHES)} "
            f"Allowed: {', '.join(BENCHES)}"
        )
    if repetitions < 1:
        raise ConfigError(f"repetitions={repetitions}; allowed: 1 or more")
    report = import_module(f"regimecast.bench.{name}").run(repetitions=repetitions, quick=quick)
    assert isinstance(report, BenchReport)
    return report
