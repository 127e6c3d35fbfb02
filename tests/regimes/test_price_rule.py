import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regimecast.core.errors import ConfigError
from regimecast.data.panel import Column, Panel, Role
from regimecast.regimes.price_rule import PriceRule

RULE = PriceRule(drop=0.15, drop_bars=10, rise=0.10, memory=20, recovery=15)
LETTERS = "?lnhCR"


def panel(*closes: np.ndarray) -> Panel:
    values = np.concatenate([np.asarray(close, dtype=np.float64) for close in closes])
    time = np.concatenate([np.arange(len(c)).astype("datetime64[D]") for c in closes])
    return Panel(
        values[:, None],
        time.astype("datetime64[ns]"),
        np.cumsum([0, *(len(close) for close in closes)]),
        (Column("close", Role.TARGET_SOURCE),),
        tuple(f"A{k}" for k in range(len(closes))),
        "1D",
        "24/7",
    )


def word(close, base: str | None = None, rule: PriceRule = RULE) -> str:
    """Codes as letters; the other labels are normal unless given."""
    base = "n" * len(close) if base is None else base
    codes = np.array([LETTERS.index(letter) - 1 for letter in base], dtype=np.int8)
    return "".join(LETTERS[code + 1] for code in rule.override(codes, panel(close)))


class Naive:
    """The rules of the module's text, one bar at a time, with plain lists."""

    def __init__(self, rule: PriceRule) -> None:
        self.rule, self.state, self.closes = rule, "calm", []
        self.trough = self.high = None
        self.trough_at = self.began = self.last = 0

    def step(self, close: float, says_crash: bool) -> str:
        self.closes.append(close)
        if np.isnan(close):
            return ""
        t, r = len(self.closes) - 1, self.rule
        since = max(0, t - r.drop_bars)
        if self.state == "recovery":
            since = max(since, self.trough_at)
        peak = np.nanmax(self.closes[since:])
        fell = 1 - close / peak >= r.drop - 1e-9
        if self.state == "recovery":
            if fell:
                self.enter(close, peak, t)
            elif close < self.trough:
                self.state, self.trough, self.trough_at = "crash", close, t
            elif close >= self.high or t - self.began >= r.recovery:
                self.state = "calm"
        elif self.state == "crash":
            if close < self.trough:
                self.trough, self.trough_at = close, t
            if not fell:
                if not says_crash and t - self.last > r.memory:
                    self.state = "calm"
                elif close / self.trough - 1 >= r.rise - 1e-9:
                    self.state, self.began = "recovery", t
        if self.state == "calm" and (fell or says_crash):
            self.enter(close, peak, t)
        if self.state == "crash" and (fell or says_crash):
            self.last = t
            return "C"
        return "R" if self.state == "recovery" else ""

    def enter(self, close: float, peak: float, t: int) -> None:
        self.state, self.high, self.trough, self.trough_at = "crash", peak, close, t


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    volatility=st.sampled_from([0.02, 0.05, 0.09]),
    missing=st.sampled_from([0.0, 0.1]),
)
def test_equals_a_naive_automaton_on_drawn_paths(seed, volatility, missing):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, volatility, 300)))
    close[rng.random(300) < missing] = np.nan
    base = "".join(rng.choice(list("?lnhC"), 300, p=[0.1, 0.2, 0.5, 0.15, 0.05]))
    naive = Naive(RULE)
    expected = "".join(
        naive.step(c, letter == "C") or letter for c, letter in zip(close, base, strict=True)
    )
    assert word(close, base) == expected


def test_a_fall_of_exactly_15_percent_in_exactly_ten_bars_is_a_crash():
    assert word([100, *[90] * 9, 85]) == "n" * 10 + "C"
    assert word([100, *[90] * 10, 85]) == "n" * 12  # the high is eleven bars ago
    assert word([100, *[90] * 9, 85.01]) == "n" * 11


def test_a_rise_of_exactly_10_percent_after_a_crash_is_a_recovery():
    # The fall leaves the window of ten bars, then prices rise from the trough of 80.
    assert word([100, 80, *[80] * 9, 87.9, 88.0]) == "n" + "C" * 10 + "nR"
    assert word([100, 120, 132]) == "nnn"  # a rise without a crash


def test_while_prices_still_fall_it_stays_a_crash():
    # 77 is 10 % above 70, but still 23 % below the high of two bars ago.
    assert word([100, 70, 77]) == "nCC"
    assert word([100, 70, 86]) == "nCR"  # 14 % below


def test_a_crash_is_forgotten_after_its_memory():
    path = [100, *[84] * 10, *[84] * 20]
    assert word([*path, 93])[-1] == "n"  # last crash bar 10, now bar 31: 21 bars later
    assert word([*path[:-1], 93])[-1] == "R"  # 20 bars later


def test_a_recovery_ends_after_its_bars():
    path = [100, *[80] * 10, *[89] * 20]
    assert word(path) == "n" + "C" * 10 + "R" * 15 + "n" * 5


def test_a_recovery_ends_at_the_high_from_which_the_crash_fell():
    assert word([100, *[80] * 10, 89, 95, 99, 100, 101]) == "n" + "C" * 10 + "RRRnn"


def test_a_recovery_ends_below_the_trough_and_a_new_one_needs_a_new_rise():
    path = [100, *[80] * 10, 88, 79, 80, 86.8, 86.9]
    assert word(path) == "n" + "C" * 10 + "Rnnn" + "R"


def test_a_new_fall_during_a_recovery_is_measured_from_the_trough_on():
    # 87 is more than 15 % below 103, ten bars ago and before the trough: that fall is over.
    path = [103, *[80] * 5, 88, 95, 87, 80.5]
    assert word(path) == "n" + "C" * 5 + "RRRC"


def test_prices_have_priority_over_other_labels():
    base = "C" * 14
    assert word([100, *[80] * 10, 88, 89, 90], base) == "C" * 11 + "RRR"
    assert word([100, 84], "ll") == "lC"
    assert word([100, 84, 84], "???") == "?CC"


def test_a_crash_by_other_labels_is_followed_by_a_recovery_too():
    assert word([100, 99, 100, 108.9], "nCCh") == "nCCR"


def test_assets_do_not_know_of_one_another():
    crash, calm = [100, 80, 80, 90], [100, 100, 100, 100]
    codes = RULE.override(np.ones(8, dtype=np.int8), panel(crash, calm))
    assert codes.tolist() == [1, 3, 3, 4, 1, 1, 1, 1]
    # The first close of the second asset is not a fall from the last of the first.
    codes = RULE.override(np.ones(4, dtype=np.int8), panel([100, 100], [50, 50]))
    assert codes.tolist() == [1, 1, 1, 1]


def test_empty_and_one_row():
    assert word([]) == ""
    assert word([5.0]) == "n"
    assert word([np.nan, np.nan]) == "nn"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 199))
def test_truncation_changes_nothing_before_it(seed, cut):
    close = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.06, 200)))
    assert word(close[:cut]) == word(close)[:cut]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop": 1.0}, r"regime\.price\.drop=1\.0"),
        ({"rise": 0.0}, r"regime\.price\.rise=0\.0"),
        ({"memory": 0}, r"regime\.price\.memory=0"),
        ({"recovry": 3}, "Did you mean 'recovery'"),
    ],
)
def test_contradictions_are_refused(price, changes, message):
    with pytest.raises(ConfigError, match=message):
        PriceRule.of({**price, **changes})
    with pytest.raises(ConfigError, match="needs drop_bars, rise, memory, recovery"):
        PriceRule.of({"drop": 0.15})
