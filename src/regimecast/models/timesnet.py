"""TimesNet: two-dimensional convolutions over folded periods."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own idiom
from jaxtyping import Float
from torch import Tensor, nn

from regimecast.core.types import DataSpec
from regimecast.models.base import ModelRegistry
from regimecast.models.neuralforecast import NeuralForecastModel, using

__all__ = ["TimesNet"]

_BLOCK = 32
"""Windows convolved at once in a forecast."""


@ModelRegistry.register("timesnet")
class TimesNet(NeuralForecastModel):
    """Folds each window by its strongest periods and convolves within and across periods.

    It uses known covariates over the context only. Wu et al. (2023), TimesNet: Temporal
    2D-Variation Modeling for General Time Series Analysis, ICLR, https://arxiv.org/abs/2210.02186.

    Args:
        spec: see `BaseTimeSeriesModel`.
        loss: see `BaseTimeSeriesModel`.
        hidden_size: channels of the embedding.
        conv_hidden_size: channels within a block.
        top_k: periods per block; at most half of context length + horizon.
        num_kernels: kernels of the inception blocks, of sizes 1, 3, 5, ...
        encoder_layers: blocks.
        dropout: dropout of the embedding.
    """

    architecture = "TimesNet"
    capabilities = using(known=True)

    def __init__(
        self,
        *,
        spec: DataSpec,
        loss: Mapping[str, Any],
        hidden_size: int,
        conv_hidden_size: int,
        top_k: int,
        num_kernels: int,
        encoder_layers: int,
        dropout: float,
    ) -> None:
        super().__init__(spec=spec, loss=loss)

    def arguments(self) -> dict[str, Any]:
        """The hyper-parameters as given."""
        most = (self.spec.context_length + self.spec.horizon) // 2
        self.require(
            self._params["top_k"] <= most,
            "top_k",
            f"up to {most}, half of context length + horizon",
        )
        return dict(self._params)

    def adjust(self, network: Any) -> None:
        """Lets every window choose its own periods.

        The library takes them from the mean spectrum of the batch, so that a forecast would depend
        on the windows, later ones too, that happen to share its batch.
        """
        top_k = self._params["top_k"]
        network.model = nn.ModuleList(_PeriodBlock(block.conv, top_k) for block in network.model)


class _PeriodBlock(nn.Module):
    """Residual block of k periods chosen per window by amplitude (equations 1 to 6 of the paper).

    Args:
        convolution: what acts on the folded window, [B, C, rows, period].
        k: number of periods.
    """

    def __init__(self, convolution: nn.Module, k: int) -> None:
        super().__init__()
        self.conv = convolution
        self.k = k

    def forward(self, x: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        length = x.shape[1]
        amplitude = torch.fft.rfft(x, dim=1).abs().mean(2)[:, 1:]
        strength, frequency = amplitude.topk(self.k, dim=1)
        period = length // (frequency + 1)
        branches = x.new_zeros(len(x), self.k, *x.shape[1:])
        # One convolution per distinct period, over all windows that chose it.
        for bars in period.unique().tolist():
            window, rank = (period == bars).nonzero(as_tuple=True)
            padded = F.pad(x[window], (0, 0, 0, -length % bars))
            folded = padded.reshape(len(window), -1, bars, x.shape[2])
            convolved = self._convolve(folded.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
            branches[window, rank] = convolved.flatten(1, 2)[:, :length].to(branches.dtype)
        return x + torch.einsum("bk,bktc->btc", strength.softmax(1), branches)

    def _convolve(self, folded: Float[Tensor, "N C R P"]) -> Float[Tensor, "N C R P"]:
        if self.training:
            return self.conv(folded)
        # How torch convolves, and so rounds, hangs on the number of windows, which is that of the
        # windows in the batch with this period. In blocks of one size a forecast is its own.
        whole = F.pad(folded, (0, 0, 0, 0, 0, 0, 0, -len(folded) % _BLOCK))
        return torch.cat([self.conv(block) for block in torch.split(whole, _BLOCK)])[: len(folded)]
