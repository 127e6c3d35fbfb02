"""Bit-for-bit comparison of what was known at a cut, kept by component."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int, Shaped

from regimecast.audit.findings import Check, Failure, Finding, merge
from regimecast.core.errors import DataError
from regimecast.data.panel import Panel

__all__ = ["Ledger", "Where", "same_bits"]


def same_bits(
    base: Shaped[np.ndarray, "*shape"], other: Shaped[np.ndarray, "*shape"]
) -> Bool[np.ndarray, "*shape"]:
    """True where two arrays hold the same bits; a NaN equals any NaN, 0.0 is not -0.0."""
    if base.dtype.kind != "f" or base.dtype != other.dtype:
        same: Bool[np.ndarray, "*shape"] = np.asarray(base == other)
        return same
    equal = np.asarray((base == other) & (np.signbit(base) == np.signbit(other)))
    return equal | (np.isnan(base) & np.isnan(other))


@dataclass(frozen=True, eq=False)
class Where:
    """Asset and time of compared rows, and what was done to the future."""

    assets: Sequence[str]
    asset: Int[np.ndarray, " N"]
    """Index into `assets` of each row."""
    time: Shaped[np.ndarray, " N"]
    cut: np.datetime64
    perturbation: str

    @classmethod
    def rows(
        cls, panel: Panel, rows: Shaped[np.ndarray, " N"], cut: np.datetime64, perturbation: str
    ) -> "Where":
        """Rows of a panel, as positions or as a mask."""
        return cls(panel.assets, panel.asset_of_row[rows], panel.time[rows], cut, perturbation)

    @classmethod
    def nowhere(cls, cut: np.datetime64, perturbation: str) -> "Where":
        """For one value that belongs to no row, such as a fitted parameter."""
        return cls(("",), np.zeros(1, dtype=np.int64), np.array([cut]), cut, perturbation)


@dataclass
class _Entry:
    values: int = 0
    perturbations: dict[str, None] = field(default_factory=dict)
    cuts: set[np.datetime64] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


class Ledger:
    """What one check compared and found, by component.

    Args:
        name: name of the check.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._entries: dict[str, _Entry] = {}
        self._started = time.perf_counter()

    def compare(
        self,
        component: str,
        output: str,
        base: Shaped[np.ndarray, "N *rest"],
        other: Shaped[np.ndarray, "M *rest2"],
        where: Where,
    ) -> None:
        """Notes whether an output is the same to the bit in every row.

        A NaN in both says nothing, so it does not count as a value that was compared.

        Args:
            component: whose output it is.
            output: its name.
            base: with the future as it is, first axis rows.
            other: with the future replaced.
            where: the rows.
        """
        entry = self._answered(component, where.cut, where.perturbation)
        if base.shape != other.shape:
            self.find(component, output, where, f"shape {base.shape} became {other.shape}")
            return
        entry.values += base.size - _missing(base, other)
        differs = ~same_bits(base, other).reshape(len(base), -1) if base.size else None
        if differs is None or not differs.any():
            return
        rows = np.flatnonzero(differs.any(axis=1))
        row = int(rows[np.argmin(where.time[rows])])
        cell = int(np.argmax(differs[row]))
        was, became = (values.reshape(len(values), -1)[row, cell] for values in (base, other))
        self.find(
            component,
            output,
            where,
            f"{_show(was)} became {_show(became)}",
            row,
            int(differs.sum()),
        )

    def find(
        self,
        component: str,
        output: str,
        where: Where,
        detail: str,
        row: int = 0,
        count: int = 1,
    ) -> None:
        """Notes a finding at one of the rows."""
        has_row = len(where.time) > row
        self._answered(component, where.cut, where.perturbation).findings.append(
            Finding(
                component=component,
                output=output,
                asset=where.assets[int(where.asset[row])] if has_row else "",
                time=where.time[row] if has_row else where.cut,
                cut=where.cut,
                perturbation=str(where.perturbation),
                detail=detail,
                count=count,
            )
        )

    def passed(self, component: str, cut: np.datetime64, perturbation: str, values: int) -> None:
        """Notes values that were held against a rule and kept it."""
        self._answered(component, cut, perturbation).values += values

    @contextmanager
    def attempt(self, component: str, cut: np.datetime64, perturbation: str) -> Iterator[None]:
        """A component at work on replaced data; its error is noted and the audit goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # any component may raise anything; it is reported
            failure = Failure(
                component=component,
                perturbation=str(perturbation),
                cut=cut,
                error=f"{type(error).__name__}: {error}",
                refused=isinstance(error, DataError),
            )
            self._entry(component).failures.append(failure)

    def checks(self) -> list[Check]:
        """One result per component; of each output only the earliest finding."""
        seconds = time.perf_counter() - self._started
        return [
            Check(
                name=self.name,
                component=component,
                perturbations=tuple(entry.perturbations),
                cuts=len(entry.cuts),
                values=entry.values,
                seconds=seconds,
                findings=merge(entry.findings),
                failures=tuple(entry.failures),
            )
            for component, entry in self._entries.items()
        ]

    def _entry(self, component: str) -> _Entry:
        return self._entries.setdefault(component, _Entry())

    def _answered(self, component: str, cut: np.datetime64, perturbation: str) -> _Entry:
        entry = self._entry(component)
        entry.cuts.add(cut)
        entry.perturbations[str(perturbation)] = None
        return entry


def _missing(base: Shaped[np.ndarray, "*shape"], other: Shaped[np.ndarray, "*shape"]) -> int:
    """Cells that are NaN in both."""
    if base.dtype.kind != "f" or other.dtype.kind != "f":
        return 0
    return int(np.count_nonzero(np.isnan(base) & np.isnan(other)))


def _show(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float | np.floating) else str(value)
