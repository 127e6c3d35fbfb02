"""What callers get wrong, called as they call it: without the tests' own checks of types."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from regimecast.core.errors import ConfigError
from regimecast.labels import triple_barrier
from regimecast.labels.checks import checked_cost, checked_count
from regimecast.labels.incremental import LabelRule

CASES = {
    "barriers(entries=close > 0)": "entries is .* bool .*for a mask: np.flatnonzero",
    "barriers(entries=np.array([1.5]))": "entries is .* float64 .*are bar numbers",
    "barriers(entries=times)": "entries is a DatetimeIndex .*get_indexer",
    "barriers(entries=np.array([2**64 - 1], dtype=np.uint64))": "entries reach to 18446744073",
    "barriers(horizon=2.5)": "horizon=2.5; allowed: a whole number of bars, at least 1",
    "barriers(horizon=True)": "horizon=True; allowed",
    "barriers(horizon=2**70)": "horizon=1180591620717411303424; allowed",
    "barriers(horizon='3')": "horizon='3'; allowed",
    "barriers(horizon=10)": "horizon=10, and close has 10 bars",
    "barriers(lower=1.0)": "lower=1.0 for the entry at bar 0 .*below 1",
    "barriers(upper='a')": "upper is a str .*allowed: one number, or 10",
    "barriers(upper=np.ones((10, 2)))": r"upper is .*shape \(10, 2\)",
    "barriers(cost_bps=1e4)": "cost_bps=10000.0; allowed: 0 or more, below 10,000",
    "barriers(cost_bps='1')": "cost_bps='1'; allowed",
    "barriers(5.0)": r"close is a float .*shape \(\); allowed: real numbers in one dimension",
    "barriers([1.0, [2.0]])": "close is no array",
    "barriers(close.astype(complex))": "close is .*complex128",
    "barriers(np.ones((5, 2)))": r"close is .*shape \(5, 2\)",
    "barriers(list('abc'))": "close is a list of <U1",
    "labels.cusum_events(close, '1')": "threshold is a str",
    "labels.trend_scanning(close, [2.5])": r"horizons\[0\]=2.5; allowed",
    "labels.trend_scanning(close, 3)": "horizons=3; allowed",
    "labels.trend_scanning(close, [3], entries=close > 0)": "for a mask",
    "labels.atr_barriers(None, close, close, window=3, upper=1, lower=1)": "high is a NoneType",
    "labels.volatility_barriers(close, window=3, upper='2', lower=1)": "upper='2'; allowed",
    "labels.percentage_barriers(3, upper=1.0, lower=1.0)": "lower=1.0; allowed: .*below 1",
    "labels.return_attribution([0.5], [1], close)": "entries is a list of float64",
    "labels.time_decay('x', 0.5)": "uniqueness is a str",
    "labels.sequential_bootstrap([0], [1], 5, size=1.5, seed=1)": "size=1.5; allowed",
    "labels.meta_labels(['a'] * 10, barriers())": "side is a list of <U1",
    "labeler(rolling_window_days='9')": "rolling_window_days='9'; allowed: a number above 0",
    "labeler().update(5, None)": "asset=5; allowed: any text",
    "labeler().update('', None)": "asset=''; allowed: .*not empty.*names a folder",
    "labeler().update('A', {})": "bars are a dict; allowed: a pandas DataFrame",
    "labeler().detect('A', {})": "bars are a dict; allowed: a pandas DataFrame",
}

SCRIPT = """
import json, sys
import numpy as np, pandas as pd
from regimecast import labels
from regimecast.core.errors import RegimecastError

close = np.full(10, 100.0)
times = pd.date_range("2024", periods=3)

def barriers(close=close, **changes):
    return labels.triple_barrier(
        close, None, None, **{"upper": 0.1, "lower": 0.1, "horizon": 3, **changes}
    )

def labeler(**settings):
    return labels.IncrementalLabeler.for_mode("scalp", "nowhere", **settings)

found = {}
for case in json.load(sys.stdin):
    try:
        found[case] = "no error: " + repr(eval(case))
    except RegimecastError as error:
        found[case] = str(error)
    except Exception as error:
        found[case] = "bare " + repr(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def messages() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(list(CASES)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_named(messages, case):
    with pytest.raises(ConfigError, match=CASES[case]):
        raise ConfigError(messages[case])


@pytest.mark.parametrize("kind", [list, tuple, pd.Series])
def test_what_numpy_turns_into_numbers_is_taken(kind):
    close = 100 * 1.01 ** np.arange(30)
    widths = np.full(30, 0.02)
    entries = np.arange(5, 20)
    plain, other = (
        triple_barrier(
            make(close),
            make(close),
            make(close),
            upper=make(widths),
            lower=0.02,
            horizon=5,
            entries=make(entries),
        )
        for make in (np.asarray, kind)
    )
    np.testing.assert_array_equal(plain.label, other.label)
    assert (
        len(triple_barrier(close, None, None, upper=1, lower=0.5, horizon=1, entries=[]).label) == 0
    )


def test_numbers_of_numpy_are_numbers():
    assert checked_count("horizon", np.int32(3)) == 3
    assert checked_cost("cost_bps", np.float32(2)) == 2.0


def test_a_lower_barrier_below_nothing_is_no_rule():
    with pytest.raises(ConfigError, match=r"labels\.lower=1\.5; allowed: below 1"):
        LabelRule.for_mode("scalp", unit="fraction", lower=1.5)
