"""Whether a run that goes on is the job that it was: config, bars and code."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from regimecast.core.config import flat
from regimecast.core.errors import BusyError, ConfigError, DataError
from regimecast.core.hashing import hash_json
from regimecast.core.processes import here
from regimecast.stored_run import ledger_of, stored_config, stored_manifest, whole
from regimecast.tracking.identity import code_hash, deciding

__all__ = ["check_same_bars", "check_same_job", "config_to_resume", "origin_of"]

_CHANGES = "changes"
"""Key of the config that a run may go on with another value of, see `Checkpoints`."""
_SHOWN = 5


def origin_of(config: Mapping[str, Any], bars_hash: str) -> dict[str, Any]:
    """What decides every training of a run, see `Checkpoints`."""
    return {
        "config": _config_hash(config),
        "bars": bars_hash,
        "code": code_hash(),
        _CHANGES: list(config.get(_CHANGES) or []),
    }


def config_to_resume(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Config and overrides with which a run that did not finish is to go on.

    Raises:
        BusyError: it still runs.
        ConfigError: not a run folder, or its run is finished, or never had a config.
        DataError: a file of the folder is damaged.
    """
    manifest, status = stored_manifest(folder)
    if status == "finished":
        raise ConfigError(f"{folder} is finished: there is nothing to go on with")
    if status == "running" and here(process := manifest.get("process", {})):
        raise BusyError(
            f"{folder} still runs, in process {process.get('id')} of {process.get('host')}"
        )
    if not (folder / "config.yaml").is_file():
        raise ConfigError(
            f"{folder} ended before it had written its config: run the command that began it again"
        )
    config = stored_config(folder)
    config["ledger"] = os.path.relpath(ledger_of(folder, manifest, config))
    return config, list(manifest.get("overrides", []))


def check_same_job(folder: Path, config: Mapping[str, Any]) -> None:
    """Nothing, if a run with this config can go on in the folder of an earlier attempt.

    Raises:
        ConfigError: it was begun with another config, or by other code.
        DataError: a file of the folder is damaged.
    """
    manifest, _ = stored_manifest(folder)
    begun = manifest.get("origin")
    if (folder / "config.yaml").is_file():
        with whole(folder / "config.yaml"):
            stored = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
            before, now = (flat(_decides(c)) for c in (dict(stored), config))  # type: ignore[arg-type]  # anything else is damage
        if others := [key for key in {**before, **now} if before.get(key) != now.get(key)]:
            shown = (f"{key}={before.get(key)!r}, now {now.get(key)!r}" for key in others[:_SHOWN])
            more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
            raise ConfigError(
                f"{folder} was begun with another config: {'; '.join(shown)}{more}. Give that of "
                "its config.yaml, or start a new run"
            )
    if begun is not None and begun["code"] != code_hash():
        raise ConfigError(
            f"{folder} was begun by other code of regimecast, with which the rest of it need not "
            "fit what is there (manifest.json names its version under code). Go back to that "
            "version, or start a new run"
        )


def check_same_bars(manifest: Mapping[str, Any], origin: Mapping[str, Any]) -> None:
    """Nothing, if the bars are those that an earlier attempt has seen, if there was one.

    Raises:
        DataError: they are others.
    """
    begun = manifest.get("origin")
    if begun is not None and begun["bars"] != origin["bars"]:
        raise DataError(
            "the run was begun on other bars (their content has changed since), and cannot go on "
            "with these. Restore the data, or start a new run"
        )


def _decides(config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the result, less what may change on the way."""
    # Hydra leaves out a group of which none is chosen.
    values = {"features": {}, **deciding(config)}
    return {key: value for key, value in values.items() if key != _CHANGES}


def _config_hash(config: Mapping[str, Any]) -> str:
    return hash_json(_decides(config))
