"""What an audit says: findings, refusals, checks and the report of them all."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["AuditReport", "Check", "Failure", "Finding", "NotAudited"]


@dataclass(frozen=True)
class Finding:
    """A value that was known at a cut and changed when what came after the cut changed."""

    component: str
    """Group and name, such as ``features/momentum``, ``target/triple_barrier``, ``split``."""
    output: str
    """Column, tensor or parameter that differs."""
    asset: str
    """Asset of the first row that differs; empty where the output belongs to no asset."""
    time: np.datetime64
    """Time of the first row that differs."""
    cut: np.datetime64
    """Everything after this time was replaced."""
    perturbation: str
    """By what it was replaced; see `perturbation.Kind`."""
    detail: str
    """Both values, or what rule is broken, in words."""
    count: int = 1
    """Values of this output that differ."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return {**asdict(self), "time": _iso(self.time), "cut": _iso(self.cut)}


@dataclass(frozen=True)
class Failure:
    """A component that raised when the future was replaced: neither a leak nor a clean bill."""

    component: str
    perturbation: str
    cut: np.datetime64
    error: str
    """Class and message."""
    refused: bool
    """True where the component's own check of its input refused what the future was replaced by;
    false for any other error, which fails the audit."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return {**asdict(self), "cut": _iso(self.cut)}


@dataclass(frozen=True)
class NotAudited:
    """Something that the audit did not look at, or takes at its word."""

    what: str
    why: str


@dataclass(frozen=True)
class Check:
    """Result of one check of one component."""

    name: str
    """Such as ``features``, ``labels``, ``windows``."""
    component: str
    """As in `Finding`."""
    perturbations: tuple[str, ...]
    """Ways in which the future was replaced and the component answered."""
    cuts: int
    values: int
    """Values compared."""
    seconds: float
    findings: tuple[Finding, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing found, no error, and something was compared."""
        broken = any(not failure.refused for failure in self.failures)
        return not self.findings and not broken and self.values > 0

    @property
    def status(self) -> str:
        """One word or two for the table."""
        if self.findings:
            return "LEAK"
        if any(not failure.refused for failure in self.failures):
            return "error"
        return "clean" if self.values else "nothing compared"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return {
            "name": self.name,
            "component": self.component,
            "status": self.status,
            "perturbations": list(self.perturbations),
            "cuts": self.cuts,
            "values": self.values,
            "seconds": self.seconds,
            "findings": [finding.to_json() for finding in self.findings],
            "failures": [failure.to_json() for failure in self.failures],
        }


@dataclass(frozen=True)
class AuditReport:
    """Everything an audit did, found and left out."""

    subject: str
    """Data, bars and assets in words."""
    seed: int
    cuts: tuple[np.datetime64, ...]
    checks: tuple[Check, ...]
    not_audited: tuple[NotAudited, ...]
    seconds: float

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of all checks."""
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Errors and refusals of all checks."""
        return tuple(failure for check in self.checks for failure in check.failures)

    @property
    def clean(self) -> bool:
        """Whether every check compared something and found nothing."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def of(self, component: str) -> tuple[Finding, ...]:
        """Findings of a component."""
        return tuple(f for f in self.findings if f.component == component)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a json file."""
        return {
            "subject": self.subject,
            "clean": self.clean,
            "seed": self.seed,
            "cuts": [_iso(cut) for cut in self.cuts],
            "seconds": self.seconds,
            "checks": [check.to_json() for check in self.checks],
            "not_audited": [asdict(item) for item in self.not_audited],
        }


def merge(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The earliest finding of each output, by component and output."""
    first: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.component, finding.output)
        if key not in first or finding.time < first[key].time:
            first[key] = finding
    return tuple(first.values())


def _iso(time: np.datetime64) -> str:
    return str(time.astype("datetime64[s]"))
