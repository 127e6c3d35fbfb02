"""Times of a table, whatever they were written as, as naive UTC nanoseconds."""

from typing import Any, Literal, NamedTuple, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from regimecast.core.errors import ConfigError, DataError
from regimecast.data.calendars import bar_length

__all__ = ["EPOCH_UNITS", "Times", "check_timezone", "is_daily", "parse_times"]

Unit = Literal["s", "ms", "us", "ns"]
EPOCH_UNITS: tuple[str, ...] = get_args(Unit)
"""Values of `time_format` that mean: numbers counted from 1970-01-01 UTC."""

_OFFSET = r"\s*(?:Z|[+-]\d{2}(?::?\d{2})?)$"
"""How a written time ends that carries its distance from UTC."""
_AWARE = rf"\d[T ]\d{{2}}.*{_OFFSET}"
"""An ISO 8601 time with an offset; ``-02`` at the end of a date is none."""


class Times(NamedTuple):
    """Times of a table as read."""

    time: Shaped[np.ndarray, " R"]
    """datetime64[ns] in naive UTC; dates for daily bars."""
    aware: bool
    """Whether they carried a time zone."""
    exact: Shaped[np.ndarray, " R"]
    """The same with their time of day, where daily bars had one."""


def is_daily(frequency: str) -> bool:
    """Whether bars are a day or longer, so that their times are dates."""
    return bar_length(frequency) >= pd.Timedelta("1D")


def check_timezone(timezone: str) -> None:
    """Raises `ConfigError` unless the zone exists."""
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            f"timezone={timezone!r} is not an IANA zone such as UTC or America/New_York"
        ) from error


def parse_times(
    series: "pd.Series[Any]",
    *,
    time_format: str | None,
    timezone: str,
    frequency: str,
    stamp: str,
    origin: str,
) -> Times:
    """Times as datetime64[ns] in naive UTC, and whether they carried a time zone.

    Daily bars keep their date as it reads in `timezone`: no shift to UTC moves a session to another
    day. Intraday times are the bar's close; with ``stamp="open"`` one bar length is added. Offsets
    from UTC may differ from row to row, as those of a zone with summer time do.

    Args:
        series: datetimes, dates, text or numbers.
        time_format: strptime format of text, or a unit of `EPOCH_UNITS` for numbers; None reads
            ISO 8601.
        timezone: zone of times that carry none.
        frequency: bar length.
        stamp: ``open`` or ``close``, what an intraday time marks.
        origin: where the times come from, for messages.

    Raises:
        DataError: a time is missing, unreadable, ambiguous in the zone, or zones are mixed.
    """
    times, written = _as_datetimes(series, time_format, origin)
    if times.isna().any():
        row = int(np.flatnonzero(times.isna())[0])
        raise DataError(
            f"{origin}: time {series.iloc[row]!r} at row {row} is missing or unreadable"
        )
    zone = times.dt.tz
    daily = is_daily(frequency)
    try:
        if daily:
            local = times if zone is None else times.dt.tz_convert(timezone)
            exact = local.dt.tz_localize(None)
            local = exact.dt.normalize()
            if written is not None or (zone is not None and str(zone) != "UTC"):
                own = times.dt.tz_localize(None) if written is None else written
                _check_same_dates(series, own, local, timezone, origin)
        else:
            # "infer" resolves the hour that a clock change repeats from the order of the rows.
            aware = times if zone is not None else times.dt.tz_localize(timezone, ambiguous="infer")
            exact = local = aware.dt.tz_convert("UTC").dt.tz_localize(None)
        values = local.dt.as_unit("ns").to_numpy()
    except ValueError as error:
        raise DataError(
            f"{origin}: times do not fit timezone={timezone!r} and 64-bit nanoseconds: {error}"
        ) from error
    if stamp == "open" and not daily:
        values = values + bar_length(frequency).to_timedelta64()
    return Times(values, zone is not None, exact.to_numpy())


def _as_datetimes(
    series: "pd.Series[Any]", time_format: str | None, origin: str
) -> "tuple[pd.Series[pd.Timestamp], pd.Series[pd.Timestamp] | None]":
    """Times, and where offsets differ from row to row the same as written, without the offset."""
    if pd.api.types.is_datetime64_any_dtype(series):
        return series, None
    numeric = pd.api.types.is_numeric_dtype(series)
    if numeric and time_format is None:
        raise DataError(
            f"{origin}: times are numbers (first {series.iloc[0]}); say in time_format what they "
            f"count ({', '.join(EPOCH_UNITS)} since 1970) or how they are written, such as '%Y%m%d'"
        )
    try:
        if time_format in EPOCH_UNITS:
            stamps = pd.to_datetime(pd.to_numeric(series), unit=cast(Unit, time_format))
            return stamps.dt.tz_localize("UTC"), None
        text = series.astype("str") if numeric else series
        return pd.to_datetime(text, format=time_format or "ISO8601"), None
    except (ValueError, TypeError) as error:
        mixed = _with_offsets(series.astype("str"), time_format, origin)
        if mixed is not None:
            return mixed
        parsed = pd.to_datetime(series.astype("str"), format="ISO8601", errors="coerce", utc=True)
        bad = np.flatnonzero(parsed.isna()) if time_format is None else np.array([], dtype=int)
        where = f"; first at row {bad[0]}: {series.iloc[bad[0]]!r}" if len(bad) else ""
        raise DataError(
            f"{origin}: times cannot be read as {time_format or 'ISO 8601'}{where} ({error})"
        ) from error


def _with_offsets(
    text: "pd.Series[str]", time_format: str | None, origin: str
) -> "tuple[pd.Series[pd.Timestamp], pd.Series[pd.Timestamp]] | None":
    """Times whose offsets from UTC differ, in UTC and as written; None if they are not readable.

    Raises:
        DataError: some carry an offset and some do not.
    """
    if time_format is not None and not time_format.endswith("%z"):
        return None
    form = time_format or "ISO8601"
    times = pd.to_datetime(text, format=form, errors="coerce", utc=True)
    if time_format is None:
        aware = text.str.contains(_AWARE).to_numpy(dtype=bool)
        readable = times.notna().to_numpy()
        if (aware & readable).any() and (~aware & readable).any():
            zoned, naive = (int(np.flatnonzero(mask & readable)[0]) for mask in (aware, ~aware))
            raise DataError(
                f"{origin}: {text.iloc[zoned]!r} at row {zoned} has a time zone, "
                f"{text.iloc[naive]!r} at row {naive} has none; write all of them with or all "
                "without one"
            )
    if times.isna().any():
        return None
    bare = text.str.replace(_OFFSET, "", regex=True)
    return times, pd.to_datetime(bare, format=form.removesuffix("%z").rstrip())


def _check_same_dates(
    series: "pd.Series[Any]",
    own: "pd.Series[pd.Timestamp]",
    local: "pd.Series[pd.Timestamp]",
    timezone: str,
    origin: str,
) -> None:
    differs = np.flatnonzero(own.dt.normalize().to_numpy() != local.to_numpy())
    if len(differs):
        row = int(differs[0])
        zone = series.dt.tz if isinstance(series.dtype, pd.DatetimeTZDtype) else None
        advice = (
            f"timezone={str(zone)!r}"
            if zone is not None
            else "timezone to the zone they were written in, such as America/New_York,"
        )
        raise DataError(
            f"{origin}: daily time {series.iloc[row]} at row {row} falls on another date in "
            f"timezone={timezone!r}; set {advice} to keep the dates as written"
        )
