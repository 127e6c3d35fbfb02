"""``regimecast models``: what there is to train."""

__all__ = ["models"]


def models() -> None:
    """List every model with what it can do."""
    from regimecast.summary import show_models

    show_models()
