"""What cleaning found: one line per asset and problem, for terminals, reports and manifests."""

from dataclasses import asdict, dataclass

__all__ = ["CleaningReport", "Finding"]


@dataclass(frozen=True)
class Finding:
    """One kind of problem in one asset."""

    asset: str
    problem: str
    column: str
    """Column it was seen in; empty where it concerns the bar as a whole."""
    count: int
    first: str
    """Time of the first one, ISO 8601."""
    action: str
    """``sorted``, ``dropped``, ``kept first``, ``kept last`` or ``flagged`` (kept as it is)."""


@dataclass(frozen=True)
class CleaningReport:
    """Everything that looked wrong in the raw bars, and what was done about it."""

    origin: str
    rows_before: int
    """Bars of the source and empty cells between bars."""
    rows_after: int
    findings: tuple[Finding, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing looked wrong."""
        return not self.findings

    def count(self, problem: str, asset: str | None = None) -> int:
        """Occurrences of a problem, in one asset or in all."""
        return sum(
            finding.count
            for finding in self.findings
            if finding.problem == problem and asset in (None, finding.asset)
        )

    def table(self) -> list[tuple[str, ...]]:
        """A heading and one row of text per finding, for a terminal or a report."""
        heading = ("asset", "problem", "column", "count", "first", "action")
        return [heading, *(tuple(str(v) for v in asdict(f).values()) for f in self.findings)]

    def to_json(self) -> dict[str, object]:
        """Plain values for a json file."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings]}
