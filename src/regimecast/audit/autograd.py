"""Check of a trained model by gradients: no input beyond the origin moves a forecast at all.

A perturbation compares two values; a gradient says of every input at once whether it matters. The
windows are gathered from the panel by the data set's own index arithmetic, with the panel's tensors
as leaves. The gradient of a forecast must be exactly 0 with respect to every row after its origin,
to every other window of the batch, and to target and training weight. What has no gradient (masks,
codes; boosters as a whole) is replaced instead, and the forecast must be the same to the bit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger, Where
from regimecast.audit.predictions import compare_forecasts, test_cuts
from regimecast.audit.rehearsal import Rehearsal, model_component, predict_near
from regimecast.audit.subject import Subject
from regimecast.core.batch import Batch
from regimecast.data.market import MarketData
from regimecast.data.windows import WindowSource
from regimecast.models.neural import NeuralModel
from regimecast.splits.base import Fold

__all__ = ["gradient_checks"]

_WINDOWS = 8
"""Windows whose forecasts are differentiated, each on its own."""
_GRADIENT, _BATCH = "gradient", "batch beside it"
_FED = ("past", "known", "static", "scale")
_WITHHELD = ("target", "weight")


def gradient_checks(
    subject: Subject, trained: Rehearsal, fold: Fold
) -> Iterator[Check | NotAudited]:
    """That forecasts read their own windows up to the origin and nothing else.

    Args:
        subject: parts and data.
        trained: a model trained on the fold.
        fold: one of the subject's.
    """
    ledger = Ledger("gradients")
    component = model_component(subject.parts)
    if isinstance(trained.model, NeuralModel):
        origin = _origins(subject, fold)
        with ledger.attempt(component, subject.bars.time[origin[-1]], _GRADIENT):
            alive = _differentiate(ledger, component, subject, trained, origin)
            if not alive:
                why = "no input of a window has a gradient: its forecasts are held against bars"
                yield NotAudited(f"gradients of {component}", why)
        with ledger.attempt(component, subject.bars.time[origin[-1]], _BATCH):
            _replace_beside(ledger, component, subject, trained, origin)
    else:
        _replace_rows(ledger, component, subject, trained, fold)
        yield NotAudited(
            f"gradients of {component}",
            "it has none; rows after a cut and their targets were replaced instead. Whether it "
            "reads training weights or other windows when it forecasts was not asked",
        )
    yield from ledger.checks()


def _source(trained: Rehearsal) -> WindowSource:
    """What the model's windows are cut from."""
    return _neural(trained).narrowed(trained.data).split("test").source


def _neural(trained: Rehearsal) -> NeuralModel:
    assert isinstance(trained.model, NeuralModel)
    return trained.model


def _origins(subject: Subject, fold: Fold) -> Int[np.ndarray, " B"]:
    """Rows of some test origins, spread over the test part and over assets."""
    rows = subject.market.samples(complete=True).row[fold.test]
    chosen = subject.generator(9).choice(rows, size=min(_WINDOWS, len(rows)), replace=False)
    return np.sort(chosen)


def _differentiate(
    ledger: Ledger,
    component: str,
    subject: Subject,
    trained: Rehearsal,
    origin: Int[np.ndarray, " B"],
) -> bool:
    """Whether any gradient was other than 0, as that of a window's own inputs should be."""
    source, leaves = _source(trained).with_leaves()
    rows = torch.from_numpy(origin)
    horizon = subject.market.spec.horizon
    weight = torch.ones(len(origin), horizon, requires_grad=True)
    batch = source.batch(rows, weight, torch.zeros(len(origin), dtype=torch.int64))
    outputs = _forward(trained, batch)
    mix = torch.from_numpy(subject.generator(10).normal(size=outputs.shape[1:])).float()
    fed = {name: getattr(batch, name) for name in (*_FED, *_WITHHELD)}
    inputs = {**{f"panel {name}": leaf for name, leaf in leaves.items()}, **fed}
    wanted = {name: tensor for name, tensor in inputs.items() if tensor.numel()}
    alive = False
    for index, row in enumerate(origin.tolist()):
        found = torch.autograd.grad(
            (outputs[index] * mix).sum(),
            list(wanted.values()),
            retain_graph=True,
            allow_unused=True,
        )
        gradients = {
            name: np.zeros(tuple(tensor.shape)) if gradient is None else gradient.numpy()
            for (name, tensor), gradient in zip(wanted.items(), found, strict=True)
        }
        alive |= any(bool(gradients[name].any()) for name in _FED if name in gradients)
        _panel_rows(ledger, component, subject, gradients, row)
        _windows(ledger, component, subject, gradients, index, row)
    return alive


