"""PatchTST: a Transformer over overlapping patches of one channel at a time."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec
from regimecast.networks.dropout import Dropout

__all__ = ["Norm", "PatchTSTNetwork", "Revin", "level_and_spread"]

Norm = Literal["batch", "layer"]
Revin = Literal["none", "last", "mean"]

_PLAIN_TOKENS = range(12, 49)
"""Tokens of a series for which a CPU is faster with plain products than with its fused kernel."""
_LEAST_VARIANCE = 1e-5
"""Added to a window's variance, so that a flat window has a spread."""


class PatchTSTNetwork(nn.Module):
    """Encodes every channel alone with shared weights and reads the target's forecast off.

    A channel is filled up with its newest value by one stride, cut into overlapping patches, and
    each patch becomes a token. The forecast is a linear map of all tokens of the target's history.
    With covariates every other channel goes through the same encoder, and a mixing head adds what
    they, the steps' known channels and the static ones say.

    Nie et al. (2023), A Time Series is Worth 64 Words, ICLR, https://arxiv.org/abs/2211.14730.

    Args:
        spec: shapes and channel names.
        n_outputs: P, numbers per step.
        patch_length: bars per patch; at most context length + stride.
        stride: bars from one patch to the next.
        width: size of a token.
        heads: attention heads.
        layers: encoder layers.
        feedforward: width inside the feed-forward part of a layer.
        dropout: share of activations dropped in the encoder.
        head_dropout: share of the encoded values dropped before the linear map.
        norm: normalise a token by its batch or by itself (layer).
        residual_attention: add the attention scores of the layers below to those of a layer.
        revin: what is taken off each window's history before its deviation is divided out.
        restore: put level and spread of the history back on the outputs.
        covariates: use all channels, not the target's history alone.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        n_outputs: int,
        patch_length: int,
        stride: int,
        width: int,
        heads: int,
        layers: int,
        feedforward: int,
        dropout: float,
        head_dropout: float,
        norm: Norm,
        residual_attention: bool,
        revin: Revin,
        restore: bool,
        covariates: bool,
    ) -> None:
        super().__init__()
        self.patch_length = patch_length
        self.stride = stride
        self.residual_attention = residual_attention
        self.revin = revin
        self.restore = restore
        self.outputs = (spec.horizon, n_outputs)
        tokens = (spec.context_length + stride - patch_length) // stride + 1
        self.embed = nn.Linear(patch_length, width)
        self.position = nn.Parameter(torch.empty(tokens, width).uniform_(-0.02, 0.02))
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            _Layer(width, heads, feedforward, dropout, norm) for _ in range(layers)
        )
        self.head = nn.Sequential(
            nn.Flatten(1),
            Dropout(head_dropout),
            nn.Linear(tokens * width, spec.horizon * n_outputs),
        )
        self.mix = _MixingHead(spec, n_outputs, tokens, width, dropout) if covariates else None

    def forward(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """Numbers for every step ahead."""
        history = batch.past[:, :, 0]
        if self.revin != "none":
            level, spread = level_and_spread(history, self.revin)
            history = (history - level) / spread
        if self.mix is None:
            encoded = self.encode(history)
            output = self.head(encoded).unflatten(1, self.outputs)
        else:
            # [B, F, L]: past channels, then the known ones over the context.
            channels = torch.cat(
                [
                    history[:, None],
                    batch.past[:, :, 1:].transpose(1, 2),
                    batch.known[:, : history.shape[1]].transpose(1, 2),
                ],
                dim=1,
            )
            encoded = self.encode(channels.flatten(0, 1))
            encoded = encoded.view(*channels.shape[:2], *self.position.shape)
            output = self.head(encoded[:, 0]).unflatten(1, self.outputs) + self.mix(encoded, batch)
        if self.revin != "none" and self.restore:
            output = output * spread[:, :, None] + level[:, :, None]
        return output

    def encode(self, series: Float[Tensor, "N L"]) -> Float[Tensor, "N T D"]:
        """Tokens of series that know nothing of each other."""
        tokens = self.dropout(self.embed(self.patches(series)) + self.position)
        below: tuple[Tensor, Tensor] | None = None
        for layer in self.layers:
            tokens, scored = layer(tokens, below)
            below = scored if self.residual_attention else None
        return tokens

    def patches(self, series: Float[Tensor, "N L"]) -> Float[Tensor, "N T p"]:
        """Overlapping patches, oldest first; the last ones reach into the fill."""
        fill = series[:, -1:].expand(-1, self.stride)
        return torch.cat([series, fill], dim=1).unfold(1, self.patch_length, self.stride)


def level_and_spread(
    history: Float[Tensor, "B L"], level: Revin
) -> tuple[Float[Tensor, "B 1"], Float[Tensor, "B 1"]]:
    """What reversible instance normalisation takes off a window and divides it by.

    Kim et al. (2022), Reversible Instance Normalization for Accurate Time-Series Forecasting, ICLR,
    without its learnt scale. The level is the newest value or the mean, the spread the deviation
    about the mean.
    """
    variance, mean = torch.var_mean(history, dim=1, correction=0, keepdim=True)
    shift = history[:, -1:] if level == "last" else mean
    return shift.detach(), (variance + _LEAST_VARIANCE).sqrt().detach()


class _MixingHead(nn.Module):
    """What the covariates add to the forecast.

    Every channel's tokens shrink to a short summary, by one map for all channels; the summaries
    and the static channels are mixed, and each step sees the mix, its own learnt vector and what is
    known about it.
    """

    def __init__(
        self, spec: DataSpec, n_outputs: int, tokens: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        channels, known = len(spec.past) + len(spec.known), len(spec.known)
        self.context_length = spec.context_length
        self.summary = nn.Linear(tokens * width, width)
        self.context = nn.Linear(channels * width + len(spec.static), width)
        self.ahead = nn.Linear(known, width, bias=False) if known else None
        self.step = nn.Parameter(0.02 * torch.randn(spec.horizon, width))
        self.output = nn.Sequential(nn.GELU(), Dropout(dropout), nn.Linear(width, n_outputs))

    def forward(self, encoded: Float[Tensor, "B F T D"], batch: Batch) -> Float[Tensor, "B H P"]:
        summaries = functional.gelu(self.summary(encoded.flatten(2))).flatten(1)
        mixed = self.context(torch.cat([summaries, batch.static], dim=1))[:, None] + self.step
        if self.ahead is not None:
            mixed = mixed + self.ahead(batch.known[:, self.context_length :])
        output: Tensor = self.output(mixed)
        return output


class _Layer(nn.Module):
    """Attention and a two-layer perceptron, each added to its input and then normalised."""

    def __init__(
        self, width: int, heads: int, feedforward: int, dropout: float, norm: Norm
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.project = nn.Linear(width, 3 * width)
        self.merge = nn.Sequential(nn.Linear(width, width), Dropout(dropout))
        self.perceptron = nn.Sequential(
            nn.Linear(width, feedforward),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(feedforward, width),
            Dropout(dropout),
        )
        normaliser = _BatchNorm if norm == "batch" else nn.LayerNorm
        self.attention_norm = normaliser(width)
        self.perceptron_norm = normaliser(width)

    def forward(
        self, tokens: Float[Tensor, "N T D"], below: tuple[Tensor, Tensor] | None
    ) -> tuple[Float[Tensor, "N T D"], tuple[Tensor, Tensor]]:
        """The tokens, and queries and keys of this layer and those below it."""
        projected = self.project(tokens).unflatten(2, (3, self.heads, -1))
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        if below is not None:
            # Scores of all layers so far: a sum of products is the product of what is side by side.
            query = torch.cat([below[0], query], dim=-1)
            key = torch.cat([below[1], key], dim=-1)
        mixed = attend(query, key, value, self.scale)
        tokens = self.attention_norm(tokens + self.merge(mixed.transpose(1, 2).flatten(2)))
        return self.perceptron_norm(tokens + self.perceptron(tokens)), (query, key)


def attend(
    query: Float[Tensor, "N heads T K"],
    key: Float[Tensor, "N heads T K"],
    value: Float[Tensor, "N heads T V"],
    scale: float,
) -> Float[Tensor, "N heads T V"]:
    """Attention of every token to all tokens; V is at most K.

    By the fused kernel, except where plain products were measured to be faster, see
    experiments/benchmarks/patchtst.md.
    """
    if value.device.type == "cpu" and value.shape[2] in _PLAIN_TOKENS:
        weights = (query * scale) @ key.transpose(2, 3)
        return weights.softmax(dim=-1) @ value
    # The fused kernels want values as wide as the keys; zeros come out as zeros.
    missing = key.shape[3] - value.shape[3]
    wide = functional.pad(value, (0, missing)) if missing else value
    mixed = functional.scaled_dot_product_attention(query, key, wide, scale=scale)
    return mixed[..., : value.shape[3]]


class _BatchNorm(nn.BatchNorm1d):
    """Batch normalisation of tokens over windows and places, without a transpose."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # as torch calls it
        rows = input.flatten(0, -2)
        if self.training and len(rows) == 1:
            # One token has no deviation of its own: a last batch of one window with one patch.
            normalised = functional.batch_norm(
                rows, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        else:
            normalised = super().forward(rows)
        return normalised.view(input.shape)
