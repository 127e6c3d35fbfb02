"""Bars, rules and the reference that an incremental labeler is held against."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd

from regimecast.labels import (
    LabelRule,
    atr_barriers,
    cusum_events,
    percentage_barriers,
    volatility_barriers,
)
from regimecast.labels.barriers import barrier_labels
from regimecast.labels.base import INCOMPLETE

RULE = LabelRule(
    upper=2.0,
    lower=1.5,
    unit="atr",
    window=7,
    floor=1e-4,
    horizon=9,
    tie="lower",
    commission_bps=1.0,
    slippage_bps=0.5,
    entries="every",
    event_size=1.5,
)
RULES = (
    RULE,
    replace(RULE, unit="volatility", window=12),
    replace(RULE, unit="fraction", upper=0.004, lower=0.003, horizon=25),
    replace(RULE, window=15, horizon=4, tie="upper", commission_bps=0.0),
    replace(RULE, entries="cusum"),
    replace(RULE, unit="volatility", window=12, entries="cusum", event_size=2.5),
)
# Nothing here is about power cuts, and files in memory are synced at once.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
MINUTE = pd.Timedelta(minutes=1)


def name_of(rule: LabelRule) -> str:
    return f"{rule.unit}{rule.window}_{rule.entries}"


def bars(length: int, seed: int = 0, *, gaps: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 1e-3, length)))
    spread = rng.exponential(5e-4, (2, length))
    steps = rng.choice([1, 2, 45], length, p=[0.9, 0.08, 0.02]) if gaps else np.ones(length, int)
    time = pd.Timestamp("2024-03-01") + np.cumsum(steps) * MINUTE
    return pd.DataFrame(
        {"high": close * (1 + spread[0]), "low": close * (1 - spread[1]), "close": close},
        index=pd.DatetimeIndex(time, name="time").as_unit("ns"),
    )


def labelled(table: pd.DataFrame, rule: LabelRule) -> pd.DataFrame:
    """Labels of all bars in one go, with the public functions for arrays."""
    high, low, close = (table[name].to_numpy() for name in ("high", "low", "close"))
    settings = {"upper": rule.upper, "lower": rule.lower}
    if rule.unit == "fraction":
        widths = percentage_barriers(len(table), **settings)
    elif rule.unit == "volatility":
        widths = volatility_barriers(close, window=rule.window, floor=rule.floor, **settings)
    else:
        widths = atr_barriers(high, low, close, window=rule.window, floor=rule.floor, **settings)
    entries = np.flatnonzero(widths.known)
    if rule.entries == "cusum":
        size = rule.event_size * widths.upper / rule.upper
        entries = np.intersect1d(entries, cusum_events(table["close"].to_numpy(), size))
    found = barrier_labels(
        close,
        high,
        low,
        upper=widths.upper,
        lower=widths.lower,
        horizon=rule.horizon,
        entries=entries,
        cost_bps=rule.cost_bps,
        tie=rule.tie,
    )
    label = np.full(len(table), INCOMPLETE, dtype=np.int8)
    ret = np.full(len(table), np.nan)
    leave = np.full(len(table), np.datetime64("NaT"), dtype="datetime64[ns]")
    complete = found.exit >= 0
    label[entries] = found.label
    ret[entries] = found.ret
    leave[entries[complete]] = table.index.to_numpy()[found.exit[complete]]
    return pd.DataFrame({"label": label, "exit": leave, "ret": ret}, index=table.index)


class Reference:
    """The law in plain words: every bar taken in since the start, labelled in one go, then cut."""

    def __init__(self, rule: LabelRule, days: float | None) -> None:
        self.rule = rule
        self.window = None if days is None else pd.Timedelta(days=days)
        self.table = pd.DataFrame()
        self.after = pd.Timestamp.min

    def give(self, more: pd.DataFrame, rule: LabelRule) -> None:
        if rule != self.rule and len(self.table):
            inside = int((self.table.index <= self.after).sum())
            before = 0 if self.rule.unit == "fraction" else self.rule.window
            self.table = self.table.iloc[max(0, inside - before) :]
        self.rule = rule
        more = more[more.index > self.after]
        table = pd.concat([self.table, more])
        self.table = table[~table.index.duplicated(keep="first")].sort_index()
        if self.window is not None and len(self.table):
            self.after = max(self.after, self.table.index[-1] - self.window)

    @property
    def labels(self) -> pd.DataFrame:
        labels = labelled(self.table, self.rule)
        return labels[labels.index > self.after]


def assert_same_bytes(mine: pd.DataFrame, other: pd.DataFrame) -> None:
    assert mine.index.to_numpy().tobytes() == other.index.to_numpy().tobytes()
    for name in ("label", "exit", "ret"):
        left, right = mine[name].to_numpy(), other[name].to_numpy()
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes(), name
