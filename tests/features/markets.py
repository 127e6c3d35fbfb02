"""Panels and the packaged feature config, for tests of features and labels."""

from dataclasses import replace
from typing import Any

import numpy as np
import yaml
from arch.data import sp500

from regimecast.core.config import config_folder
from regimecast.data.panel import Column, Panel
from tests.data.panels import OHLCV

PRICES = ("open", "high", "low", "close")


def packaged(name: str) -> dict[str, Any]:
    """Parameters of one family as the packaged config has them."""
    path = config_folder() / "features" / f"{name}.yaml"
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(content) == [name]
    return dict(content[name])


def sp500_panel(rows: int) -> Panel:
    """The first days of the S&P 500 from 1999 on, as arch ships them."""
    frame = sp500.load().iloc[:rows]
    columns = ["Open", "High", "Low", "Close", "Volume"]
    return Panel(
        values=frame[columns].to_numpy(np.float64),
        time=frame.index.to_numpy().astype("datetime64[ns]"),
        offsets=np.array([0, len(frame)]),
        columns=OHLCV,
        assets=("SP500",),
        frequency="1D",
        calendar="XNYS",
    )


def with_vix(panel: Panel) -> Panel:
    """The panel with a volatility index that crosses every usual threshold."""
    noise = np.random.default_rng(5).normal(0.0, 0.08, panel.n_rows)
    vix = 20.0 * np.exp(0.6 * np.sin(np.arange(panel.n_rows) / 25.0) + noise)
    return replace(
        panel,
        values=np.column_stack([panel.values, vix]),
        columns=(*panel.columns, Column("vix")),
    )


def changed(panel: Panel, **columns: Any) -> Panel:
    """The panel with some columns replaced."""
    values = panel.values.copy()
    for name, column in columns.items():
        values[:, panel.index(name)] = column
    return replace(panel, values=values)


def only(panel: Panel, *names: str) -> Panel:
    """The panel with some columns alone."""
    keep = [panel.index(name) for name in names]
    columns = tuple(panel.columns[i] for i in keep)
    return replace(panel, values=panel.values[:, keep], columns=columns)


def times(panel: Panel, factor: float) -> Panel:
    """The panel with every price multiplied."""
    return changed(panel, **{name: panel.actual(name) * factor for name in PRICES})
