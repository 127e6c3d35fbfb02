"""The audit: every check on one subject, and the report."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from regimecast.assembly import Assembly
from regimecast.audit.findings import AuditReport, Check, NotAudited
from regimecast.audit.fold_checks import TrainingCheck, WindowCheck
from regimecast.audit.interval_checks import IntervalCheck
from regimecast.audit.label_checks import TargetCheck
from regimecast.audit.market_checks import (
    CacheCheck,
    CalendarCheck,
    CleaningCheck,
    FeatureCheck,
)
from regimecast.audit.model_checks import MODEL_CHECKS
from regimecast.audit.regime_checks import RegimeCheck
from regimecast.audit.source_checks import SourceCheck
from regimecast.audit.split_checks import SplitCheck
from regimecast.audit.subject import AuditCheck, Subject

__all__ = ["ALL_CHECKS", "MARKET_CHECKS", "audit"]

MARKET_CHECKS: tuple[AuditCheck, ...] = (
    SourceCheck(),
    CleaningCheck(),
    FeatureCheck(),
    CacheCheck(),
    CalendarCheck(),
    TargetCheck(),
    RegimeCheck(),
    SplitCheck(),
    IntervalCheck(),
    TrainingCheck(),
    WindowCheck(),
)
"""Every check that needs no trained model, in the order of the data's way."""

ALL_CHECKS: tuple[AuditCheck, ...] = (*MARKET_CHECKS, *MODEL_CHECKS)
"""The same, and those of a model that is trained briefly."""

_ALWAYS = (
    NotAudited(
        "constants in the config",
        "a threshold or a window that was chosen with hindsight reads no bar",
    ),
    NotAudited(
        "outcomes, and reference columns",
        "what happened is for judgement and reports; no model is fed with it",
    ),
    NotAudited(
        "folds between the first and the last",
        "fits of training and of regimes are checked on these two, windows on the first",
    ),
    NotAudited(
        "pairs of intervals beyond 200 million",
        "of the two parts of a split only the intervals nearest to their border are compared then",
    ),
)

_WITHOUT_MODEL = NotAudited("a trained model and its forecasts", "no model was trained")


def audit(
    config: Mapping[str, Any],
    *,
    cuts: int,
    seed: int,
    bars: int | None = None,
    checks: Sequence[AuditCheck] = MARKET_CHECKS,
    parts: Assembly | None = None,
    progress: Callable[[str], None] = lambda name: None,
) -> AuditReport:
    """What the audit of a config's parts on its data found.

    Args:
        config: plain values of ``conf/train.yaml``.
        cuts: how many random cut times; every check looks at all of them.
        seed: of cuts and noise. The same seed gives the same report.
        bars: only the latest bars of each asset; all where None.
        checks: what to check, such as `ALL_CHECKS`.
        parts: the config's parts where they exist already.
        progress: called with the name of each check before it runs.

    Raises:
        ConfigError: the config is not valid.
        DataError: the data cannot be read, or are too short for the config.
        LeakageError: a part refuses the config itself.
    """
    started = time.perf_counter()
    progress("reading data")
    subject = Subject.of(config, cuts=cuts, seed=seed, bars=bars, parts=parts)
    done: list[Check] = []
    notes: list[NotAudited] = [*_ALWAYS]
    notes += [_WITHOUT_MODEL] if not {*MODEL_CHECKS} & {*checks} else []
    for check in checks:
        progress(check.name)
        results, left_out = check.run(subject)
        done += results
        notes += left_out
    return AuditReport(
        subject=subject.description,
        seed=seed,
        cuts=subject.cuts,
        checks=tuple(done),
        not_audited=tuple(notes),
        seconds=time.perf_counter() - started,
    )
