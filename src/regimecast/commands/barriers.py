"""``regimecast barriers``: a search for triple barriers."""

from pathlib import Path
from typing import Annotated

import typer

from regimecast.core.terminal import configure_logging, console

__all__ = ["barriers"]


def barriers(
    output: Annotated[
        Path, typer.Option(help="Yaml to write, such as conf_mine/target/searched.yaml.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="GROUP=OPTION or KEY=VALUE: data=sp500, search.skill=0.05, ..."),
    ] = None,
    config_dir: Annotated[
        Path | None, typer.Option(help="A folder of your own yaml files.")
    ] = None,
) -> None:
    """Search each asset's triple barriers on the training interval alone.

    Two goals: the Sharpe ratio after costs that a forecaster of modest skill would have on the
    labels, and classes in the wanted shares. Writes a yaml that target= loads and, beside it, a
    page with the front. Ctrl-C writes nothing.
    """
    configure_logging()

    from regimecast.search.run import find_barriers
    from regimecast.search.table import result_table

    found = find_barriers(overrides or [], output=output, config_dir=config_dir)
    console().print(result_table(found.result))
    typer.echo(f"{found.result.trials} settings judged; front: {found.page}")
    same = [one.asset for one in found.result.assets if not one.improved]
    if same:
        typer.echo(f"nothing better was found for {', '.join(same)}")
    if len(same) == len(found.result.assets):
        return
    typer.echo(
        f"train with it: regimecast train --config-dir {found.output.parent.parent} "
        f"target={found.output.stem} loss=cross_entropy strategy=class_probability"
    )
