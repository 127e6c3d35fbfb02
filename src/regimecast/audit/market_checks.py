"""Checks of what does not depend on a split: cleaning, features, calendar."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Shaped

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where, same_bits
from regimecast.audit.perturbation import Kind, future_rows
from regimecast.audit.subject import Subject
from regimecast.data.cleaning import clean
from regimecast.data.panel import Panel
from regimecast.features.cache import CachedFeaturePipeline, FeatureCache
from regimecast.features.pipeline import FeaturePipeline, FeatureTable

__all__ = ["CacheCheck", "CalendarCheck", "CleaningCheck", "FeatureCheck"]

_STUCK = "replaced bars change nothing even after the cut"

Result = tuple[list[Check], list[NotAudited]]


class CleaningCheck:
    """Bars up to a cut are the same whether later rows of the source are as they are or not."""

    name = "cleaning"

    def run(self, subject: Subject) -> Result:
        """Rows up to each cut with later raw rows left out, or multiplied by noise."""
        ledger = Ledger(self.name)
        component, settings = "cleaning", subject.parts.cleaning
        base, _ = clean(subject.raw, settings=settings)
        frame = subject.raw.frame
        numbers = [column.name for column in subject.raw.columns]
        for number, cut in enumerate(subject.cuts):
            later = (frame["time"] > cut).to_numpy()
            factor = np.exp(subject.generator(number).normal(0, 0.05, (int(later.sum()), 1)))
            noisy = frame.astype(dict.fromkeys(numbers, np.float64))
            noisy.loc[later, numbers] = noisy.loc[later, numbers].to_numpy() * factor
            for kind, changed in ((Kind.END, frame[~later]), (Kind.NOISE, noisy)):
                with ledger.attempt(component, cut, kind):
                    raw = replace(subject.raw, frame=changed, empty_cells=None)
                    other, _ = clean(raw, settings=settings)
                    self._compare(ledger, base.until(cut), other.until(cut), cut, kind)
        return ledger.checks(), []

    def _compare(
        self, ledger: Ledger, base: Panel, other: Panel, cut: np.datetime64, kind: Kind
    ) -> None:
        where = Where.rows(base, np.arange(base.n_rows), cut, kind)
        mine, theirs = _with_rows(base), _with_rows(other)
        if mine != theirs:
            detail = f"{', '.join(mine)} became {', '.join(theirs) or 'none'}"
            count = len({*mine} ^ {*theirs})
            ledger.find("cleaning", "assets", where, detail, count=count)
            return
        base, other = base.select(mine), other.select(mine)
        where = Where.rows(base, np.arange(base.n_rows), cut, kind)
        ledger.compare("cleaning", "time", base.time, other.time, where)
        if base.n_rows == other.n_rows:
            for column in base.names:
                before, after = base.actual(column), other.actual(column)
                ledger.compare("cleaning", column, before, after, where)


class FeatureCheck:
    """Every feature's rows up to a cut are the same to the bit, whatever follows the cut."""

    name = "features"

    def run(self, subject: Subject) -> Result:
        """All columns at every cut under every replacement; by family."""
        ledger = Ledger(self.name)
        pipeline = subject.parts.pipeline
        family = dict(zip(pipeline.table()["name"], pipeline.table()["family"], strict=True))
        base = pipeline.compute(subject.bars)
        reacted: dict[str, bool] = {}
        for cut, kind, panel in subject.futures():
            for table in self._tables(subject, panel, ledger, cut, kind):
                self._compare(ledger, subject.bars, base, panel, table, family, cut, kind)
                if kind is not Kind.END and len(table.values) == len(base.values):
                    self._react(reacted, subject.bars, base, table, family, cut)
        cut = subject.cuts[-1]
        for owner in (owner for owner, alive in reacted.items() if not alive):
            ledger.find(
                f"features/{owner}", "all columns", Where.nowhere(cut, Kind.NOISE),
                f"{_STUCK}: these are the values of other bars (a cache that does not tell panels "
                "apart?), and the audit sees nothing",
            )  # fmt: skip
        again = pipeline.compute(subject.bars)
        self._compare(ledger, subject.bars, base, subject.bars, again, family, cut, "asked again")
        return ledger.checks(), self._empty(subject, base, family)

    def _empty(
        self, subject: Subject, base: FeatureTable, family: Mapping[str, str]
    ) -> list[NotAudited]:
        """Columns without a value up to the last cut, by family: a NaN is the same as any NaN."""
        values = base.values  # of a FeatureTable
        seen = np.isfinite(values[subject.bars.time <= subject.cuts[-1]]).any(axis=0)
        unseen: dict[str, list[str]] = {}
        for name, there in zip(base.names, seen, strict=True):
            if not there:
                unseen.setdefault(family[name], []).append(name)
        return [
            NotAudited(f"features/{owner}: {', '.join(names)}", "no value up to the last cut")
            for owner, names in unseen.items()
        ]

    def _tables(
        self, subject: Subject, panel: Panel, ledger: Ledger, cut: np.datetime64, kind: Kind
    ) -> Iterator[FeatureTable]:
        """The table of all families; where one of them raises, a table per family."""
        try:
            yield subject.parts.pipeline.compute(panel)
        except Exception:  # noqa: BLE001  # who raised what is found out and noted below
            config: Mapping[str, Any] = subject.parts.config.get("features", {})
            missing = subject.parts.config["missing_features"]
            for name, parameters in config.items():
                with ledger.attempt(f"features/{name}", cut, kind):
                    yield FeaturePipeline({name: parameters}, missing=missing).compute(panel)

    def _compare(
        self,
        ledger: Ledger,
        bars: Panel,
        base: FeatureTable,
        panel: Panel,
        table: FeatureTable,
        family: Mapping[str, str],
        cut: np.datetime64,
        perturbation: str,
    ) -> None:
        known = np.flatnonzero(bars.time <= cut)
        where = Where.rows(bars, known, cut, perturbation)
        if len(table.values) != panel.n_rows:
            detail = f"{len(table.values)} rows for a panel of {panel.n_rows}: another panel's"
            for owner in {family[name] for name in table.names}:
                ledger.find(f"features/{owner}", "all columns", where, detail)
            return
        position = {name: index for index, name in enumerate(base.names)}
        mine, others = base.values, table.values  # of a FeatureTable
        before, after = mine[known], others[panel.time <= cut]
        for index, name in enumerate(table.names):
            ledger.compare(
                f"features/{family[name]}", name, before[:, position[name]], after[:, index], where
            )

    def _react(
        self,
        reacted: dict[str, bool],
        bars: Panel,
        base: FeatureTable,
        table: FeatureTable,
        family: Mapping[str, str],
        cut: np.datetime64,
    ) -> None:
        """Whether any column of each family changed after the cut, as it has to."""
        later = future_rows(bars, cut)
        mine, others = base.values, table.values  # of a FeatureTable
        position = {name: index for index, name in enumerate(base.names)}
        for index, feature in enumerate(table.features):
            before = mine[later, position[feature.name]]
            if feature.inputs and np.isfinite(before).any():
                changed = not same_bits(before, others[later, index]).all()
                owner = family[feature.name]
                reacted[owner] = reacted.get(owner, False) or changed


