"""The command line. Nothing heavy is imported until a command runs: ``--help`` answers at once."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.stopping import StopSignals

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
_HYDRA_OPTIONS = {
    **dict.fromkeys(("--multirun", "-m", "--run", "-r", "--resolve", "--hydra-help", "-h"), False),
    **dict.fromkeys(("--cfg", "-c", "--package", "-p", "--info", "-i"), True),
    **dict.fromkeys(("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"), True),
}
"""Options of ``train`` that are Hydra's, and whether a value follows."""
_SIGNALLED = 128
"""Added to a signal's number: the exit code of what it ended."""


def main() -> None:
    """Entry point: runs the command and turns errors that a user can cause into one message."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    arguments = sys.argv[1:]
    with StopSignals() as stop:
        try:
            app()
        except (KeyboardInterrupt, SystemExit):
            # Typer, depending on its version, has made an exit of its own out of Ctrl-C.
            if stop.received is None:
                raise
            _complain("interrupted; what was finished is in the run folder")
            sys.exit(_SIGNALLED + stop.received)
        except Exception as error:
            if debug:
                raise
            from regimecast.explain import explain

            message, code = explain(error, arguments)
            _complain(message)
            sys.exit(code)


def configure_logging() -> None:
    """Log lines of the framework on stderr; called by whoever owns the process.

    Without a terminal each message is one plain line, whatever its length.
    """
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(
            console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S"
        )
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
        )
    handler.name = "terminal"
    logger = logging.getLogger("regimecast")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for other in [other for other in logger.handlers if other.name == handler.name]:
        logger.removeHandler(other)
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
    context_settings={"ignore_unknown_options": True},  # -m and the like are Hydra's
    epilog="Example: regimecast train -m model=nhits,tft,lightgbm weighting=uniform,regime",
)
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

    -m runs every combination of comma-separated values, each in a process of its own

    --cfg job prints the config instead of running it

    --config-dir FOLDER adds a folder of your own yaml files
    """
    configure_logging()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to `main`, which explains them
    import hydra
    from omegaconf import Container

    from regimecast.core.config import config_folder, plain

    errors: list[Exception] = []

    def task(config: Container) -> None:
        from hydra.core.hydra_config import HydraConfig

        try:
            values = plain(config)
            from regimecast.experiment import execute
            from regimecast.summary import show_run

            result = execute(values, overrides=list(HydraConfig.get().overrides.task))
            show_run(result.folder, result.metrics)
        except Exception as error:  # noqa: BLE001  # raised below; Hydra would print its own message
            errors.append(error)

    sys.argv = [sys.argv[0], *_options_first(overrides or [])]
    try:
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


def _options_first(arguments: Sequence[str]) -> list[str]:
    """Hydra's options with their values, then the overrides: Hydra takes them in this order only.

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
    return [*options, *overrides]


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
        _complain(f"{' '.join(outcome.overrides) or 'defaults'}: {outcome.error}")
    if failed:
        raise typer.Exit(_FAILED)


@app.command(epilog="Example: regimecast evaluate runs/demo/000_model=nhits cost=retail")
def evaluate(
    run_dir: Annotated[Path, typer.Argument(help="Run folder of a finished run.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Changes to strategy, cost, gate and data: cost=retail, data.path=..."),
    ] = None,
) -> None:
    """Let a finished run's saved models forecast again, and judge them."""
    configure_logging()
    from regimecast.reload import evaluate_run
    from regimecast.summary import show_metrics

    evaluation = evaluate_run(run_dir, overrides or [])
    show_metrics(evaluation.metrics)
    other = f"other data: {', '.join(evaluation.changed_data)} changed"
    if evaluation.identical:
        note = "" if evaluation.same_data else f", though from {other}"
        typer.echo(f"forecasts are identical to the stored ones{note}")
    else:
        cause = "other hardware or package versions" if evaluation.same_data else other
        typer.echo(f"forecasts differ from the stored ones ({cause})")


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


@app.command(epilog="Example: regimecast features --set full")
def features(
    chosen: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="core, standard, full, a family, or a list such as [trend,calendar]; "
            "those of the default config if not given.",
        ),
    ] = None,
) -> None:
    """List features with their version, lookback, inputs, units and source."""
    from regimecast.summary import show_features

    show_features(chosen)


def _complain(message: str) -> None:
    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(message, err=True)


if __name__ == "__main__":
    main()
