"""What the canaries are made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from regimecast.audit import canaries
from regimecast.audit.canaries import shuffled, with_oracle
from regimecast.audit.subject import Subject
from regimecast.data.panel import Panel

Config = Callable[..., dict[str, Any]]


@pytest.fixture
def subject(config: Config) -> Subject:
    return Subject.of(config(statics={"sector": 3.0}), cuts=2, seed=3)


@pytest.mark.parametrize("alone", [False, True])
def test_the_oracle_is_the_target_of_its_own_row(subject: Subject, alone: bool) -> None:
    horizon = subject.market.spec.horizon
    market = with_oracle(subject.market, horizon, alone=alone)
    assert market.spec.past[-1] == "oracle"
    assert len(market.spec.past) == (2 if alone else len(subject.market.spec.past) + 1)
    data = next(subject.parts.modules(market, subject.folds[:1])).split("test")
    target, mask = data.targets()
    assert mask.all()
    assert np.array_equal(market.past[data.samples.row, -1], target[:, -1])
    last = subject.bars.offsets[1:] - 1
    assert np.isnan(market.past[last, -1]).all()


def test_the_oracle_of_classes_is_the_label(config: Config) -> None:
    values = config(["target=triple_barrier", "loss=cross_entropy", "model=logistic",
                     "strategy=class_probability", "target.horizon=5"])  # fmt: skip
    market = Subject.of(values, cuts=2, seed=3).market
    oracle, target = with_oracle(market, 1, alone=True).past[:, -1], market.target
    assert target.label is not None
    assert np.array_equal(oracle[target.complete], target.label[target.complete])
    assert np.isnan(oracle[~target.complete]).all()


def rows_of(panel: Panel, asset: int) -> np.ndarray:
    return np.round(
        np.column_stack(
            [
                panel.actual(name)[panel.rows(asset)][1:]
                / panel.actual("close")[panel.rows(asset)][:-1]
                for name in ("open", "high", "low", "close")
            ]
        ),
        9,
    )


def test_shuffled_bars_are_the_old_bars_in_another_order(subject: Subject) -> None:
    bars = subject.bars
    other = shuffled(bars, np.random.default_rng(0))
    assert np.array_equal(other.time, bars.time)
    assert np.array_equal(other.actual("sector"), bars.actual("sector"))
    for asset in range(bars.n_assets):
        old = {tuple(row) for row in rows_of(bars, asset)}
        new = rows_of(other, asset)
        assert {tuple(row) for row in new} <= old
        assert not np.array_equal(new, rows_of(bars, asset))
        first = bars.rows(asset).start
        assert np.array_equal(other.values[first], bars.values[first])
        volume = other.actual("volume")[bars.rows(asset)]
        assert set(volume) <= set(bars.actual("volume")[bars.rows(asset)])


def test_chance_stays_within_its_bounds_over_many_seeds(subject: Subject) -> None:
    market = subject.market
    z = []
    for seed in range(150):
        changed = subject.parts.market(shuffled(subject.bars, np.random.default_rng(seed)))
        data = next(subject.parts.modules(changed, subject.folds[:1]))
        z.append(canaries._skill_of_ridge(data, 1).z)
    assert market.spec == changed.spec
    # Mean 0 and standard deviation 1, to three errors of 150 draws: the alarm at 4.5 is at least
    # 3.6 standard deviations away.
    assert abs(np.mean(z)) < 0.25
    assert 0.82 < np.std(z) < 1.18


def test_outcomes_are_counted_only_where_they_share_no_bar() -> None:
    row = np.array([0, 1, 2, 3, 7, 8])
    assert canaries._apart(row, row + 2).tolist() == [True, False, True, False, True, False]
    assert canaries._apart(row, row + 1).all()
