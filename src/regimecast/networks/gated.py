"""Gated parts of the Temporal Fusion Transformer, all variables of a kind at once.

Equation numbers are those of Lim et al. (2021), https://arxiv.org/abs/1912.09363.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["GatedResidual", "GatedSkip", "VariableSelection"]

_CHUNK_VALUES = 1 << 18
"""Numbers per tensor while variables are transformed: small enough to stay in a core's cache."""


class GatedSkip(nn.Module):
    """LayerNorm(skip + GLU(dropout(x))), the gate around every part of the network (eq. 5, 17)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gate = nn.Linear(width, 2 * width)
        self.norm = nn.LayerNorm(width)

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


class VariableSelection(nn.Module):
    """One vector per row out of V variables: each transformed, then averaged by learnt shares.

    The paper's selection network (eq. 6-8), rearranged but with the same values. A variable is one
    number x, embedded as ``x e + b``; so what eq. 4 makes of it is ``x (A e) + (A b + c)``, and of
    all embeddings side by side one matrix times the V numbers: neither the embeddings nor their
    concatenation is ever formed. Eq. 3 and the gate of eq. 5 are linear one after the other, and
    are multiplied before the data come. All V residual networks run as one grouped product.

    One difference in training: dropout is of the units before eq. 3 instead of after, with one
    draw per window, variable and unit, the same at all its bars.

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
        self.dropout = dropout

        def weight(inputs: int, outputs: int) -> nn.Parameter:
            bound = inputs**-0.5
            return nn.Parameter(torch.empty(variables, inputs, outputs).uniform_(-bound, bound))

        def constant(size: int, value: float = 0.0) -> nn.Parameter:
            return nn.Parameter(torch.full((variables, size), value))

        self.embedding = nn.Parameter(torch.randn(variables, width) * width**-0.5)
        self.embedding_bias = constant(width)
        self.first, self.first_bias = weight(width, width), constant(width)
        self.second, self.second_bias = weight(width, width), constant(width)
        self.gate, self.gate_bias = weight(width, 2 * width), constant(2 * width)
        self.norm, self.norm_bias = constant(width, 1.0), constant(width)
        self.shares = _Shares(variables, width, context) if variables > 1 else None

    def forward(
        self,
        values: Float[Tensor, "B T V"],
        context: Float[Tensor, "B D"] | None = None,
    ) -> tuple[Float[Tensor, "B T D"], Float[Tensor, "B T V"]]:
        """The selected vectors, and the share of each variable (they sum to 1)."""
        rows, steps, variables = values.shape
        if self.shares is None:
            share = torch.ones_like(values)
        else:
            share = self.shares(values, self.embedding, self.embedding_bias, context)
        weights = (
            torch.bmm(self.embedding[:, None], self.first)[:, None],
            (torch.bmm(self.embedding_bias[:, None], self.first)[:, 0] + self.first_bias),
            torch.bmm(self.second, self.gate),
            torch.baddbmm(self.gate_bias[:, None], self.second_bias[:, None], self.gate),
        )
        width = self.embedding.shape[1]
        keep = values.new_ones(variables, rows, 1, width)
        keep = functional.dropout(keep, self.dropout, self.training)
        by_variable = values.permute(2, 0, 1).contiguous()
        size = rows
        if values.device.type == "cpu" and not torch.compiler.is_compiling():
            size = max(1, _CHUNK_VALUES // (steps * variables * width))
        selected = [
            self._selected(some, kept, shared, weights)
            for some, kept, shared in zip(
                torch.split(by_variable, size, 1),
                torch.split(keep, size, 1),
                torch.split(share, size),
                strict=True,
            )
        ]
        return torch.cat(selected), share

    def _selected(
        self,
        values: Float[Tensor, "V b T"],
        keep: Float[Tensor, "V b 1 D"],
        share: Float[Tensor, "b T V"],
        weights: tuple[Tensor, ...],
    ) -> Float[Tensor, "b T D"]:
        slope, level, gate, gate_bias = weights
        x = values[..., None]
        hidden = torch.addcmul(level[:, None, None], x, slope)
        hidden = functional.elu(hidden, inplace=True)
        if self.training and self.dropout:
            hidden = hidden * keep
        gated = functional.glu(torch.baddbmm(gate_bias, hidden.flatten(1, 2), gate))
        embedded = torch.addcmul(
            self.embedding_bias[:, None, None], x, self.embedding[:, None, None]
        )
        normed = functional.layer_norm(gated.view_as(embedded) + embedded, embedded.shape[-1:])
        by_share = share.permute(2, 0, 1)[..., None] * self.norm[:, None, None]
        selected: Tensor = (normed * by_share).sum(0) + share @ self.norm_bias
        return selected


class _Shares(nn.Module):
    """Softmax over V of a gated residual network of all embeddings side by side (eq. 6)."""

    def __init__(self, variables: int, width: int, context: bool) -> None:
        super().__init__()
        self.first = nn.Linear(variables * width, width)
        self.context = nn.Linear(width, width, bias=False) if context else None
        self.second = nn.Linear(width, width)
        self.gate = nn.Linear(width, 2 * variables)
        self.skip = nn.Linear(variables * width, variables)
        self.norm = nn.LayerNorm(variables)

    def forward(
        self,
        values: Float[Tensor, "B T V"],
        embedding: Float[Tensor, "V D"],
        bias: Float[Tensor, "V D"],
        context: Float[Tensor, "B D"] | None,
    ) -> Float[Tensor, "B T V"]:
        hidden = _of_embeddings(self.first, values, embedding, bias)
        if self.context is not None and context is not None:
            hidden = hidden + self.context(context)[:, None]
        gated = functional.glu(self.gate(self.second(functional.elu(hidden))))
        skip = _of_embeddings(self.skip, values, embedding, bias)
        result: Tensor = self.norm(skip + gated).softmax(-1)
        return result


def _of_embeddings(
    layer: nn.Linear,
    values: Float[Tensor, "B T V"],
    embedding: Float[Tensor, "V D"],
    bias: Float[Tensor, "V D"],
) -> Tensor:
    """``layer(concatenated x_v e_v + b_v)`` without the concatenation."""
    weight = layer.weight.view(-1, *embedding.shape)
    slope = (weight * embedding).sum(-1)
    return functional.linear(
        values, slope, functional.linear(bias.flatten(), layer.weight, layer.bias)
    )
