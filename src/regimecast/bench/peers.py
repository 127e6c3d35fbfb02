"""What a benchmark says of a peer that is not installed."""

__all__ = ["absence"]


def absence(package: str) -> str:
    """A sentence that says so, and how to install it."""
    return (
        f" {package} is not installed here and left out: `pip install 'regimecast[bench]'` in an "
        "environment of its own, without constraints.txt, since its pandas is older."
    )
