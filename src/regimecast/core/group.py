"""The group of processes that train together; a process without one is a group of itself."""

from typing import TypeVar

from torch import distributed

__all__ = ["from_every_process", "in_group", "place_in_group"]

_T = TypeVar("_T")


def in_group() -> bool:
    """Whether this process belongs to a group."""
    return distributed.is_available() and distributed.is_initialized()


def place_in_group() -> tuple[int, int]:
    """This process's number, and how many there are; 0 and 1 without a group."""
    return (distributed.get_rank(), distributed.get_world_size()) if in_group() else (0, 1)


def from_every_process(value: _T) -> list[_T]:
    """The value that each process gives, in their order; all of them have to call it together."""
    values = [value] * place_in_group()[1]
    if in_group():
        distributed.all_gather_object(values, value)
    return values
