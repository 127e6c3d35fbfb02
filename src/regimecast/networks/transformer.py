"""Transformer encoder over patches of the past and the steps ahead."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec

__all__ = ["TransformerNetwork"]


class TransformerNetwork(nn.Module):
    """One sequence of tokens: patches of the past, then one token per step ahead.

    A patch holds all channels of a few bars. A step's token holds what is known about the step and
    the newest bar, which matters most and so need not be looked for. Every token sees every other,
    and the steps' tokens are read off at the end. Positions are learnt.

    Args:
        spec: shapes and channel names.
        n_outputs: P, numbers per step.
        patch_length: bars per token; the oldest patch is filled up with the oldest bar.
        width: size of a token.
        heads: attention heads.
        layers: encoder blocks.
        dropout: share of activations dropped.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        n_outputs: int,
        patch_length: int,
        width: int,
        heads: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.context_length = spec.context_length
        self.patch_length = patch_length
        self.fill = -spec.context_length % patch_length
        patches = (spec.context_length + self.fill) // patch_length
        constant, known = len(spec.static), len(spec.known)
        self.patch = nn.Linear((len(spec.past) + known) * patch_length + constant, width)
        self.ahead = nn.Linear(len(spec.past) + known + constant, width)
        self.position = nn.Parameter(0.02 * torch.randn(patches + spec.horizon, width))
        self.blocks = nn.Sequential(*(_Block(width, heads, dropout) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_outputs))

    def forward(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """Numbers for every step ahead."""
        length = self.context_length
        past = torch.cat([batch.past, batch.known[:, :length]], dim=-1)
        past = torch.cat([past[:, :1].expand(-1, self.fill, -1), past], dim=1)
        patches = past.reshape(len(past), -1, self.patch_length * past.shape[2])
        known = batch.known[:, length:]
        horizon = known.shape[1]
        ahead = torch.cat([batch.past[:, -1:].expand(-1, horizon, -1), known], dim=-1)
        tokens = torch.cat(
            [
                self.patch(_with_static(patches, batch.static)),
                self.ahead(_with_static(ahead, batch.static)),
            ],
            dim=1,
        )
        encoded = self.blocks(tokens + self.position)
        output: Tensor = self.head(encoded[:, -horizon:])
        return output


def _with_static(tokens: Float[Tensor, "B T F"], static: Float[Tensor, "B S"]) -> Tensor:
    return torch.cat([tokens, static[:, None, :].expand(-1, tokens.shape[1], -1)], dim=-1)


class _Block(nn.Module):
    """Attention and a two-layer perceptron, each normalised before and added to its input."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.attention_norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Sequential(nn.Linear(width, width), nn.Dropout(dropout))
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        shape = (*tokens.shape[:2], 3, self.heads, -1)
        projected = self.project(self.attention_norm(tokens)).reshape(shape)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(
            query, key, value, dropout_p=self.dropout if self.training else 0.0
        )
        tokens = tokens + self.merge(mixed.transpose(1, 2).flatten(2))
        result: Tensor = tokens + self.perceptron(tokens)
        return result
