"""The command line. Nothing heavy is imported until a command runs: ``--help`` answers at once."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.errors import RegimecastError, did_you_mean

__all__ = ["configure_logging", "main"]

app = typer.Typer(
    name="regimecast",
    help="Deep time-series research on financial markets, from raw bars to an honest leaderboard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Any command takes --debug, which shows the traceback of an error.",
)

_FAILED = 1
_MISUSED = 2
_INTERRUPTED = 130


def main() -> None:
    """Entry point: runs the command and turns errors that a user can cause into one message."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        app()
    except KeyboardInterrupt:
        _complain("interrupted; what was finished is in the run folder")
        sys.exit(_INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        message, code = _explain(error)
        _complain(message)
        sys.exit(code)


def configure_logging() -> None:
    """Log lines of the framework on the terminal; called by whoever owns the process."""
    from rich.logging import RichHandler

    logger = logging.getLogger("regimecast")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        handler = RichHandler(show_path=False, show_level=True, log_time_format="%H:%M:%S")
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"regimecast {installed('regimecast')}")
        raise typer.Exit


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Example: regimecast train -m model=nhits,tft,lightgbm weighting=uniform,regime",
)
def train(context: typer.Context) -> None:
    """Run an experiment, or a sweep of them with -m.

    Arguments are Hydra overrides: GROUP=OPTION swaps a part (model=tft, data=csv), KEY=VALUE sets a
    value (window.context_length=128), -m runs every combination of comma-separated values, each in
    a process of its own. --cfg job prints the config instead of running it; --config-dir FOLDER
    adds a folder of your own yaml files.
    """
    configure_logging()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to `main`, which explains them
    import hydra
    from omegaconf import DictConfig, OmegaConf

    from regimecast.core.config import config_folder

    def task(config: DictConfig) -> None:
        from hydra.core.hydra_config import HydraConfig

        from regimecast.experiment import execute
        from regimecast.summary import show_run

        overrides = list(HydraConfig.get().overrides.task)
        container = OmegaConf.to_container(config, resolve=True)
        assert isinstance(container, dict)
        plain = {str(key): value for key, value in container.items()}
        result = execute(plain, overrides=overrides)
        show_run(result.folder, result.metrics)

    arguments = context.args
    sys.argv = [sys.argv[0], *arguments]
    hydra.main(config_path=str(config_folder()), config_name="train", version_base="1.3")(task)()
    if {"-m", "--multirun"} & set(arguments):
        from hydra_plugins.regimecast.process_launcher import launched
        from regimecast.summary import show_study

        outcomes = launched()
        for study in dict.fromkeys(outcome.study for outcome in outcomes):
            show_study(study)
        if failed := [outcome for outcome in outcomes if outcome.error]:
            for outcome in failed:
                _complain(f"{' '.join(outcome.overrides) or 'defaults'}: {outcome.error}")
            raise typer.Exit(_FAILED)


@app.command(epilog="Example: regimecast evaluate runs/demo/000_model=nhits cost=retail")
def evaluate(
    run_dir: Annotated[Path, typer.Argument(help="Run folder of a finished run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Changes to how it is judged: strategy=..., cost=..., gate=..."),
    ] = None,
) -> None:
    """Let a finished run's saved models forecast again, and judge them."""
    configure_logging()
    from regimecast.reload import evaluate_run
    from regimecast.summary import show_metrics

    evaluation = evaluate_run(run_dir, overrides or [])
    show_metrics(evaluation.metrics)
    typer.echo(
        "forecasts are identical to the stored ones"
        if evaluation.identical
        else "forecasts differ from the stored ones (other hardware or package versions)"
    )


@app.command(epilog="Example: regimecast leaderboard runs/demo --sort sharpe")
def leaderboard(
    folder: Annotated[Path, typer.Argument(help="Folder with run folders below it.")],
    sort: Annotated[str | None, typer.Option(help="Metric to rank by.")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write it here too: .csv, .json or .parquet.")
    ] = None,
) -> None:
    """Rank all runs below a folder, beside buy-and-hold and naive."""
    from regimecast.summary import show_leaderboard

    show_leaderboard(folder, sort=sort, output=output)


@app.command(epilog="Example: regimecast report runs/demo")
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder, or a folder of them.")],
) -> None:
    """Write report.html of a run, or of a whole study."""
    from regimecast.summary import write_report

    typer.echo(write_report(folder))


@app.command(epilog="Example: regimecast models")
def models() -> None:
    """List every model with what it can do."""
    from regimecast.summary import show_models

    show_models()


@app.command(epilog="Example: regimecast features")
def features() -> None:
    """List every default feature with its lookback, inputs, units and source."""
    from regimecast.summary import show_features

    show_features()


def _complain(message: str) -> None:
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(message, err=True)


def _explain(error: Exception) -> tuple[str, int]:
    """One message and the exit code: 2 for what the user wrote, 1 for everything else."""
    from hydra.errors import HydraException, MissingConfigException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, RegimecastError):
        return str(error), _MISUSED
    if isinstance(error, MissingConfigException) and error.options is not None:
        wanted = str(error.missing_cfg_file or "")
        group, _, name = wanted.rpartition("/")
        return (
            f"unknown {group} {name!r}.{did_you_mean(name, error.options)} "
            f"Available: {', '.join(error.options)}"
        ), _MISUSED
    if isinstance(error, HydraException | OmegaConfBaseException):
        return _explain_override(str(error)), _MISUSED
    if isinstance(error, OSError):
        return f"{type(error).__name__}: {error}", _FAILED
    return f"{type(error).__name__}: {error}\nRun again with --debug for the traceback.", _FAILED


def _explain_override(message: str) -> str:
    """Hydra's message with the nearest key that exists, where it is about an unknown one."""
    import re

    found = re.search(r"Could not override '([^']+)'", message)
    if found is None:
        return message
    key = found.group(1)
    known = _known_keys()
    return (
        f"unknown key {key!r}.{did_you_mean(key, known)} Top-level keys: "
        f"{', '.join(sorted({name.partition('.')[0] for name in known}))}"
    )


def _known_keys() -> list[str]:
    """Dotted keys of the default config."""
    from regimecast.core.config import dotted_keys
    from regimecast.experiment import compose

    return dotted_keys(compose())


if __name__ == "__main__":
    main()
