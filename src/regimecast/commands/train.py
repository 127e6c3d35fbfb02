"""``regimecast train``: an experiment, or a sweep of them."""

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Annotated

import typer

from regimecast.core.terminal import complain, configure_logging

__all__ = ["train"]

_FAILED = 1
_HYDRA_OPTIONS = {
    **dict.fromkeys(("--multirun", "-m", "--run", "-r", "--resolve", "--hydra-help", "-h"), False),
    **dict.fromkeys(("--cfg", "-c", "--package", "-p", "--info", "-i"), True),
    **dict.fromkeys(("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"), True),
}
"""Options of ``train`` that are Hydra's, and whether a value follows."""
_MULTIRUN = {"--multirun", "-m"}


def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="GROUP=OPTION, KEY=VALUE, and Hydra's options, such as -m."),
    ] = None,
) -> None:
    """Run an experiment, or a sweep of them with -m.

    Arguments are Hydra overrides.

    GROUP=OPTION swaps a part: model=tft, data=csv

    KEY=VALUE sets a value: window.context_length=128

    -m runs every combination of comma-separated values, each in a process of its own; the same
    command again runs what is missing

    -m sweep=asha searches instead: random, tpe, asha, median, cmaes, nsga2, pbt, pb2

    --cfg job prints the config instead of running it

    --config-dir FOLDER adds a folder of your own yaml files
    """
    configure_logging()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to `main`, which explains them
    import hydra
    from omegaconf import Container

    from regimecast.core.config import config_folder, plain
    from regimecast.core.naming import sweep_named

    errors: list[Exception] = []

    def task(config: Container) -> None:
        from hydra.core.hydra_config import HydraConfig

        try:
            own = list(HydraConfig.get().overrides.task)
            _check_no_sweep(own)
            values = plain(config)
            from regimecast.experiment import execute
            from regimecast.summary import show_run

            result = execute(values, overrides=own)
            show_run(result.folder, result.metrics)
        except Exception as error:  # noqa: BLE001  # raised below; Hydra would print its own message
            errors.append(error)

    options, changes = _options_first(overrides or [])
    sys.argv = [sys.argv[0], *options, *changes]
    swept = not _MULTIRUN.isdisjoint(options)
    if swept and not any(c.startswith("sweep=") and c != "sweep=grid" for c in changes):
        # The jobs of a search are forked from servers of Ray's workers.
        from regimecast.sweep.job_process import start_server

        start_server()
    try:
        with sweep_named(changes) if swept else nullcontext():
            hydra.main(config_path=str(config_folder()), config_name="train", version_base="1.3")(
                task
            )()
    except Exception:
        from hydra_plugins.regimecast.process_launcher import remove_unstarted

        remove_unstarted()
        raise
    if errors:
        raise errors[0]
    _finish_sweep()


def _options_first(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Hydra's options with their values, and the overrides: Hydra takes them in this order only.

    Raises:
        ConfigError: there is no such option, or its value is missing.
    """
    from regimecast.core.errors import ConfigError, did_you_mean

    options: list[str] = []
    overrides: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        if not argument.startswith("-"):
            overrides.append(argument)
            continue
        name, given, _ = argument.partition("=")
        if name not in _HYDRA_OPTIONS:
            raise ConfigError(
                f"unknown option {name!r}.{did_you_mean(name, _HYDRA_OPTIONS)} "
                f"Allowed: {', '.join(_HYDRA_OPTIONS)}; overrides are GROUP=OPTION or KEY=VALUE"
            )
        options.append(argument)
        if _HYDRA_OPTIONS[name] and not given:
            if not waiting:
                raise ConfigError(f"option {name} needs a value")
            options.append(waiting.pop(0))
    return options, overrides


def _check_no_sweep(overrides: Sequence[str]) -> None:
    """Nothing, unless a run by itself is told how to be swept.

    Raises:
        ConfigError: it is.
    """
    from regimecast.core.errors import ConfigError

    for override in overrides:
        if override.startswith(("sweep=", "sweep.")):
            raise ConfigError(f"{override} is for a sweep: regimecast train -m ...")


def _finish_sweep() -> None:
    """Leaderboard of the jobs that were launched, if any, and exit code 1 if one failed."""
    from hydra_plugins.regimecast.process_launcher import take_outcomes

    outcomes = take_outcomes()
    if not outcomes:
        return
    from regimecast.summary import show_study

    for study in dict.fromkeys(outcome.study for outcome in outcomes):
        show_study(study)
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        complain(f"{' '.join(outcome.overrides) or 'defaults'}: {outcome.error}")
    if failed:
        raise typer.Exit(_FAILED)
