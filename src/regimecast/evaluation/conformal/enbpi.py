"""EnbPI: an ensemble on block bootstraps, and its errors on samples that were left out."""

import logging

import numpy as np
from jaxtyping import Float
from typing_extensions import override

from regimecast.core.errors import ConfigError, DataError
from regimecast.core.forecast import Forecast
from regimecast.core.seeding import derive_seed
from regimecast.core.types import ForecastKind
from regimecast.data.datamodule import FinancialDataModule
from regimecast.evaluation.bounds import whole
from regimecast.evaluation.conformal.base import (
    Calibrated,
    ConformalRegistry,
    Forecaster,
    Member,
)
from regimecast.evaluation.conformal.bootstrap import BlockBootstrap, Everything, out_of_bag
from regimecast.evaluation.conformal.intervals import Intervals
from regimecast.evaluation.conformal.record import Record, Scores
from regimecast.evaluation.conformal.thresholds import online

__all__ = ["EnsembleBatch"]

_log = logging.getLogger(__name__)
_DRAWING = 3  # a stream of chance beside those of the fold's own drawing and shuffling


@ConformalRegistry.register("enbpi")
class EnsembleBatch(Intervals):
    """The mean of models that were trained on block bootstraps, plus and minus their residuals.

    Each training sample is forecast by the members whose blocks left it out, and a quantile of its
    absolute residuals is the width; as outcomes become known their residuals take the place of the
    oldest. No data are set aside: the whole validation part is for early stopping. The forecast is
    the members', not that of the model trained on all of the training part, which is kept for
    comparison. Xu & Xie (2021), arXiv:2010.09107, algorithm 1, with the mean of all members at the
    centre, as in the authors' later version (2023, IEEE PAMI 45).

    Residuals of the last training bars come before the validation part, hence the first window is
    as old as that part is long.

    Args:
        level: coverage of the interval that is reported; a point forecast gets its two levels.
        members: models to train beside the run's own.
        block: bars of the bootstrap's blocks; longer than the horizon, or no label is left out.
        normalise: ``scale`` counts residuals in units of each sample's volatility known at its
            origin, ``none`` in those of the target.
        per_asset: whether each asset has residuals of its own.
        window: bars whose residuals count; null keeps as many as training gave.

    Raises:
        ConfigError: a value is out of range.
    """

    def __init__(
        self,
        *,
        level: float,
        members: int,
        block: int,
        normalise: str,
        per_asset: bool,
        window: int | None,
    ) -> None:
        super().__init__(
            level=level,
            calibration=None,
            normalise=normalise,
            per_asset=per_asset,
            ends="residual",
        )
        self.members = whole("conformal.members", members, low=2)
        self.block = whole("conformal.block", block, low=1)
        self._window = None if window is None else whole("conformal.window", window, low=1)

    @override
    def check(self, kind: ForecastKind, levels: tuple[float, ...], horizon: int) -> None:
        super().check(kind, levels, horizon)
        if self.block <= horizon:
            raise ConfigError(
                f"conformal.block={self.block} must be longer than the horizon of {horizon} bars: "
                "the labels of a block reach that far beyond it"
            )

    @override
    def calibrate(
        self, data: FinancialDataModule, forecast: Forecaster, member: Member
    ) -> Calibrated:
        everything = data.resampled(Everything())
        samples = everything.split("train").samples
        said = []
        outside = np.zeros(len(samples), dtype=np.int64)
        trained: Float[np.ndarray, "N H Q"] | None = None
        for number in range(self.members):
            blocks = BlockBootstrap.of(
                data.sampling,
                samples,
                block=self.block,
                seed=derive_seed(data.seed, data.number, _DRAWING, number),
            )
            forecaster = member(number, data.resampled(blocks))
            said.append(forecaster(data, "test"))
            own, left_out = forecaster(everything, "train"), out_of_bag(samples, blocks.copies)
            trained = np.zeros(own.values.shape) if trained is None else trained
            trained[left_out] += own.values[left_out]
            outside += left_out
            _log.info(
                "fold %d: member %d of %d, %d of %d training samples left out",
                data.number, number + 1, self.members, int(left_out.sum()), len(samples),
            )  # fmt: skip
        assert trained is not None
        kept = outside > 0
        if not kept.any():
            raise DataError(
                f"every training sample shares bars with one that each of {self.members} members "
                f"saw. Use more conformal.members or a longer conformal.block (now {self.block})"
            )
        mean = trained / np.maximum(outside, 1)[:, None, None]
        past = Record.of(everything, "train", _with(own, mean)).take(kept)
        now = Record.of(data, "test", _with(said[0], np.mean([s.values for s in said], axis=0)))
        calibrated = self.calibrated(past, now)
        return Calibrated(calibrated.forecast, forecast(data, "test"), calibrated.state)

    @override
    def thresholds(self, first: Scores, then: Scores, outside: float) -> Float[np.ndarray, " N"]:
        bars = len(np.unique(first.known[~np.isnan(first.value)]))
        return online(first, then, outside, gammas=np.zeros(1), window=self._window or bars)[0]


def _with(forecast: Forecast, values: Float[np.ndarray, "N H Q"]) -> Forecast:
    """The same samples with other values."""
    return Forecast(
        values.astype(forecast.values.dtype),
        forecast.levels,
        forecast.kind,
        forecast.asset,
        forecast.origin,
        forecast.assets,
    )
