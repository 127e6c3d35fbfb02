"""``regimecast features``: what there is to see."""

from typing import Annotated

import typer

__all__ = ["features"]


def features(
    chosen: Annotated[
        str | None,
        typer.Option(
            "--set",
            help="core, standard, full, a family, or several: trend,calendar; those of the "
            "default config if not given.",
        ),
    ] = None,
) -> None:
    """List features with their version, lookback, lag, inputs, parameters, units and source."""
    from regimecast.summary import show_features

    show_features(chosen)
