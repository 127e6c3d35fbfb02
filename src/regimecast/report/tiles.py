"""Key numbers of a run, each beside its interval and what to compare it with."""

from dataclasses import dataclass

from regimecast.report.charts import ERRORS
from regimecast.report.numbers import (
    bars,
    headline,
    interval,
    metric_title,
    metric_value,
    percent,
    plain,
)
from regimecast.report.run_files import RunFiles

__all__ = ["COMPARED", "Tile", "tiles"]

_TILES = {
    "annual_return": "after costs",
    "max_drawdown": "after costs, from a closing high",
    "turnover": "capital traded; in and out is 2",
    "break_even_bps": "at which the profit is gone",
}
"""Trading metrics with a tile of their own, and the note below each."""

COMPARED = {"buy_and_hold": "buy and hold", "naive": "naive rule"}
"""Title of each benchmark's series."""


@dataclass(frozen=True)
class Tile:
    """A key number."""

    label: str
    value: str
    note: str = ""
    beside: tuple[tuple[str, str], ...] = ()
    """What to compare it with, as (name, value)."""


def tiles(run: RunFiles, counted: str) -> list[Tile]:
    """Key numbers, each beside buy and hold and the naive rule where they have one.

    Args:
        run: what its folder holds.
        counted: the trials that a Sharpe ratio has to be read with, in words.
    """
    own = run.trading()
    found = []
    if plain(own.get("sharpe")) is not None:
        n = plain(own.get("n_bars")) or (len(run.returns) if run.returns is not None else None)
        note = f"a year, after costs, over {bars(n)} bars; {counted}"
        found.append(_trading_tile(run, "sharpe", note))
    found += [
        _trading_tile(run, metric, note)
        for metric, note in _TILES.items()
        if plain(own.get(metric)) is not None
    ]
    return found + _forecast_tiles(run)


def _forecast_tiles(run: RunFiles) -> list[Tile]:
    found = []
    errors = [m for m in ERRORS if plain(run.forecast.get(f"test/{m}")) is not None]
    if not errors:
        return []
    n = plain(run.forecast.get("test/n"))
    note = f"over {bars(n)} forecast steps" if n else "over all test forecasts"
    value = metric_value(errors[0], run.forecast[f"test/{errors[0]}"])
    below = _interval_beside(run, "forecast", errors[0], f"test/{errors[0]}")
    found.append(Tile(headline(metric_title(errors[0])), value, note, below))
    error = "mae" if "mae" in errors else errors[0]
    crash, n = plain(run.by_regime(error).get("crash")), plain(run.by_regime("n").get("crash"))
    if crash is not None:
        note = f"over {bars(n)} forecast steps" if n else ""
        beside = (
            *_interval_beside(run, "forecast", error, f"test/regime=crash/{error}"),
            ("all regimes", metric_value(error, run.forecast[f"test/{error}"])),
        )
        label = f"{headline(metric_title(error))} in crashes"
        found.append(Tile(label, metric_value(error, crash), note, beside))
    return found


def _trading_tile(run: RunFiles, metric: str, note: str) -> Tile:
    values = {label: run.trading(name).get(metric) for name, label in COMPARED.items()}
    beside = (
        *_interval_beside(run, "trading", metric, metric),
        *((label, metric_value(metric, value)) for label, value in values.items()),
    )
    value = metric_value(metric, run.trading()[metric])
    return Tile(headline(metric_title(metric)), value, note, beside)


def _interval_beside(
    run: RunFiles, section: str, metric: str, key: str
) -> tuple[tuple[str, str], ...]:
    """A metric's interval as something to stand beside its value, if it has one."""
    found = interval(metric, run.interval(section, key))
    return ((f"{percent(run.intervals.get('level'), 0)} interval", found),) if found else ()
