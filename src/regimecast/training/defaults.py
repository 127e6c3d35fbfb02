"""How to train where nobody said: the packaged config, read without Hydra."""

from typing import Any

from omegaconf import OmegaConf

from regimecast.core.config import config_folder

__all__ = ["default_groups"]

_OPTIONS = {
    "trainer": "default",
    "callbacks": "default",
    "optimizer": "adamw",
    "scheduler": "none",
}


def default_groups() -> dict[str, Any]:
    """Content of each group's default option, as plain values."""
    return {
        group: OmegaConf.to_container(OmegaConf.load(config_folder() / group / f"{option}.yaml"))
        for group, option in _OPTIONS.items()
    }
