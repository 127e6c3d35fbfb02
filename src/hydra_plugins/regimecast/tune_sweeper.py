"""Hydra sweeper that searches: Hydra's interface over Ray Tune and Optuna."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class TuneSweeperConfig:
    """Config of the sweeper; the rest is in the ``sweep`` group."""

    _target_: str = "hydra_plugins.regimecast.tune_sweeper.TuneSweeper"
    params: dict[str, Any] = field(default_factory=dict)
    """Swept overrides by key, before those of the command line."""


ConfigStore.instance().store(group="hydra/sweeper", name="regimecast_tune", node=TuneSweeperConfig)


class TuneSweeper(Sweeper):
    """Runs a search; see `regimecast.sweep.driver`.

    Args:
        params: swept overrides by key.
    """

    def __init__(self, params: Mapping[str, str]) -> None:
        self.params = params
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Called by Hydra before it writes anything."""
        self.config = config
        self.hydra_context = hydra_context

    def sweep(self, arguments: list[str]) -> None:
        """Runs the search; outcomes are told as those of the process launcher."""
        from hydra_plugins.regimecast.process_launcher import add_outcomes
        from regimecast.sweep.driver import run_search

        assert self.config is not None
        assert self.hydra_context is not None
        params = [f"{key}={value}" for key, value in self.params.items()]
        loader = self.hydra_context.config_loader
        add_outcomes(run_search([*params, *arguments], self.config, loader))
