"""How to train where nobody said: the packaged config, read without Hydra."""

from typing import Any

from omegaconf import OmegaConf

from regimecast.core.config import config_folder

__all__ = ["default_settings"]

_OPTIONS = {
    "trainer": "default",
    "callbacks": "default",
    "optimizer": "adamw",
    "scheduler": "none",
}


def default_settings() -> dict[str, Any]:
    """Content of each group's default option and of the keys beside them, as plain values."""
    groups = {group: _read(f"{group}/{option}.yaml") for group, option in _OPTIONS.items()}
    return {**groups, "compile": _read("train.yaml")["compile"]}


def _read(name: str) -> Any:
    return OmegaConf.to_container(OmegaConf.load(config_folder() / name))
