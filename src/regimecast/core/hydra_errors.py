"""Hydra's errors in our words: one message that names the key and what is allowed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]  # PyYAML carries no types

from regimecast.core.config import config_folder, dotted_keys
from regimecast.core.errors import ConfigError, did_you_mean

__all__ = ["explain_hydra", "hydra_explained"]

_FOLDER_OPTIONS = ("--config-dir", "-cd")


def explain_hydra(error: Exception, arguments: Sequence[str]) -> str | None:
    """Message for an error of Hydra, OmegaConf or yaml; None for any other.

    Args:
        error: what was raised.
        arguments: overrides, and Hydra's options; they tell which keys there are.
    """
    if isinstance(error, OverrideParseException):
        # Only the first line of the parser's message is about this override.
        problem = str(error).removeprefix(f"Error parsing override '{error.override}'").strip()
        return (
            f"cannot read override {error.override!r}: {problem.splitlines()[0]}. "
            "Expected GROUP=OPTION or KEY=VALUE, quoted where the value has special characters: "
            "'KEY=\"a b\"'"
        )
    folders = _folders(arguments)
    if isinstance(error, MissingConfigException) and (options := _options(error, folders)):
        group, _, name = str(error.missing_cfg_file).rpartition("/")
        return (
            f"unknown {group or 'config'} {name!r}.{did_you_mean(name, options)} "
            f"Available: {', '.join(options)}"
        )
    if isinstance(error, HydraException | OmegaConfBaseException | YAMLError):
        return _explain_key(str(error), arguments, folders)
    if isinstance(error, ValueError) and str(error).startswith("Config group override"):
        return f"{error}. Expected GROUP=OPTION or KEY=VALUE"
    return None


@contextmanager
def hydra_explained(overrides: Sequence[str]) -> Iterator[None]:
    """What Hydra says of these overrides raises `ConfigError`, in the command line's words."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        message = explain_hydra(error, overrides)
        if message is None:
            raise
        raise ConfigError(message) from error


def _folders(arguments: Sequence[str]) -> list[Path]:
    """Folders of config files: the packaged one, and that of ``--config-dir``."""
    folders = [config_folder()]
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        if option in _FOLDER_OPTIONS:
            folders.append(Path(value if equals else following).resolve())
    return folders


def _options(error: MissingConfigException, folders: Sequence[Path]) -> list[str]:
    """Options of the group; Hydra itself names them only for groups that take one."""
    if error.options:
        return list(error.options)
    group = Path(str(error.missing_cfg_file)).parent
    return sorted({path.stem for folder in folders for path in (folder / group).glob("*.yaml")})


def _explain_key(message: str, arguments: Sequence[str], folders: Sequence[Path]) -> str:
    """Hydra's message, or the keys that exist where it is about one that does not."""
    _, found, rest = message.partition("Could not override '")
    if not found:
        return message
    key = rest.partition("'")[0]
    known = _known_keys(arguments, folders)
    if any(argument.startswith(f"{key}={{") for argument in arguments):
        return f"{key!r} is given keys that it does not have; to add them write +{key}={{…}}"
    if key in known:  # the first option of a sweep has it
        group = key.partition(".")[0]
        swept = next((a for a in arguments if a.startswith(f"{group}=") and "," in a), group)
        return (
            f"unknown key {key!r} for an option of {swept}: not all of them have it. Sweep those "
            "that do apart from the others"
        )
    parent, dot, name = key.rpartition(".")
    allowed = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent]
    if allowed:
        guess = did_you_mean(name, allowed).replace("'", f"'{parent}{dot}", 1)
        place = f" in {parent}" if parent else ""
    else:
        allowed, guess, place = [k for k in known if "." not in k], did_you_mean(key, known), ""
    return f"unknown key {key!r}.{guess} Allowed{place}: {', '.join(allowed)}"


def _known_keys(arguments: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Dotted keys of the config with the groups that were chosen, or of the default one."""
    packaged, *others = folders
    chosen = [
        # The first of a sweep's options stands for all.
        argument if "[" in argument else argument.partition(",")[0]
        for argument in arguments
        if "=" in argument
        and any((folder / argument.lstrip("+").partition("=")[0]).is_dir() for folder in folders)
    ]
    search = [f"hydra.searchpath=[{','.join(f'file://{other}' for other in others)}]"]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(packaged), version_base="1.3"):
        try:
            config = compose("train", overrides=[*(search if others else []), *chosen])
        except (HydraException, OmegaConfBaseException):
            config = compose("train")
    keys = OmegaConf.to_container(config)
    assert isinstance(keys, dict)
    return dotted_keys({str(key): value for key, value in keys.items()})
