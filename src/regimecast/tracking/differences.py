"""In what two runs differ, from their manifests: stages, packages, hardware, threads, code."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regimecast.core.config import flat

__all__ = [
    "Difference",
    "StageDifference",
    "differences",
    "stage_differences",
    "surroundings",
]

_HARDWARE = ("processor", "instructions", "blas", "gpu", "cuda", "cores", "platform")
_FIRST = (
    "torch", "numpy", "lightning", "neuralforecast", "xgboost", "lightgbm", "catboost",
    "scikit-learn", "scipy", "numba", "TA-Lib", "pandas", "pyarrow", "statsmodels",
)  # fmt: skip
"""Packages that numbers come from, the likeliest cause of other ones first."""


@dataclass(frozen=True)
class Difference:
    """A value by its dotted name in one run and in the other; None where there is none."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        """Such as ``numpy 2.4.1 → 2.4.2``."""
        return f"{self.name} {_text(self.before)} → {_text(self.after)}"


@dataclass(frozen=True)
class StageDifference:
    """A stage's hash in one run and in the other; None where it was not reached."""

    stage: str
    before: str | None
    after: str | None
    parts: tuple[str, ...] = ()
    """Those that differ, such as ``column=close``."""

    @property
    def equal(self) -> bool:
        """Whether both put out the same."""
        return self.before == self.after

    @property
    def compared(self) -> bool:
        """Whether both came as far."""
        return self.before is not None and self.after is not None


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Values of nested mappings that are not the same, in the order of the first."""
    first, second = (
        {name: value for name, value in flat(given).items() if value != {}}
        for given in (before, after)
    )
    return [
        Difference(name, first.get(name), second.get(name))
        for name in {**first, **second}
        if first.get(name) != second.get(name)
    ]


def stage_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[StageDifference]:
    """Every stage of two manifests in order, whether it differs or not."""
    stages = [manifest.get("stages", {}) for manifest in (before, after)]
    parts = [manifest.get("parts", {}) for manifest in (before, after)]
    return [
        StageDifference(
            name,
            stages[0].get(name),
            stages[1].get(name),
            tuple(d.name for d in differences(*(p.get(name, {}) for p in parts))),
        )
        for name in {**stages[0], **stages[1]}
    ]


def surroundings(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, list[Difference]]:
    """What was not the same around two runs: code, packages, threads, hardware, by kind.

    What an older manifest does not say is no difference.
    """
    one, other = (_environment(manifest) for manifest in (before, after))
    changed = differences(one.get("packages", {}), other.get("packages", {}))
    if _partial(before) or _partial(after):
        changed = [d for d in changed if d.before is not None and d.after is not None]
    return {
        "code": _code_differences(before.get("code") or {}, after.get("code") or {}),
        "packages": sorted(changed, key=_rank) + _stated(one, other, ("python",)),
        "threads": _stated(one, other, ("threads", "variables", "switches")),
        "hardware": _stated(one, other, _HARDWARE),
    }


def _environment(manifest: Mapping[str, Any]) -> dict[str, Any]:
    environment = dict(manifest.get("environment") or {})
    if isinstance(environment.get("threads"), int):  # of a run before there were stages
        environment["threads"] = {"torch": environment["threads"]}
    return environment


def _partial(manifest: Mapping[str, Any]) -> bool:
    """Whether it names only some of the packages, or none."""
    environment = manifest.get("environment") or {}
    return "packages" not in environment or "packages_sha256" in environment


def _stated(
    one: Mapping[str, Any], other: Mapping[str, Any], keys: Sequence[str]
) -> list[Difference]:
    """Differences in what both say something about."""
    both = [key for key in keys if key in one and key in other]
    found = differences({k: one[k] for k in both}, {k: other[k] for k in both})
    if "threads" in both:
        found = [
            d for d in found if not d.name.startswith("threads.") or None not in (d.before, d.after)
        ]
    return found


def _rank(difference: Difference) -> tuple[int, str]:
    known = difference.name in _FIRST
    return (_FIRST.index(difference.name) if known else len(_FIRST), difference.name)


def _code_differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Difference]:
    """Files of the package that differ; the commit and its diff where files were not kept."""
    if "files" in one and "files" in other:
        return differences(one["files"], other["files"])
    named = ("commit", "diff", "untracked")
    if not one or not other or all(one.get(name) == other.get(name) for name in named):
        return []
    if one.get("commit") != other.get("commit"):
        return [Difference("commit", one.get("commit"), other.get("commit"))]
    return [Difference("uncommitted changes", "as they were", "others")]


def _text(value: Any) -> str:
    if value is None or value in ([], {}):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
