"""The packaged config with overrides, composed by Hydra outside of ``regimecast train``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from regimecast.core.config import config_folder, plain
from regimecast.core.errors import ConfigError
from regimecast.core.hydra_errors import hydra_explained

__all__ = ["composed"]


def composed(overrides: Sequence[str], *, config_dir: Path | None = None) -> dict[str, Any]:
    """Resolved config of ``train.yaml`` and these overrides, as plain values.

    Args:
        overrides: GROUP=OPTION or KEY=VALUE each.
        config_dir: a folder of the user's own yaml files, searched after the packaged ones.

    Raises:
        ConfigError: an override does not parse or names something unknown, the folder does not
            exist, or a value that has no default is missing.
    """
    arguments = list(overrides)
    if config_dir is not None:
        if not config_dir.is_dir():
            raise ConfigError(f"--config-dir {config_dir} is not a folder")
        arguments.append(f"hydra.searchpath=['file://{config_dir.resolve()}']")
    given = [] if config_dir is None else ["--config-dir", str(config_dir)]
    GlobalHydra.instance().clear()
    with hydra_explained([*given, *overrides]):
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            config = compose("train", overrides=arguments)
        return plain(config)
