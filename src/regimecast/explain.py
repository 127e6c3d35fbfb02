"""What the command line says about an error: one message that names the key and what is allowed."""

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.core.config import config_folder, dotted_keys
from regimecast.core.errors import RegimecastError, did_you_mean

__all__ = ["explain"]

_FAILED = 1
_MISUSED = 2


def explain(error: Exception, arguments: Sequence[str]) -> tuple[str, int]:
    """One message and the exit code: 2 for what the user wrote, 1 for everything else.

    Args:
        error: what was raised.
        arguments: of the command; they tell which keys there are.
    """
    if isinstance(error, RegimecastError):
        return str(error), _MISUSED
    if isinstance(error, OverrideParseException):
        # Only the first line of the parser's message is about this override.
        problem = str(error).removeprefix(f"Error parsing override '{error.override}'").strip()
        return (
            f"cannot read override {error.override!r}: {problem.splitlines()[0]}. "
            "Expected GROUP=OPTION or KEY=VALUE, quoted where the value has special characters: "
            "'KEY=\"a b\"'"
        ), _MISUSED
    if isinstance(error, MissingConfigException) and (options := _options(error)):
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return (
            f"unknown {group} {name!r}.{did_you_mean(name, options)} "
            f"Available: {', '.join(options)}"
        ), _MISUSED
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        return _explain_key(str(error), arguments), _MISUSED
    if isinstance(error, ValueError) and str(error).startswith("Config group override"):
        return f"{error}. Expected GROUP=OPTION or KEY=VALUE", _MISUSED
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error}", _FAILED
    return f"{type(error).__name__}: {error}\nRun again with --debug for the traceback.", _FAILED


def _options(error: MissingConfigException) -> list[str]:
    """Options of the group; Hydra itself names them only for groups that take one."""
    if error.options:
        return list(error.options)
    folder = config_folder() / Path(str(error.missing_cfg_file)).parent
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _explain_key(message: str, arguments: Sequence[str]) -> str:
    """Hydra's message, or the keys that exist where it is about one that does not."""
    _, found, rest = message.partition("Could not override '")
    if not found:
        return message
    key = rest.partition("'")[0]
    known = _known_keys(arguments)
    parent, dot, name = key.rpartition(".")
    allowed = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    if allowed:
        guess = did_you_mean(name, allowed).replace("'", f"'{parent}{dot}", 1)
        place = f" in {parent}" if parent else ""
    else:
        allowed, guess, place = [k for k in known if "." not in k], did_you_mean(key, known), ""
    return f"unknown key {key!r}.{guess} Allowed{place}: {', '.join(allowed)}"


def _known_keys(arguments: Sequence[str]) -> list[str]:
    """Dotted keys of the config with the groups that were chosen, or of the default one."""
    folder = config_folder()
    chosen = [
        # The first of a sweep's options stands for all.
        argument if "[" in argument else argument.partition(",")[0]
        for argument in arguments
        if "=" in argument and (folder / argument.partition("=")[0]).is_dir()
    ]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(folder), version_base="1.3"):
        try:
            config = compose("train", overrides=chosen)
        except (HydraException, OmegaConfBaseException):
            config = compose("train")
    keys = OmegaConf.to_container(config)
    assert isinstance(keys, dict)
    return dotted_keys({str(key): value for key, value in keys.items()})
