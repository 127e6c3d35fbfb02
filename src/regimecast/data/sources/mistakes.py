"""Tables that can be read and mean something else: what they probably are, and what to set."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from regimecast.core.errors import DataError
from regimecast.data.calendars import frequency_text, usual_step
from regimecast.data.sources.timestamps import Times

__all__ = ["check_daily", "check_one_asset"]

_MANY = 1 / 3
"""Share of rows from which repeated times are the shape of the table and no accident."""


def check_one_asset(
    table: pd.DataFrame, time: Shaped[np.ndarray, " R"], unused: list[str], *, place: str
) -> None:
    """Refuses a long table of many assets that is about to be read as one.

    Args:
        table: the table as it was read.
        time: time of each row.
        unused: columns that nothing reads.
        place: where the table comes from.

    Raises:
        DataError: many rows share their time, and a column of text tells them apart.
    """
    text = [name for name in unused if _is_text(table[name])]
    if not text or pd.Series(time).duplicated().mean() < _MANY:
        return
    for name in text:
        rows = pd.DataFrame({"name": table[name].to_numpy(), "time": time})
        distinct = rows["name"].nunique()
        if distinct * 2 <= len(rows) and not rows.duplicated().any():
            raise DataError(
                f"{place}: many rows share their time, and column {name!r} with {distinct} "
                f"different values tells them apart. If it names the asset, set "
                f"'data.columns={{asset: {name}}}'; if not, 'data.columns={{asset: null}}'"
            )


def check_daily(asset: "pd.Series[str]", times: Times, *, place: str) -> None:
    """Refuses intraday bars that are about to be read as days.

    Raises:
        DataError: many rows share asset and date and differ in their time of day.
    """
    if np.array_equal(times.exact, times.time):
        return
    rows = pd.DataFrame({"asset": asset.to_numpy(), "day": times.time, "time": times.exact})
    rows = rows.drop_duplicates(["asset", "time"])
    repeats = int(rows.duplicated(["asset", "day"]).sum())
    if repeats < _MANY * len(rows):
        return
    rows = rows.sort_values(["asset", "time"])
    step = usual_step(rows["time"].to_numpy(), rows["asset"].eq(rows["asset"].shift()).to_numpy())
    assert step is not None  # two times of one day are apart
    raise DataError(
        f"{place}: the bars look intraday: {repeats} of {len(rows)} share their date with an "
        f"earlier one, and they are usually {frequency_text(step)} apart. Set "
        f"data.frequency={frequency_text(step)}, and data.stamp=open if a time marks the start of "
        "its bar"
    )


def _is_text(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_string_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype)
