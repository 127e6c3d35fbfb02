"""An audit's report on a terminal."""

import re
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from regimecast.audit.findings import AuditReport, Failure

__all__ = ["show"]


def show(report: AuditReport, console: Console) -> None:
    """Prints checks by component, findings, errors and what was not audited."""
    console.print(f"audit of {report.subject}")
    console.print(f"{len(report.cuts)} cuts, seed {report.seed}, {report.seconds:.1f} s\n")
    console.print(_checks(report))
    if report.findings:
        console.print(_findings(report))
    for line in _errors(report.failures):
        console.print(line)
    console.print("\nnot audited:")
    for item in report.not_audited:
        console.print(f"  {item.what}: {item.why}")
    values = sum(check.values for check in report.checks)
    count = len(report.findings)
    if report.clean:
        console.print(
            f"\nclean: {values:,} values compared, none knew what came after", style="green"
        )
    elif count:
        plural = "s" if count > 1 else ""
        console.print(f"\n{count} finding{plural} in {values:,} values compared", style="bold red")
    else:
        console.print("\nno finding, but not every check could be made; see above", style="yellow")


def _checks(report: AuditReport) -> Table:
    table = Table(title="checks", title_justify="left")
    for heading in ("check", "component", "perturbations"):
        table.add_column(heading)
    for heading in ("cuts", "values"):
        table.add_column(heading, justify="right")
    table.add_column("result")
    for check in report.checks:
        kinds = check.perturbations
        table.add_row(
            check.name,
            check.component,
            ", ".join(kinds[:6]) + (f" and {len(kinds) - 6} more" if len(kinds) > 6 else ""),
            str(check.cuts),
            f"{check.values:,}",
            check.status,
            style=None if check.ok else "bold red",
        )
    return table


def _findings(report: AuditReport) -> Table:
    table = Table(title="findings", title_justify="left")
    for heading in ("component", "output", "first row that differs", "cut", "after it", "what"):
        table.add_column(heading, overflow="fold")
    for finding in report.findings:
        table.add_row(
            finding.component,
            finding.output,
            f"{finding.asset} {str(finding.time)[:16]}".strip(),
            str(finding.cut)[:16],
            finding.perturbation,
            finding.detail,
        )
    return table


def _errors(failures: tuple[Failure, ...]) -> Iterator[str]:
    """One line per component, perturbation and kind of message, with how often."""
    seen: dict[tuple[str, str, bool, str], list[Failure]] = {}
    for failure in failures:
        message = re.sub(r"[\d.:T-]+", "", failure.error)  # the same complaint of other rows
        key = (failure.component, failure.perturbation, failure.refused, message)
        seen.setdefault(key, []).append(failure)
    for (component, perturbation, refused, _), same in seen.items():
        word = "refuses" if refused else "ERROR under"
        often = f"{len(same)} times, first at {str(same[0].cut)[:16]}"
        yield f"{component} {word} {perturbation!r} ({often}): {same[0].error}"
