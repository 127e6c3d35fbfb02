"""Gated parts of the Temporal Fusion Transformer, all variables of a kind at once.

Equation numbers are those of Lim et al. (2021), https://arxiv.org/abs/1912.09363.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from regimecast.networks.dropout import Dropout

__all__ = ["GatedResidual", "GatedSkip", "VariableSelection", "embedding_parameter"]

_EPSILON = 1e-3
"""Of every LayerNorm, as in the authors' code. It counts where few numbers are normalised: two
become -1 and 1 but for this, whatever they are."""
_CHUNK_VALUES = 1 << 18
"""Numbers per tensor while variables are transformed: small enough to stay in a core's cache."""


class GatedSkip(nn.Module):
    """LayerNorm(skip + GLU(dropout(x))), the gate around every part of the network (eq. 5, 17)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.gate = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width, _EPSILON)

    def forward(self, x: Float[Tensor, "... D"], skip: Float[Tensor, "... D"]) -> Tensor:
        """The gated sum, normalised."""
        result: Tensor = self.norm(skip + functional.glu(self.gate(self.dropout(x))))
        return result


class GatedResidual(nn.Module):
    """Gated residual network (eq. 2-5).

    Args:
        width: size of input and output.
        dropout: share of units dropped before the gate.
        context: whether a context of the same width enters (the last term of eq. 4).
    """

    def __init__(self, width: int, dropout: float, *, context: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.context = nn.Linear(width, width, bias=False) if context else None
        self.second = nn.Linear(width, width)
        self.skip = GatedSkip(width, dropout)

    def forward(
        self, x: Float[Tensor, "*batch D"], context: Float[Tensor, "*broadcast D"] | None = None
    ) -> Float[Tensor, "*batch D"]:
        """The input, gated, normalised and bent by what the context says."""
        hidden = self.first(x)
        if self.context is not None:
            hidden = hidden + self.context(context)
        result: Tensor = self.skip(self.second(functional.elu(hidden)), x)
        return result


def embedding_parameter(variables: int, width: int) -> nn.Parameter:
    """Slope e and level b of V variables, ``[2, V, D]``: a number x is embedded as ``x e + b``.

    Drawn as the authors' code does, for one input and D outputs (Glorot and Bengio 2010).
    """
    slope = torch.empty(variables, width).uniform_(-1, 1) * (6 / (1 + width)) ** 0.5
    return nn.Parameter(torch.stack([slope, torch.zeros_like(slope)]))


class VariableSelection(nn.Module):
    """One vector per row out of V variables: each transformed, then averaged by learnt shares.

    The paper's selection network (eq. 6-8), rearranged but with the same values. A variable is one
    number x, embedded as ``x e + b``; so what eq. 4 makes of it is ``x (A e) + (A b + c)``, and of
    all embeddings side by side one matrix times the V numbers: neither the embeddings nor their
    concatenation is ever formed. Where no dropout falls between them, eq. 3 and the gate of eq. 5
    are linear one after the other, and are multiplied before the data come. The V residual networks
    run as grouped products.

    Args:
        variables: V; a single variable needs no shares and gets no layers for them.
        width: size of the vector.
        dropout: share of units dropped.
        context: whether a context of the same width bends the shares (c_s of eq. 6).
    """

    def __init__(
        self, variables: int, width: int, dropout: float, *, context: bool = False
    ) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)

        def drawn(*sizes: int) -> nn.Parameter:
            # As nn.Linear draws weights and biases. Were the biases of eq. 4 zero, all units of a
            # variable would bend at the same value of it: 0.
            return nn.Parameter(torch.empty(variables, *sizes).uniform_(-1, 1) * width**-0.5)

        self.first, self.first_bias = drawn(width, width), drawn(width)
        self.second, self.second_bias = drawn(width, width), drawn(width)
        self.gate, self.gate_bias = drawn(width, 2 * width), drawn(2 * width)
        self.norm = nn.Parameter(torch.ones(variables, width))
        self.norm_bias = nn.Parameter(torch.zeros(variables, width))
        self.shares = _Shares(variables, width, dropout, context) if variables > 1 else None

    def forward(
        self,
        values: Float[Tensor, "B T V"],
        embedding: Float[Tensor, "2 V D"],
        context: Float[Tensor, "B D"] | None = None,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T V"]]:
        """The selected vectors, and the share of each variable (they sum to 1)."""
        rows, steps, variables = values.shape
        share = torch.ones_like(values)
        if self.shares is not None:
            share = self.shares(values, embedding, context)
        slope, level = embedding[:, :, None]
        first = torch.bmm(slope, self.first)
        first_bias = torch.baddbmm(self.first_bias[:, None], level, self.first)
        gate: Tensor = self.gate
        gate_bias = self.gate_bias[:, None]
        if not self._drops:
            gate_bias = torch.baddbmm(gate_bias, self.second_bias[:, None], gate)
            gate = torch.bmm(self.second, gate)
        weights = (slope, level, first, first_bias, gate, gate_bias)
        by_variable = values.permute(2, 0, 1).contiguous()
        size = rows
        if values.device.type == "cpu" and not torch.compiler.is_compiling():
            size = max(1, _CHUNK_VALUES // (steps * variables * slope.shape[-1]))
        selected = [
            self._selected(some, shared, weights)
            for some, shared in zip(
                torch.split(by_variable, size, 1), torch.split(share, size), strict=True
            )
        ]
        return torch.cat(selected), share

    @property
    def _drops(self) -> bool:
        return self.training and self.dropout.share > 0

    def _selected(
        self,
        values: Float[Tensor, "V b T"],
        share: Float[Tensor, "b T V"],
        weights: tuple[Tensor, ...],
    ) -> Float[Tensor, "b T D"]:
        slope, level, first, first_bias, gate, gate_bias = weights
        x = values.flatten(1)[..., None]
        hidden = functional.elu(torch.addcmul(first_bias, x, first), inplace=True)
        if self._drops:
            hidden = torch.baddbmm(self.second_bias[:, None], hidden, self.second)
            hidden = self.dropout(hidden)
        # Two products of half the size: the sigmoid of every other half row would be slow.
        value, opening = (
            torch.baddbmm(bias, hidden, half)
            for bias, half in zip(gate_bias.chunk(2, -1), gate.chunk(2, -1), strict=True)
        )
        gated = torch.addcmul(torch.addcmul(level, x, slope), value, opening.sigmoid())
        normed = functional.layer_norm(gated, slope.shape[-1:], eps=_EPSILON)
        by_share = share.permute(2, 0, 1)[..., None] * self.norm[:, None, None]
        selected: Tensor = (normed.view_as(by_share) * by_share).sum(0) + share @ self.norm_bias
        return selected


class _Shares(nn.Module):
    """Softmax over V of a gated residual network of all embeddings side by side (eq. 6)."""

    def __init__(self, variables: int, width: int, dropout: float, context: bool) -> None:
        super().__init__()
        self.first = nn.Linear(variables * width, width)
        self.context = nn.Linear(width, width, bias=False) if context else None
        self.second = nn.Linear(width, width)
        self.dropout = Dropout(dropout)
        self.gate = nn.Linear(width, 2 * variables)
        self.skip = nn.Linear(variables * width, variables)
        self.norm = nn.LayerNorm(variables, _EPSILON)

    def forward(
        self,
        values: Float[Tensor, "B T V"],
        embedding: Float[Tensor, "2 V D"],
        context: Float[Tensor, "B D"] | None,
    ) -> Float[Tensor, "B T V"]:
        hidden = _of_embeddings(self.first, values, embedding)
        if self.context is not None and context is not None:
            hidden = hidden + self.context(context)[:, None]
        hidden = self.dropout(self.second(functional.elu(hidden)))
        gated = functional.glu(self.gate(hidden))
        skip = _of_embeddings(self.skip, values, embedding)
        result: Tensor = self.norm(skip + gated).softmax(-1)
        return result


def _of_embeddings(
    layer: nn.Linear, values: Float[Tensor, "B T V"], embedding: Float[Tensor, "2 V D"]
) -> Tensor:
    """``layer(concatenated x_v e_v + b_v)`` without the concatenation."""
    slope, level = embedding
    weight = (layer.weight.view(-1, *slope.shape) * slope).sum(-1)
    return functional.linear(
        values, weight, functional.linear(level.flatten(), layer.weight, layer.bias)
    )
