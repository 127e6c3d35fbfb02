"""Check of a trained model: neither its weights nor its forecasts depend on what comes later.

Two questions, answered with three extra trainings:

- *Fitted.* Everything after the last bar that training and validation read is replaced, by noise,
  by its mirror image and by repeated bars, and each time the model is trained anew from the same
  seed. All that it learnt must be the same to the bit: early stopping on the test part, calibration
  on it or a target encoding over all data would move it. A choice among a few states, such as the
  epoch that is kept, may survive another future; all three are needed to find most of them.
- *Kept.* The model as it was first trained forecasts the test part, with the bars after a cut
  replaced in every way. Its forecasts up to the cut must be the same to the bit.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Shaped

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.fold_checks import same_fold
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.perturbation import Kind
from regimecast.audit.rehearsal import (
    Rehearsal,
    model_component,
    predict_near,
    rehearse,
    shared_until,
)
from regimecast.audit.subject import Subject
from regimecast.core.forecast import Forecast
from regimecast.models.base import BaseTimeSeriesModel
from regimecast.models.neural import NeuralModel
from regimecast.splits.base import Fold

__all__ = ["EPOCHS", "prediction_checks", "test_cuts"]

EPOCHS = 2
"""Epochs of a network: two, so that the epoch that is kept is a choice."""

FUTURES = (Kind.NOISE, Kind.FLIP, Kind.BLOCK)
"""What replaces the test part where a model is trained anew: futures that can be trained on."""


def prediction_checks(
    subject: Subject, trained: Rehearsal, fold: Fold, *, cuts: int
) -> Iterator[Check | NotAudited]:
    """What a model learns without the test part, and its forecasts up to cuts inside it.

    Args:
        subject: parts and data.
        trained: the model after `EPOCHS` epochs on the fold.
        fold: one of the subject's.
        cuts: how many times inside the test part.
    """
    ledger = Ledger("predictions")
    if fold.chronological or _begins_last(subject, fold):
        _compare_fitted(ledger, subject, trained, fold)
    else:
        why = "every fold trains after its test part too; the split and what it fits were checked"
        yield NotAudited("what a model learns without the test part", why)
    for cut in test_cuts(subject, fold, cuts):
        _compare_kept(ledger, subject, trained, fold, cut)
    yield from ledger.checks()


def test_cuts(subject: Subject, fold: Fold, number: int) -> Shaped[np.ndarray, " N"]:
    """Random origins of the test part, ascending, windows left on both sides."""
    origins = np.unique(subject.market.samples(complete=True).origin[fold.test])
    inner = origins[len(origins) // 5 : max(len(origins) * 4 // 5, len(origins) // 5 + 1)]
    chosen = subject.generator(8).choice(inner, size=min(number, len(inner)), replace=False)
    return np.sort(chosen)


def _compare_fitted(ledger: Ledger, subject: Subject, trained: Rehearsal, fold: Fold) -> None:
    samples = subject.market.samples(complete=True)
    component = model_component(subject.parts)
    cut = samples.end[np.concatenate([fold.train, fold.validation])].max()
    if cut >= samples.origin[fold.test].max():
        return  # parts that overlap in time: nothing comes later, and the split check says so
    before = _parameters(trained.model)
    was = trained.model.predict(trained.data, "validation").values
    said = trained.data.samples.row[trained.data.fold.validation]
    for kind in FUTURES:
        with ledger.attempt(component, cut, kind):
            market = subject.parts.market(subject.perturbed(cut, kind))
            moved = same_fold(subject.market, market, fold)
            other = rehearse(subject.parts, market, moved, epochs=EPOCHS).model
            after = _parameters(other)
            for name in sorted(before.keys() | after.keys()):
                missing = np.empty((1, 0))
                pair = before.get(name, missing), after.get(name, missing)
                ledger.compare(component, f"weights {name}", *pair, Where.nowhere(cut, kind))
            # What has no tensors to compare is known by what it says of the same windows.
            became = other.predict(trained.data, "validation").values
            where = Where.rows(subject.bars, said, cut, kind)
            ledger.compare(component, "forecast after training", was, became, where)


def _begins_last(subject: Subject, fold: Fold) -> bool:
    """Whether nothing is trained or validated on after the test part begins."""
    samples = subject.market.samples(complete=True)
    learnt = np.concatenate([fold.train, fold.validation])
    first: np.datetime64 = samples.origin[fold.test].min()
    return bool(samples.end[learnt].max() <= first)


def _compare_kept(
    ledger: Ledger, subject: Subject, trained: Rehearsal, fold: Fold, cut: np.datetime64
) -> None:
    component = model_component(subject.parts)
    base = predict_near(subject.parts, trained.model, subject.market, fold, cut)
    for kind in Kind:
        with ledger.attempt(component, cut, kind):
            market = subject.parts.market(subject.perturbed(cut, kind))
            moved = same_fold(subject.market, market, fold)
            other = predict_near(subject.parts, trained.model, market, moved, cut)
            compare_forecasts(ledger, component, base, other, cut, kind)


def compare_forecasts(
    ledger: Ledger,
    component: str,
    base: Forecast,
    other: Forecast,
    cut: np.datetime64,
    perturbation: str,
) -> None:
    """Notes whether the forecasts made by the cut are the same to the bit.

    Origins whose future is gone may be missing in the other one, where the data end at the cut;
    nowhere else.
    """
    (before, after), place = shared_until([base, other], cut)
    made = np.flatnonzero(base.origin <= cut)
    if perturbation != Kind.END and len(place) < len(made):
        where = Where(base.assets, base.asset[made], base.origin[made], cut, perturbation)
        lost = np.flatnonzero(~np.isin(made, place))
        detail = f"{len(lost)} of {len(made)} origins have no forecast any more"
        ledger.find(component, "forecast", where, detail, int(lost[0]), len(lost))
        return
    if not len(place):
        return  # an empty comparison is no answer
    where = Where(base.assets, base.asset[place], base.origin[place], cut, perturbation)
    ledger.compare(component, "forecast", before, after, where)


def _parameters(model: BaseTimeSeriesModel) -> dict[str, Shaped[np.ndarray, "1 N"]]:
    """Learnt tensors of the loss and, for a network, its weights, each as one row."""
    tensors = {f"loss.{name}": value for name, value in model.loss.state_dict().items()}
    if isinstance(model, NeuralModel):
        tensors |= model.network.state_dict()
    return {name: value.detach().cpu().numpy().reshape(1, -1) for name, value in tensors.items()}
