"""Bad input through the command line: one clear message, exit code 2, nothing lost."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regimecast.core.files import read_json
from tests.e2e.command import TINY, Ended, run_folders

TRAIN = ("train", *(o for o in TINY if not o.startswith("data")), "data=csv", "data.path=bars.csv")
ROWS = 500


def bars() -> pd.DataFrame:
    close = 100 * np.exp(np.random.default_rng(0).normal(0, 0.01, ROWS).cumsum())
    return pd.DataFrame(
        {
            "time": pd.bdate_range("2020-01-01", periods=ROWS).strftime("%Y-%m-%d"),
            "open": close,
            "high": close * 1.01,
            "low": close * 0.99,
            "close": close,
            "volume": 1000.0,
        }
    )


def changed(column: str, row: int | slice, value: object) -> Callable[[], pd.DataFrame]:
    def make() -> pd.DataFrame:
        frame = bars()
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
        return frame

    return make


def duplicated() -> pd.DataFrame:
    frame = bars()
    again = frame.iloc[[40]].assign(close=1.0)
    return pd.concat([frame, again])


@pytest.fixture
def train(folder: Path, command: Callable[..., Ended]) -> Callable[..., Ended]:
    def call(frame: pd.DataFrame, *overrides: str) -> Ended:
        frame.to_csv("bars.csv", index=False)
        swapped = tuple(o.replace("=", ".").split(".")[0] + "." for o in overrides if "." not in o)
        kept = [o for o in TRAIN if not swapped or not o.startswith(swapped)]
        return command(*kept, *overrides)

    return call


def test_good_data_train(train: Callable[..., Ended]):
    ended = train(bars())
    assert ended.code == 0, ended.err
    # The pre-flight table comes before training.
    table, _, rest = ended.err.partition("trained in")
    assert rest
    for word in ("fold", "part", "samples", "first", "last", "purged", "train", "test"):
        assert word in table


def test_order_of_rows_does_not_matter(train: Callable[..., Ended], folder: Path):
    assert train(bars(), "study=sorted").code == 0
    assert train(bars().sample(frac=1, random_state=0), "study=shuffled").code == 0
    one, other = (
        read_json(run_folders(folder / "runs" / study)[0] / "manifest.json")["stages"]
        for study in ("sorted", "shuffled")
    )
    assert one.pop("raw") != other.pop("raw")
    assert one == other


@pytest.mark.parametrize(
    ("make", "overrides", "expected"),
    [
        (lambda: bars().iloc[:0], "", ["bars.csv", "no rows"]),
        (lambda: bars().iloc[:1], "", ["'bars' has 1 bars", "2 are needed"]),
        (lambda: bars().iloc[:20], "", ["no samples", "context_length", "horizon"]),
        (lambda: bars().iloc[:60], "", ["part without samples", "train", "validation", "after"]),
        (lambda: bars().drop(columns="close"), "", ["bars.csv", "'close'", "open, high, low"]),
        (lambda: bars().drop(columns="time"), "", ["bars.csv", "no time", "datetime"]),
        (changed("close", slice(None), np.nan), "", ["close"]),
        (changed("close", 50, "a lot"), "", ["bars.csv", "'close'", "a lot"]),
        (changed("high", 50, "1,5"), "", ["bars.csv", "'high'", "1,5"]),
        (changed("close", 50, -3.0), "", ["close", "negative"]),
        (changed("time", 50, "2020-13-45"), "", ["bars.csv", "'time'", "2020-13-45"]),
        (
            changed("time", 50, "2020-03-10T16:00+02:00"),
            "",
            ["bars.csv", "'time'", "row 50 has a time zone", "row 0 has none"],
        ),
        (duplicated, "", ["twice|duplicate"]),
        (bars, "features=[volume] data.columns={volume:vol}", ["'vol'", "'volume'"]),
        (lambda: bars()[["time", "close"]], "features=[candles]", []),
        (
            lambda: bars()[["time", "close"]],
            "features=[candles] missing_features=error",
            ["candle", "open"],
        ),
        (bars, "regime=vix", ["no column 'vix'|column 'vix'"]),
        (
            lambda: bars().assign(vix_close=20.0),
            "regime=vix",
            ["no column 'vix'", "data.columns={vix: vix_close}"],
        ),
        (
            lambda: bars().assign(vix_close=20.0),
            "regime=vix regime.column=vx data.columns={vx:vix_close}",
            ["'vx' has lag 0", "data.lags.vx=1"],
        ),
        (bars, "data.frequency=1h", ["100% of the bars", "data.frequency=1D"]),
        (bars, "data.calendar=XXXX", ["XXXX"]),
        (bars, "data.frequency=often", ["often"]),
        (bars, "data.timezone=Mars/Base", ["Mars/Base"]),
        (bars, "+data.columns.asset=ticker", ["ticker"]),
        (bars, "split=walk_forward split.folds=400 split.test=1", ["split"]),
    ],
)
def test_each_problem_is_named(
    train: Callable[..., Ended],
    folder: Path,
    make: Callable[[], pd.DataFrame],
    overrides: str,
    expected: list[str],
):
    ended = train(make(), *overrides.split())
    if not expected:
        assert ended.code == 0, ended.err
        return
    assert ended.code == 2, ended.err
    assert "Traceback" not in ended.err
    message = ended.err.rpartition("error: ")[2]
    for part in expected:
        assert any(choice in message for choice in part.split("|")), message
    # What came as far as a run folder is there to be read.
    for run in run_folders(folder / "runs" / "study"):
        manifest = read_json(run / "manifest.json")
        assert manifest["status"] == "failed"
        assert manifest["error"].partition(": ")[2] in message
        assert (run / "config.yaml").is_file()


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\x00\x01\x02", b'"open'])
def test_a_file_that_is_no_table(command: Callable[..., Ended], folder: Path, content: bytes):
    (folder / "bars.csv").write_bytes(content)
    ended = command(*TRAIN)
    assert ended.code == 2, ended.err
    assert "bars.csv" in ended.err
    assert "Traceback" not in ended.err


def test_a_file_that_is_not_there(command: Callable[..., Ended]):
    ended = command(*TRAIN)
    assert ended.code == 2
    assert "bars.csv" in ended.err
