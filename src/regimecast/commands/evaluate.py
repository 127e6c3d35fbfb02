"""``regimecast evaluate``: a finished run's saved models forecast again."""

from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.terminal import configure_logging

__all__ = ["evaluate"]


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
    from regimecast.summary import show_metrics, show_trials

    evaluation = evaluate_run(run_dir, overrides or [])
    show_metrics(evaluation.metrics)
    show_trials(run_dir)
    if evaluation.trial is not None:
        typer.echo(f"counted as a trial: {evaluation.trial}")
    other = f"other data: {', '.join(evaluation.changed_data)} changed"
    if evaluation.identical:
        note = "" if evaluation.same_data else f", though from {other}"
        typer.echo(f"forecasts are identical to the stored ones{note}")
    else:
        cause = "other hardware or package versions" if evaluation.same_data else other
        typer.echo(f"forecasts differ from the stored ones ({cause})")
