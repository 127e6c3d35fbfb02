"""The yaml files of this room hold exactly what their classes take."""

import inspect
from pathlib import Path

import pytest
import yaml

from regimecast.core.config import config_folder
from regimecast.core.errors import ConfigError
from regimecast.evaluation.bounds import bounded, whole
from regimecast.evaluation.costs import CostModel
from regimecast.evaluation.gate import Gate
from regimecast.evaluation.strategies.base import StrategyRegistry


def configs(group: str) -> list[Path]:
    return sorted((config_folder() / group).glob("*.yaml"))


@pytest.mark.parametrize("path", configs("strategy"), ids=lambda path: path.stem)
def test_strategies(path):
    config = yaml.safe_load(path.read_text())
    assert next(iter(config)) == "name"
    name = config.pop("name")
    assert name == path.stem
    StrategyRegistry.create(name, **config)
    parameters = StrategyRegistry.parameters(name)
    assert set(config) == set(parameters)
    assert all(p.default is p.empty for p in parameters.values())


def test_every_strategy_has_a_yaml():
    assert {path.stem for path in configs("strategy")} == set(StrategyRegistry.available())


@pytest.mark.parametrize("path", configs("cost"), ids=lambda path: path.stem)
def test_costs(path):
    config = yaml.safe_load(path.read_text())
    assert list(config) == list(inspect.signature(CostModel).parameters)
    assert CostModel(**config).name == path.stem


@pytest.mark.parametrize("path", configs("gate"), ids=lambda path: path.stem)
def test_gates(path):
    config = yaml.safe_load(path.read_text())
    assert list(config) == list(inspect.signature(Gate).parameters)
    assert Gate(**config).name == path.stem


def test_profiles_of_the_two_gates():
    rules = {path.stem: yaml.safe_load(path.read_text())["rules"] for path in configs("gate")}
    assert rules == {
        "none": [],
        "s2_production": [
            {"metric": "sharpe", "above": 0.8},
            {"metric": "trade_win_rate", "above": 0.5},
            {"metric": "max_drawdown", "below": 0.15},
        ],
        "s3_deployment": [{"metric": "sharpe", "above": 1.0}],
    }


def test_costs_per_side():
    cost = CostModel(name="x", commission_bps=1.5, slippage_bps=2.5, borrow_bps_per_year=0.0)
    assert cost.per_side == pytest.approx(0.0004)
    with pytest.raises(ConfigError, match=r"cost\.slippage_bps=-1\.0 must be a number from 0"):
        CostModel(name="x", commission_bps=0.0, slippage_bps=-1.0, borrow_bps_per_year=0.0)


@pytest.mark.parametrize("value", [None, "1", True, float("nan"), float("inf"), -1, 2.5, [1]])
def test_bounds_refuse(value):
    with pytest.raises(ConfigError, match="x="):
        bounded("x", value, low=0.0, high=2.0)
    with pytest.raises(ConfigError, match="x="):
        whole("x", value, low=1)


def test_bounds_accept():
    assert bounded("x", 2, low=0.0, high=2.0) == 2.0
    assert whole("x", 1, low=1) == 1
