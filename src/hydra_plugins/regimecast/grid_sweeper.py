"""Hydra's basic sweeper without its rehearsal, which composes every job once more than needed."""

from dataclasses import dataclass

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra.core.config_store import ConfigStore


@dataclass
class GridSweeperConfig(BasicSweeperConf):
    """Config of the sweeper, the same as Hydra's."""

    _target_: str = "hydra_plugins.regimecast.grid_sweeper.GridSweeper"


ConfigStore.instance().store(
    group="hydra/sweeper", name="regimecast_grid", node=GridSweeperConfig, provider="regimecast"
)


class GridSweeper(BasicSweeper):
    """Every combination of comma-separated values."""

    def validate_batch_is_legal(self, batch: list[list[str]]) -> None:  # type: ignore[override]  # Hydra gives lists
        """Nothing: `ProcessLauncher` composes all jobs before it runs the first."""
