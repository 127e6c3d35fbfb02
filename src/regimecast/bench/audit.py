"""What an audit costs; run by `regimecast bench audit`."""

from regimecast.audit.engine import ALL_CHECKS, MARKET_CHECKS, audit
from regimecast.bench.results import BenchReport, Ratio, limit
from regimecast.bench.timing import take_turns
from regimecast.core.compose import composed
from regimecast.core.errors import LeakageError

__all__ = ["run"]

_CUTS = 8
_SECONDS = 60.0
_QUICK = ("data=synthetic", "data.bars=1500", "model=nlinear", "window.context_length=8")


def run(*, repetitions: int, quick: bool) -> BenchReport:
    """Seconds of a whole audit of the sample project, and how many of them the model takes."""
    config = composed([*(_QUICK if quick else ("data=sp500",)), "tracker=csv"])
    compared: list[int] = []

    def whole() -> None:
        report = audit(config, cuts=_CUTS, seed=0, checks=ALL_CHECKS)
        if not report.clean:
            raise LeakageError("the sample project is not clean: regimecast audit data=sp500")
        compared.append(sum(check.values for check in report.checks))

    def market() -> None:
        audit(config, cuts=_CUTS, seed=0, checks=MARKET_CHECKS)

    times = take_turns(
        {"audit": whole, "audit without a model": market}, repetitions=repetitions, clock="wall"
    )
    return BenchReport(
        name="audit",
        title="Audit of the sample project",
        about=(
            f"`regimecast audit {_QUICK[0] if quick else 'data=sp500'}`, {_CUTS} cuts, after the "
            f"imports; {compared[-1]:,} values are compared bit by bit."
        ),
        ratios=[
            Ratio(name="a whole audit", over=times["audit"], under=limit(_SECONDS), at_most=1.0),
            Ratio(
                name="share of data, features, labels and splits",
                over=times["audit without a model"],
                under=times["audit"],
            ),
        ],
        quick=quick,
    )