def _panel_rows(
    ledger: Ledger,
    component: str,
    subject: Subject,
    gradients: Mapping[str, Float[np.ndarray, "..."]],
    row: int,
) -> None:
    """No row after the origin matters; what is known ahead may, over the horizon."""
    bars, market = subject.bars, subject.market
    cut = bars.time[row]
    later = np.flatnonzero(bars.time > cut)
    last = row + market.spec.horizon
    beyond = np.flatnonzero((bars.time > cut) & (np.arange(bars.n_rows) > last))
    for name in ("past", "series", "scale", "scheduled"):
        gradient = gradients.get(f"panel {name}")
        if gradient is None:
            continue
        rows = beyond if name == "scheduled" else later
        where = Where.rows(bars, rows, cut, _GRADIENT)
        _all_zero(ledger, component, f"panel {name}", gradient[rows], where)
    known = gradients.get("panel known")
    if known is not None:
        end = int(market.known_index[row]) + market.spec.horizon + 1
        where = Where.nowhere(cut, _GRADIENT)
        _all_zero(ledger, component, "panel known", known[end:].reshape(1, -1), where)


def _windows(
    ledger: Ledger,
    component: str,
    subject: Subject,
    gradients: Mapping[str, Float[np.ndarray, "..."]],
    index: int,
    row: int,
) -> None:
    """No other window of the batch matters, and neither target nor weight of its own."""
    where = Where.rows(subject.bars, np.array([row]), subject.bars.time[row], _GRADIENT)
    for name in (*_FED, *_WITHHELD):
        if name not in gradients:
            continue
        others = np.delete(gradients[name], index, axis=0).reshape(1, -1)
        _all_zero(ledger, component, f"{name} of another window", others, where)
        if name in _WITHHELD:
            own = gradients[name][index].reshape(1, -1)
            _all_zero(ledger, component, name, own, where)


def _all_zero(
    ledger: Ledger,
    component: str,
    output: str,
    gradient: Float[np.ndarray, "N *rest"],
    where: Where,
) -> None:
    size = np.abs(gradient)  # -0.0 is as good as 0.0
    ledger.compare(component, f"gradient by {output}", np.zeros_like(size), size, where)


def _replace_beside(
    ledger: Ledger,
    component: str,
    subject: Subject,
    trained: Rehearsal,
    origin: Int[np.ndarray, " B"],
) -> None:
    """Forecasts with the other windows, and all that is not for forecasting, replaced."""
    source = _source(trained)
    n, horizon = len(origin), subject.market.spec.horizon
    batch = source.batch(
        torch.from_numpy(origin), torch.ones(n, horizon), torch.zeros(n, dtype=torch.int64)
    )
    rng = subject.generator(11)
    other: Bool[np.ndarray, " B"] = np.arange(n) % 2 == 1
    changed = replace(
        batch,
        **{name: _noisy(getattr(batch, name), other, rng) for name in _FED},
        **{name: _noisy(getattr(batch, name), np.ones(n, bool), rng) for name in _WITHHELD},
        mask=~batch.mask,
        regime=batch.regime + 1,
    )
    with torch.inference_mode():
        before, after = (_forward(trained, b).numpy()[~other] for b in (batch, changed))
    rows = origin[~other]
    where = Where.rows(subject.bars, rows, subject.bars.time[origin[-1]], _BATCH)
    ledger.compare(component, "forecast beside other windows", before, after, where)


def _replace_rows(
    ledger: Ledger, component: str, subject: Subject, trained: Rehearsal, fold: Fold
) -> None:
    """Forecasts with every feature and target after the cut replaced, features not recomputed."""
    kind = "rows after the cut"
    for cut in test_cuts(subject, fold, 1):
        with ledger.attempt(component, cut, kind):
            changed = _with_later_rows(subject.market, cut, subject.generator(12))
            base, other = (
                predict_near(subject.parts, trained.model, market, fold, cut)
                for market in (subject.market, changed)
            )
            compare_forecasts(ledger, component, base, other, cut, kind)


def _with_later_rows(
    market: MarketData, cut: np.datetime64, rng: np.random.Generator
) -> MarketData:
    """The market with noise for features, and other targets, after the cut."""
    later = market.bars.time > cut
    past = market.past.copy()
    past[later] = rng.normal(size=(int(later.sum()), past.shape[1])).astype(np.float32)
    target = market.target
    series = target.series.copy()
    series[later] = rng.permutation(series[later])
    label = target.label
    if label is not None:
        # A label of before the cut may read bars after it.
        unknown = target.complete & (market.bars.time[target.end_row] > cut)
        label = label.copy()
        label[unknown] = rng.permutation(label[unknown])
    return replace(market, past=past, target=replace(target, series=series, label=label))


def _forward(trained: Rehearsal, batch: Batch) -> Float[Tensor, "B H Q"]:
    model = _neural(trained)
    return model.loss.decode(model.network(batch).float())


def _noisy(
    values: Float[Tensor, "B *rest"], which: Bool[np.ndarray, " B"], rng: np.random.Generator
) -> Float[Tensor, "B *rest"]:
    """A copy with the chosen windows replaced by positive noise."""
    fresh = values.clone()
    rows = torch.from_numpy(np.flatnonzero(which))
    noise = np.abs(rng.normal(1.0, 1.0, (len(rows), *values.shape[1:])))
    fresh[rows] = torch.from_numpy(noise).to(values.dtype)
    return fresh
