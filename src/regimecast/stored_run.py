"""The files of a run read back: its manifest, its config, and what may be changed about them."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import Container, DictConfig, OmegaConf
from yaml import YAMLError  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.assembly import TOP_LEVEL
from regimecast.core.compose import composed
from regimecast.core.config import config_folder, dotted_keys, plain
from regimecast.core.errors import ConfigError, DataError, did_you_mean
from regimecast.core.files import read_json
from regimecast.core.hashing import hash_json
from regimecast.core.hydra_errors import hydra_explained
from regimecast.tracking.folder import Status, read_status
from regimecast.tracking.identity import described
from regimecast.tracking.ledger import Ledger

__all__ = [
    "changed_config",
    "check_config",
    "ledger_of",
    "stored_config",
    "stored_manifest",
    "whole",
]

_LATER = (
    "changes", "compile", "conformal", "feature_cache", "ledger", "threads", "warm_start",
    "window.shuffle",
)  # fmt: skip
"""Keys that stored configs of older runs lack."""
_log = logging.getLogger(__name__)


def stored_manifest(folder: Path) -> tuple[dict[str, Any], Status]:
    """Content of a run's ``manifest.json``, and how the run ended.

    Raises:
        ConfigError: not a run folder.
        DataError: the file is damaged.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise ConfigError(f"{folder} is not a run folder: it has no manifest.json")
    with whole(path):
        status = read_status(folder)
        return dict(read_json(path)), status


def stored_config(folder: Path) -> dict[str, Any]:
    """Resolved config of a run folder; keys that are younger than the run have their defaults.

    Raises:
        DataError: it is missing or damaged, or has references: those of a run are resolved, and
            a stranger's would fetch what is only known here, such as a key of the environment.
    """
    path = folder / "config.yaml"
    with whole(path):
        config = _loaded(folder)
    _add_later_keys(config)
    if missing := sorted({*TOP_LEVEL} - {"features", *map(str, config)}):
        raise DataError(f"{path} is damaged: it lacks {', '.join(missing)}")
    with whole(path):
        return plain(config)


def check_config(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Nothing, if the config is the one that the run wrote.

    Raises:
        DataError: it is missing or damaged, or has changed since.
    """
    with whole(folder / "config.yaml"):
        content = hash_json(described(plain(_loaded(folder))))
    if content != manifest.get("config_sha256"):
        raise DataError(
            f"{folder / 'config.yaml'} is not what the run wrote (see config_sha256 in "
            "manifest.json): its result is another config's"
        )


def ledger_of(folder: Path, manifest: Mapping[str, Any], config: Mapping[str, Any]) -> Path:
    """Folder of the ledger that a run is counted in.

    It is the one that the manifest names, or else the config, and the default one where neither is
    a ledger: a run may be a stranger's, and nothing is written to a place because it says so.

    Args:
        folder: the run folder.
        manifest: its content, see `stored_manifest`.
        config: see `stored_config`.
    """
    named = manifest.get("trial", {}).get("ledger")
    places = [] if named is None else [(folder.resolve() / named).resolve()]
    for place in (*places, Path(str(config["ledger"]))):
        if Ledger(place).begun:
            return place
    return Path(composed([])["ledger"])


def _loaded(folder: Path) -> Container:
    config = OmegaConf.load(folder / "config.yaml")
    if not isinstance(config, DictConfig) or not config:
        raise ValueError("it holds no config")
    if reference := _reference(OmegaConf.to_container(config)):
        raise ValueError(f"{reference} is a reference, which a run's own config has none of")
    return config


def _reference(value: Any) -> str | None:
    """A text among nested values that would be resolved."""
    if isinstance(value, str):
        return value if "${" in value else None
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next(filter(None, map(_reference, inner)), None)


def changed_config(
    config: Mapping[str, Any], overrides: Sequence[str], groups: Sequence[str], *, what: str
) -> dict[str, Any]:
    """A stored config with options and values of some groups replaced.

    Args:
        config: see `stored_config`.
        overrides: ``group=option`` of the packaged config, or ``key=value``.
        groups: which may be changed.
        what: they decide, for the error.

    Raises:
        ConfigError: an override names something unknown, or something of another group.
    """
    changed = OmegaConf.create(dict(config))
    with hydra_explained(overrides):
        changes = OverridesParser.create().parse_overrides(list(overrides))
    for change in changes:
        key = change.key_or_group
        known = [k for k in dotted_keys(plain(changed)) if k.partition(".")[0] in groups]
        if key not in known or change.is_add() or change.is_delete() or change.is_sweep_override():
            raise ConfigError(
                f"override {change.input_line!r} does not change one key of {what}."
                f"{did_you_mean(key, known)} Allowed: {', '.join(groups)}, and their keys"
            )
        if (config_folder() / key).is_dir():
            changed[key] = composed([str(change.input_line)])[key]
        else:
            OmegaConf.update(changed, key, change.value(), merge=False)
    return plain(changed)


def _add_later_keys(config: Container) -> None:
    """Fills in keys that came after the run; their defaults do what was done without them."""
    later = []
    for key in _LATER:
        group, _, name = key.rpartition(".")
        holder: Any = OmegaConf.select(config, group) if group else config
        if holder is not None and name not in holder:
            later.append(key)
    if not later:
        return
    defaults = OmegaConf.create(composed([]))
    for key in later:
        OmegaConf.update(config, key, OmegaConf.select(defaults, key), force_add=True)
    _log.info("the run is older than %s; their defaults are taken", ", ".join(later))


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """A file of the run that cannot be read raises `DataError` with its name."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, YAMLError) as error:
        said = (str(error).splitlines() or [""])[0]
        raise DataError(f"{path} is damaged: {type(error).__name__}: {said}") from error
