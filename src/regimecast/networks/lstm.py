"""LSTM with a horizon head."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec

__all__ = ["LSTMNetwork"]


class LSTMNetwork(nn.Module):
    """Reads the past bar by bar, then answers every step ahead with one shared head.

    The head sees the final memory, which step is asked for, and what is known about that step; so
    all steps are answered at once and none feeds on the error of the one before.

    Args:
        spec: shapes and channel names.
        n_outputs: P, numbers per step.
        hidden_size: width of the memory and of the head.
        layers: stacked LSTM layers.
        dropout: share of activations dropped between layers and in the head.
    """

    def __init__(
        self, *, spec: DataSpec, n_outputs: int, hidden_size: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.context_length = spec.context_length
        constant, known = len(spec.static), len(spec.known)
        self.encoder = nn.LSTM(
            len(spec.past) + known + constant,
            hidden_size,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
        )
        self.step = nn.Parameter(0.02 * torch.randn(spec.horizon, hidden_size))
        self.head = nn.Sequential(
            nn.Linear(hidden_size + known + constant, hidden_size),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, n_outputs),
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """Numbers for every step ahead."""
        length = self.context_length
        static = batch.static[:, None, :]
        past = torch.cat(
            [batch.past, batch.known[:, :length], static.expand(-1, length, -1)], dim=-1
        )
        memory = self.encoder(past)[0][:, -1, None, :] + self.step
        ahead = batch.known[:, length:]
        steps = torch.cat([memory, ahead, static.expand(-1, ahead.shape[1], -1)], dim=-1)
        output: Tensor = self.head(steps)
        return output
