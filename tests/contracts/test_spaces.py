"""Every registered model has a search space, and the model takes every value in it.

A model is in these tests by being in the registry: what it needs is one more yaml.
"""

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from optuna.distributions import CategoricalDistribution

from regimecast.assembly import Assembly
from regimecast.core.compose import composed
from regimecast.core.config import config_folder
from regimecast.core.types import Task
from regimecast.data.cleaning import clean
from regimecast.data.datamodule import FinancialDataModule
from regimecast.models.base import ModelRegistry
from regimecast.models.neural import NeuralModel
from regimecast.sweep.dimension import Dimension, dimension
from regimecast.training.progress import RunProgress
from tests.e2e.command import TINY

FOLDER = config_folder() / "sweep" / "space"

MODELS = ModelRegistry.available()
FORECASTS = {"target": "forward_return", "loss": "quantile", "strategy": "sign"}
POINTS = {**FORECASTS, "loss": "huber"}
CLASSES = {"target": "triple_barrier", "loss": "cross_entropy", "strategy": "class_probability"}


@cache
def config_of(name: str) -> dict[str, Any]:
    """The packaged config with this model, and with a target and loss that it can do."""
    able = ModelRegistry.get(name).capabilities
    groups = FORECASTS if Task.FORECAST in able.tasks else CLASSES
    if groups is FORECASTS and able.losses is not None and "quantile" not in able.losses:
        groups = POINTS
    chosen = [f"{group}={option}" for group, option in groups.items()]
    # Those that name a model or a context are of other tests.
    tiny = [o for o in TINY if not o.startswith(("model=", "window.", "target."))]
    return composed([*tiny, "target.volatility_window=10", *chosen, f"model={name}"])


def space_of(name: str) -> dict[str, Dimension]:
    path = FOLDER / f"{name}.yaml"
    assert path.exists(), (
        f"model {name!r} has no search space: write conf/sweep/space/{name}.yaml, a mapping of "
        "keys such as model.hidden_size to Hydra's grammar, such as choice(32, 64); "
        "{} where there is nothing to search"
    )
    parser = OverridesParser.create()
    texts = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {key: dimension(parser.parse_override(f"{key}={text}")) for key, text in texts.items()}


def with_values(name: str, values: dict[str, str]) -> dict[str, Any]:
    """The model's config with these values; every key has to be there."""
    config = deepcopy(config_of(name))
    for key, text in values.items():
        *path, last = key.split(".")
        at = config
        for part in path:
            at = at[part]
        assert last in at, f"{key} is no key of a config with model={name}"
        at[last] = OverridesParser.create().parse_override(f"x={text}").value()
    return config


def ends(one: Dimension) -> Iterator[str]:
    """Every choice, or both ends."""
    if isinstance(one.distribution, CategoricalDistribution):
        yield from one.choices
    else:
        yield from (one.text(one.distribution.low), one.text(one.distribution.high))


def test_every_space_is_that_of_a_model():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_model_takes_every_value_of_its_space(name):
    space = space_of(name)
    # The rate is the trainer's, the same for all.
    assert ("optimizer.lr" in space) == issubclass(ModelRegistry.get(name), NeuralModel)
    for key, one in space.items():
        assert key.startswith(("model.", "optimizer."))
        values = list(ends(one))
        assert len(set(values)) == len(values) > 1
        for value in values:
            Assembly.from_config(with_values(name, {key: value}))


@pytest.mark.parametrize("name", MODELS)
def test_packaged_value_lies_within_the_space(name):
    """What a search returns is then at least as good as what one begins with."""
    for key, one in space_of(name).items():
        config: Any = config_of(name)
        for part in key.split("."):
            config = config[part]
        if isinstance(one.distribution, CategoricalDistribution):
            values = [with_values(name, {key: text}) for text in one.choices]
            for part in key.split("."):
                values = [value[part] for value in values]
            assert config in values, key
        else:
            assert one.distribution.low <= config <= one.distribution.high, key


@cache
def fold(task: Task) -> FinancialDataModule:
    """A few bars with the packaged context, on which every model of the task trains in no time."""
    name = "lstm" if task is Task.FORECAST else "logistic"
    parts = Assembly.from_config({**config_of(name), "features": {}})
    bars, _ = clean(parts.source.load(), settings=parts.cleaning)
    market = parts.market(bars)
    (data,) = parts.modules(market, parts.folds(market.samples(complete=True)))
    return data


@pytest.mark.parametrize("name", MODELS)
def test_a_random_draw_trains_and_reports(name):
    rng = np.random.default_rng(MODELS.index(name))
    values = {}
    for key, one in space_of(name).items():
        if isinstance(one.distribution, CategoricalDistribution):
            values[key] = str(rng.choice(one.choices))
        else:
            low, high = one.distribution.low, one.distribution.high
            drawn = rng.uniform(low, high)
            values[key] = one.text(round(drawn) if isinstance(low, int) else float(drawn))
    parts = Assembly.from_config({**with_values(name, values), "features": {}})
    progress = RunProgress()
    data = fold(parts.target.task)
    report = parts.trainer(progress=progress.fold(0)).train(parts.model(data), data)
    assert report.best_score is not None
    assert progress.objective == report.best_score
