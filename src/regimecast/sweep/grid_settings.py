"""How the jobs of a grid are run: the ``sweep`` node of the config, checked."""

from dataclasses import dataclass
from math import isfinite

from regimecast.core.errors import ConfigError

__all__ = ["GridSettings"]


@dataclass(frozen=True, kw_only=True)
class GridSettings:
    """How jobs are run; ``conf/sweep/grid.yaml`` says what each key means.

    Raises:
        ConfigError: a value is out of range.
    """

    jobs: int
    fail_fast: bool
    max_failures: int | None
    time_limit: float | None
    retries: int
    retry_failed: bool

    def __post_init__(self) -> None:
        for key, least in (("jobs", 1), ("max_failures", 1), ("retries", 0)):
            value = getattr(self, key)
            if value is not None and value < least:
                raise ConfigError(f"sweep.{key}={value} must be {least} or more")
        limit = self.time_limit
        if limit is not None and not (isfinite(limit) and limit > 0):
            raise ConfigError(f"sweep.time_limit={limit} must be more than 0 seconds")

    @property
    def most_failures(self) -> int | None:
        """Failed jobs after which no other is begun."""
        return 1 if self.fail_fast else self.max_failures
