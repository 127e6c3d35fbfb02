"""Gates: named sets of rules that a strategy must pass out of sample before anyone relies on it.

A profile is one yaml in ``conf/gate/``. A gate reads a backtest of test samples and nothing else:
no in-sample number can be handed to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from regimecast.core.errors import ConfigError, LeakageError, did_you_mean
from regimecast.evaluation.backtest import BacktestResult
from regimecast.evaluation.bounds import bounded
from regimecast.evaluation.trading_metrics import trading_metrics

__all__ = ["Gate"]

_SIGNS = {"above": ">", "below": "<"}


class Gate:
    """Rules that must all hold. Without rules nothing is judged.

    Args:
        name: of the profile.
        rules: mappings with ``metric`` (a key of `trading_metrics`) and one bound, ``above`` or
            ``below``, neither of which the value may touch.

    Raises:
        ConfigError: a rule has another key, no metric, or not exactly one bound.
    """

    def __init__(self, *, name: str, rules: Sequence[Mapping[str, Any]]) -> None:
        self.name = name
        self.rules = tuple(_rule(index, rule) for index, rule in enumerate(rules))

    def verdict(self, result: BacktestResult) -> dict[str, Any]:
        """``{"profile", "passed", "rules": [{"metric", "rule", "value", "passed", "reason"}]}``.

        A metric that does not exist does not pass. `passed` is None for a gate without rules.

        Raises:
            LeakageError: the backtest is not of test samples.
            ConfigError: a rule's metric is unknown.
        """
        if result.split != "test":
            raise LeakageError(
                f"gate={self.name} judges out-of-sample results only, got split={result.split!r}"
            )
        metrics = trading_metrics(result)
        rows: list[dict[str, Any]] = []
        for metric, side, bound in self.rules:
            if metric not in metrics:
                raise ConfigError(
                    f"gate={self.name} names an unknown metric {metric!r}."
                    f"{did_you_mean(metric, metrics)} Allowed: {', '.join(metrics)}"
                )
            value = metrics[metric]
            rule = f"{metric} {_SIGNS[side]} {bound:g}"
            passed, reason = False, f"{metric} cannot be computed on {len(result)} bars"
            if value is not None:
                passed = value > bound if side == "above" else value < bound
                reason = f"{metric} is {value:.4g}"
            rows.append(
                {
                    "metric": metric,
                    "rule": rule,
                    "value": value,
                    "passed": passed,
                    "reason": None if passed else reason,
                }
            )
        return {
            "profile": self.name,
            "passed": all(row["passed"] for row in rows) if rows else None,
            "rules": rows,
        }


def _rule(index: int, rule: Mapping[str, Any]) -> tuple[str, str, float]:
    """Metric, ``above`` or ``below``, and the bound."""
    key = f"gate.rules[{index}]"
    sides = [side for side in _SIGNS if side in rule]
    if set(rule) - {"metric", *_SIGNS} or "metric" not in rule or len(sides) != 1:
        raise ConfigError(
            f"{key}={dict(rule)!r} must hold 'metric' and one bound, 'above' or 'below'"
        )
    (side,) = sides
    return str(rule["metric"]), side, bounded(f"{key}.{side}", rule[side], low=-1e12, high=1e12)
