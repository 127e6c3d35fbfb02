"""Config: where it lives, how it becomes objects, and what it may not do.

Own parts are named (``name: nhits``) and made through their registry. Third-party parts (trainer,
callbacks, optimizers, schedulers) are given by ``_target_`` and made here and nowhere else: classes
that an allowed package defines, each of the kind that its place in the config asks for. A config
file can therefore never run code that this project did not choose.
"""

import inspect
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf

import regimecast.core.naming  # noqa: F401  # what ${study_name:} stands for
from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.core.values import fitting

__all__ = [
    "ALLOWED_TARGETS",
    "config_folder",
    "dotted_keys",
    "flat",
    "instantiate",
    "plain",
    "split_name",
    "study_folder",
]

ALLOWED_TARGETS: tuple[str, ...] = (
    "lightning.pytorch.Trainer",
    "lightning.pytorch.callbacks.",
    "lightning.pytorch.profilers.",
    "lightning.pytorch.strategies.",
    "regimecast.training.callbacks.",
    "regimecast.training.step_profile.StepProfile",
    "torch.optim.",
)
"""Targets a config may name: exact, or public classes of a package, given with a dot at the end."""

_SWEEP = "sweep"
"""Key of the composed config that says how jobs are run."""


def config_folder() -> Path:
    """Folder of the packaged config: ``conf/`` of the checkout, or of the installed wheel."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "conf"
    return installed if installed.is_dir() else package.parents[1] / "conf"


def plain(config: Container) -> dict[str, Any]:
    """Plain values of a composed config, every reference resolved, without how it is swept.

    Raises:
        ConfigError: a value that has to be given is missing.
        omegaconf.errors.OmegaConfBaseException: a reference leads nowhere.
    """
    if isinstance(config, DictConfig):
        config = OmegaConf.masked_copy(config, [str(key) for key in config if key != _SWEEP])
    if missing := sorted(OmegaConf.missing_keys(config)):
        raise ConfigError(
            f"{', '.join(missing)} has no default and must be given: {missing[0]}=VALUE"
        )
    container = OmegaConf.to_container(config, resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def split_name(config: Mapping[str, Any], group: str) -> tuple[str, dict[str, Any]]:
    """Registry name and parameters of a component's config.

    Raises:
        ConfigError: there is no ``name``.
    """
    if "name" not in config:
        raise ConfigError(f"{group}: 'name' is missing; found {', '.join(config) or 'nothing'}")
    return str(config["name"]), {key: value for key, value in config.items() if key != "name"}


def study_folder(config: Mapping[str, Any]) -> Path:
    """Folder of the study, ``runs/study``.

    Raises:
        ConfigError: it would be the folder of all studies itself, or outside it.
    """
    runs, study = Path(str(config["runs"])), Path(str(config["study"]))
    if study.is_absolute() or ".." in study.parts or not study.parts:
        raise ConfigError(
            f"study={str(study)!r} must be a folder inside runs={str(runs)!r}; "
            "runs=FOLDER keeps all studies elsewhere"
        )
    return runs / study


def instantiate(
    config: Mapping[str, Any],
    *,
    key: str,
    base: type[Any],
    parts: Mapping[str, type[Any]] | None = None,
    **extra: Any,
) -> Any:
    """Object of a ``_target_`` config; ``_partial_: true`` gives a `functools.partial` instead.

    Args:
        config: the mapping, plain Python values.
        key: where it stands in the config, for messages.
        base: what the target must be, or derive from.
        parts: parameters that may hold a ``_target_`` themselves, made first, and the base of each.
        extra: further keyword arguments, made by code.

    Raises:
        ConfigError: the target is not allowed, does not exist, is not a class of the base, does not
            take a parameter, or takes a value of another type.
    """
    if "_target_" not in config:
        raise ConfigError(f"{key}: '_target_' is missing; found {', '.join(config) or 'nothing'}")
    target = str(config["_target_"])
    factory = _locate(target, key, base)
    arguments = {
        name: _part(value, f"{key}.{name}", (parts or {}).get(name))
        for name, value in config.items()
        if name not in {"_target_", "_partial_"}
    }
    _check_arguments(factory, {**arguments, **extra}, key)
    parameters = inspect.signature(factory).parameters
    arguments = {
        name: fitting(f"{key}.{name}", value, parameters[name].annotation)
        if name in parameters
        else value
        for name, value in arguments.items()
    }
    if config.get("_partial_", False):
        return partial(factory, **arguments, **extra)
    try:
        return factory(**arguments, **extra)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{key} ({target}): {error}") from error


def _part(value: Any, key: str, base: type[Any] | None) -> Any:
    """The value, or what it asks to be made."""
    if not isinstance(value, Mapping) or "_target_" not in value:
        return value
    if base is None:
        raise ConfigError(f"{key}._target_={value['_target_']!r} is not allowed: give plain values")
    return instantiate(value, key=key, base=base)


def _locate(target: str, key: str, base: type[Any]) -> Any:
    """The class, which its own package defines: modules also hold what they import."""
    place = f"{key}._target_={target!r}"
    if not _allowed(target):
        raise ConfigError(f"{place} is not allowed. Allowed: {', '.join(ALLOWED_TARGETS)}")
    module, _, name = target.rpartition(".")
    try:
        factory = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{place} does not exist: {error}") from error
    if not (inspect.isclass(factory) and issubclass(factory, base)):
        raise ConfigError(f"{place} is not a {base.__name__}")
    defined = f"{factory.__module__}.{factory.__qualname__}"
    if target not in ALLOWED_TARGETS and not _allowed(defined):
        raise ConfigError(f"{place} is {defined}, which is not allowed")
    return factory


def _allowed(target: str) -> bool:
    return not any(part.startswith("_") for part in target.split(".")) and any(
        target == allowed or (allowed.endswith(".") and target.startswith(allowed))
        for allowed in ALLOWED_TARGETS
    )


def _check_arguments(factory: Any, arguments: Mapping[str, Any], key: str) -> None:
    parameters = inspect.signature(factory).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in arguments:
        if name not in parameters:
            raise ConfigError(
                f"{key} has no parameter {name!r} (value {arguments[name]!r})."
                f"{did_you_mean(name, parameters)} Allowed: {', '.join(parameters)}"
            )


def dotted_keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Every key of nested mappings, such as ``window.context_length``, branches included."""
    keys: list[str] = []
    for key, value in config.items():
        keys.append(f"{prefix}{key}")
        if isinstance(value, Mapping):
            keys += dotted_keys(value, f"{prefix}{key}.")
    return keys


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values of nested mappings by dotted key; a mapping without any key is a value."""
    values: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values
