"""Networks of the neuralforecast library behind our contract.

Only the networks are used: the library's trainer, data sets, scalers and losses are not. A network
is a submodule of ours and gets its windows as a dictionary, built from a `Batch`. Importing the
library takes seconds, so it happens when a network is built, not when a model is named.

A model's own small file states the network's class, the covariates it can use and its
hyper-parameters. Their names are the library's: what the constructor gets reaches the network by
name, through the parameters that every model remembers.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from lightning_utilities.core import rank_zero
from torch import Tensor, nn

from regimecast.core.batch import Batch
from regimecast.core.errors import SpecError
from regimecast.core.types import DataSpec, ForecastKind, Task
from regimecast.models.base import Capabilities
from regimecast.models.neural import NeuralModel
from regimecast.training.seeding import seeded

__all__ = ["NeuralForecastModel", "WindowsNetwork", "contained", "using"]


def using(*, past: bool = False, known: bool = False, static: bool = False) -> Capabilities:
    """Capabilities of a network that uses these covariates beside the target's history."""
    return Capabilities(
        tasks=frozenset(Task),
        kinds=frozenset(ForecastKind),
        past=past,
        known=known,
        static=static,
        sample_weight=True,
        gpu=True,
    )


class NeuralForecastModel(NeuralModel):
    """A network of neuralforecast; a subclass is one network.

    Raises:
        SpecError: a hyper-parameter does not fit the context length or the horizon.
    """

    architecture: ClassVar[str]
    """Class name in `neuralforecast.models`."""
    channels_as_series: ClassVar[bool] = False
    """The network forecasts all past channels at once; only the target's forecast is kept."""

    def __init__(self, *, spec: DataSpec, loss: Mapping[str, Any]) -> None:
        super().__init__(spec=spec, loss=loss)
        self.arguments()

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments for the network: the hyper-parameters as given.

        A subclass refines it where the library wants something else.

        Raises:
            SpecError: a hyper-parameter does not fit the spec.
        """
        return dict(self._params)

    def adjust(self, network: Any) -> None:
        """Repairs a freshly built network where the library falls short; by default nothing."""

    def require(self, holds: bool, key: str, allowed: str) -> None:
        """Raises `SpecError` naming a hyper-parameter, its value and what is allowed."""
        if not holds:
            raise SpecError(f"model {self.name!r}: {key}={self._params[key]!r}; allowed: {allowed}")

    def build_network(self) -> nn.Module:
        """The network, freshly initialised from torch's global random state.

        One number is drawn from that state; nothing else outside the network changes.

        Raises:
            SpecError: the network cannot be built or run with these hyper-parameters on this spec.
        """
        seed = int(torch.randint(2**31, ()))
        arguments = self.arguments()
        try:
            with contained(seed):
                network = WindowsNetwork(
                    self._create(seed, arguments),
                    horizon=self.spec.horizon,
                    outputs=self.loss.n_outputs,
                    capabilities=self.capabilities,
                    channels_as_series=self.channels_as_series,
                )
                _try_out(network, self.spec)
        except Exception as error:
            raise SpecError(
                f"model {self.name!r} cannot be built for context_length="
                f"{self.spec.context_length} and horizon={self.spec.horizon} with {self._params}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return network

    def _create(self, seed: int, arguments: dict[str, Any]) -> nn.Module:
        from neuralforecast import models

        architecture = getattr(models, self.architecture)
        spec, able = self.spec, self.capabilities
        if architecture.MULTIVARIATE:
            arguments["n_series"] = len(spec.past) if self.channels_as_series else 1
        listed = able.past and not self.channels_as_series
        network: nn.Module = architecture(
            h=spec.horizon,
            input_size=spec.context_length,
            hist_exog_list=list(spec.past[1:]) if listed else None,
            futr_exog_list=list(spec.known) if able.known else None,
            stat_exog_list=list(spec.static) if able.static else None,
            loss=_OutputWidth(self.loss.n_outputs),
            scaler_type="identity",
            random_seed=seed,
            **arguments,
        )
        self.adjust(network)
        return network


class WindowsNetwork(nn.Module):
    """A network of neuralforecast that takes a `Batch`.

    Args:
        network: the library's network.
        horizon: H.
        outputs: P, numbers per step.
        capabilities: the covariates that the network gets.
        channels_as_series: feed every past channel as a series and keep the forecast of the first.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        horizon: int,
        outputs: int,
        capabilities: Capabilities,
        channels_as_series: bool,
    ) -> None:
        super().__init__()
        self.network = network
        self.horizon = horizon
        self.outputs = outputs
        self.capabilities = capabilities
        self.channels_as_series = channels_as_series

    def forward(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """P numbers per step, of each window from that window alone."""
        able = self.capabilities
        history = batch.past if self.channels_as_series else batch.past[:, :, :1]
        past = batch.past[:, :, 1:] if able.past and not self.channels_as_series else None
        output = self.network(
            {
                "insample_y": history,
                "insample_mask": torch.ones_like(history),
                "hist_exog": self._covariates(past),
                "futr_exog": self._covariates(batch.known if able.known else None),
                "stat_exog": batch.static if able.static and batch.static.shape[1] else None,
            }
        )
        # Networks of several series put the series last, behind the outputs.
        return output.reshape(len(batch), self.horizon, self.outputs, -1)[:, :, :, 0]

    def _covariates(self, channels: Tensor | None) -> Tensor | None:
        """Channels as the network wants them; None, not an empty tensor, where there are none."""
        if channels is None or channels.shape[2] == 0:
            return None
        # Networks of several series want [B, F, T, series].
        return channels.transpose(1, 2)[..., None] if self.network.MULTIVARIATE else channels


class _OutputWidth(nn.Module):
    """All that a network asks of neuralforecast's losses: how many numbers per step."""

    is_distribution_output = False

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputsize_multiplier = outputs


def _try_out(network: WindowsNetwork, spec: DataSpec) -> None:
    """Runs two blank windows through, so that what does not fit fails now and not after hours."""
    n, length, horizon = 2, spec.context_length, spec.horizon
    blank = Batch(
        past=torch.zeros(n, length, len(spec.past)),
        known=torch.zeros(n, length + horizon, len(spec.known)),
        static=torch.zeros(n, len(spec.static)),
        target=torch.zeros(n, horizon),
        mask=torch.ones(n, horizon, dtype=torch.bool),
        scale=torch.ones(n, 1),
        weight=torch.ones(n, horizon),
        regime=torch.zeros(n, dtype=torch.long),
        asset=torch.zeros(n, dtype=torch.long),
        origin=torch.zeros(n, dtype=torch.long),
    )
    network.eval()
    with torch.no_grad():
        network(blank)
    network.train()


@contextmanager
def contained(seed: int) -> Iterator[None]:
    """Leaves random state, environment and log as they were.

    Every constructor of neuralforecast seeds Python, numpy and torch for the whole process, sets
    Lightning's seed variables for its children, and logs that it did. Importing it brings in
    pytorch_lightning, which takes over the logger through which lightning.pytorch speaks.
    """
    speaker = rank_zero.log
    variables = {key: os.environ.get(key) for key in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")}
    log = logging.getLogger("lightning_fabric.utilities.seed")
    disabled, log.disabled = log.disabled, True
    try:
        with seeded(seed), warnings.catch_warnings():
            # TiDE makes a layer for zero past channels, which `adjust` removes. Torch warns of it:
            # https://github.com/pytorch/pytorch/issues/133818
            warnings.filterwarnings("ignore", "Initializing zero-element tensors is a no-op")
            yield
    finally:
        log.disabled = disabled
        rank_zero.log = speaker
        for key, value in variables.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