class CacheCheck:
    """Features out of the cache are those that are computed anew, whatever was asked before."""

    name = "feature cache"

    def run(self, subject: Subject) -> Result:
        """The bars as they are, ended at a cut, and with another future; twice each."""
        ledger = Ledger(self.name)
        if type(subject.cached) is FeaturePipeline:
            return [], []
        with TemporaryDirectory() as folder:
            self._ask(ledger, subject, _apart(subject, Path(folder)))
        return ledger.checks(), []

    def _ask(self, ledger: Ledger, subject: Subject, cached: FeaturePipeline) -> None:
        plain, cut = subject.parts.pipeline, subject.cuts[-1]
        panels = {
            "as they are": subject.bars,
            str(Kind.END): subject.bars.until(cut),
            str(Kind.NOISE): subject.perturbed(cut, Kind.NOISE),
            "asked again": subject.bars,
        }
        for label, panel in panels.items():
            with ledger.attempt(self.name, cut, label):
                mine, theirs = cached.compute(panel), plain.compute(panel)
                where = Where.rows(panel, np.arange(panel.n_rows), cut, label)
                ledger.compare(self.name, "all columns", theirs.values, mine.values, where)


class CalendarCheck:
    """What is known ahead of a time is a function of that time alone."""

    name = "calendar"

    def run(self, subject: Subject) -> Result:
        """Calendar features of every bar time, against those of the times up to each cut."""
        ledger = Ledger(self.name)
        pipeline, calendar = subject.parts.pipeline, subject.bars.calendar
        if not pipeline.known_names:
            return [], []
        times = np.unique(subject.bars.time)
        family = dict(zip(pipeline.table()["name"], pipeline.table()["family"], strict=True))
        base = pipeline.known(times, calendar)
        for number, cut in enumerate(subject.cuts):
            few = np.sort(subject.generator(number).permutation(len(times))[: len(times) // 3 + 1])
            for label, chosen in ((str(Kind.END), times <= cut), ("other times left out", few)):
                answer = pipeline.known(times[chosen], calendar)
                where = self._where(times[chosen], cut, label)
                for index, name in enumerate(pipeline.known_names):
                    before, after = base[chosen, index], answer[:, index]
                    ledger.compare(f"features/{family[name]}", name, before, after, where)
        return ledger.checks(), []

    def _where(self, time: Shaped[np.ndarray, " N"], cut: np.datetime64, label: str) -> Where:
        return Where(("",), np.zeros(len(time), dtype=np.int64), time, cut, label)


def _with_rows(panel: Panel) -> tuple[str, ...]:
    """Assets that have a bar."""
    return tuple(
        asset for asset, rows in zip(panel.assets, np.diff(panel.offsets), strict=True) if rows
    )


def _apart(subject: Subject, folder: Path) -> FeaturePipeline:
    """The pipeline that runs use, on a cache of its own: made-up bars stay out of the shared one.

    The disk tier is in `folder` where the config has one.
    """
    cached = subject.cached
    if not isinstance(cached, CachedFeaturePipeline):
        return cached
    settings = subject.parts.feature_cache.settings
    kept = str(folder) if settings.folder is not None else None
    return CachedFeaturePipeline(
        subject.parts.config.get("features", {}),
        missing=subject.parts.config["missing_features"],
        cache=FeatureCache(replace(settings, folder=kept)),
    )
