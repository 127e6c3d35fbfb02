"""How far a triple barrier lies and how long it stands: the setting of one asset."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from regimecast.core.errors import ConfigError, did_you_mean
from regimecast.labels.checks import checked_count

__all__ = ["BarrierSetting"]


@dataclass(frozen=True, kw_only=True)
class BarrierSetting:
    """Deadline and distances, in units of the target that they belong to.

    Raises:
        ConfigError: a value is out of range.
    """

    horizon: int
    """Bars until the deadline."""
    upper: float
    """Distance of the upper barrier."""
    lower: float
    """Distance of the lower barrier."""

    def __post_init__(self) -> None:
        self._check("triple_barrier")

    def _check(self, key: str) -> None:
        checked_count(f"{key}.horizon", self.horizon)
        for name in ("upper", "lower"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{key}.{name}={getattr(self, name)}; allowed: above 0")

    @classmethod
    def of(cls, values: Mapping[str, int | float], *, asset: str) -> "BarrierSetting":
        """Setting of an asset in a config.

        Raises:
            ConfigError: a key is unknown or missing, or a value is out of range.
        """
        key = f"triple_barrier.assets.{asset}"
        allowed = [field.name for field in fields(cls)]
        for name in values:
            if name not in allowed:
                raise ConfigError(
                    f"{key} has no key {name!r}.{did_you_mean(name, allowed)} "
                    f"Allowed: {', '.join(allowed)}"
                )
        if missing := [name for name in allowed if name not in values]:
            raise ConfigError(f"{key} needs {', '.join(missing)}")
        horizon = values["horizon"]
        if isinstance(horizon, bool) or not float(horizon).is_integer():
            raise ConfigError(f"{key}.horizon={horizon}; allowed: a whole number of bars")
        try:
            return cls(
                horizon=int(horizon), upper=float(values["upper"]), lower=float(values["lower"])
            )
        except ConfigError as error:
            raise ConfigError(str(error).replace("triple_barrier", key, 1)) from error
