"""The command line. Nothing heavy is imported until a command runs: ``--help`` answers at once."""

import re
import sys
from inspect import getdoc
from typing import Annotated

import typer

from regimecast.commands.audit import audit
from regimecast.commands.barriers import barriers
from regimecast.commands.bench import bench
from regimecast.commands.cluster import cluster
from regimecast.commands.compare import compare
from regimecast.commands.diff import diff
from regimecast.commands.evaluate import evaluate
from regimecast.commands.features import features
from regimecast.commands.leaderboard import leaderboard
from regimecast.commands.ledger import ledger
from regimecast.commands.models import models
from regimecast.commands.pipeline import pipeline
from regimecast.commands.report import report
from regimecast.commands.rerun import rerun
from regimecast.commands.resume import resume
from regimecast.commands.train import train
from regimecast.core.stopping import StopSignals
from regimecast.core.terminal import complain

__all__ = ["main"]

app = typer.Typer(
    name="regimecast",
    help="Deep time-series research on financial markets, from raw bars to an honest leaderboard.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Any command takes --debug, which shows the traceback of an error.",
)

_KEPT = {
    "train": "what was finished is kept, and a sweep goes on with the same command",
    "resume": "what was finished is in the run folder, and the same command goes on after it",
    "pipeline": "finished stages are kept, and the same command goes on after them",
}
"""What an interrupted command leaves behind."""
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
            kept = _KEPT.get(next(iter(arguments), ""))
            complain(f"interrupted; {kept}" if kept else "interrupted")
            sys.exit(_SIGNALLED + stop.received)
        except Exception as error:
            if debug:
                raise
            from regimecast.explain import explain

            message, code = explain(error, arguments)
            complain(message)
            sys.exit(code)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"regimecast {installed('regimecast')}")
        raise typer.Exit


_HYDRAS = {"ignore_unknown_options": True}
"""-m and the like are Hydra's."""
for _command, _example, _settings in (
    (train, "train -m model=nhits,tft,lightgbm weighting=uniform,regime", _HYDRAS),
    (resume, "resume runs/demo/000_model=nhits", None),
    (evaluate, "evaluate runs/demo/000_model=nhits cost=retail", None),
    (rerun, "rerun runs/demo/000_model=nhits --verify", None),
    (diff, "diff runs/demo/000_model=nhits runs/demo/001_model=tft", None),
    (leaderboard, "leaderboard runs/demo --sort sharpe", None),
    (ledger, "ledger --status failed", None),
    (compare, "compare runs/demo --metric crps", None),
    (report, "report runs/demo", None),
    (models, "models", None),
    (features, "features --set full", None),
    (audit, "audit data=sp500 model=lightgbm", None),
    (barriers, "barriers data=sp500 --output conf_mine/target/searched.yaml", None),
    (pipeline, "pipeline data=sp500 target=triple_barrier", None),
    (bench, "bench labels --output experiments/benchmarks", None),
):
    app.command(
        help=re.sub(r"(?<!\n)\n(?!\n)", " ", getdoc(_command) or ""),  # lines fit the terminal
        epilog=f"Example: regimecast {_example}",
        context_settings=_settings,
    )(_command)
app.add_typer(cluster, name="cluster")


if __name__ == "__main__":
    main()
