"""Temporal Fusion Transformer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from regimecast.core.batch import Batch
from regimecast.core.types import DataSpec
from regimecast.networks.gated import (
    GatedResidual,
    GatedSkip,
    VariableSelection,
    embedding_parameter,
)

__all__ = ["TFTNetwork"]


class TFTNetwork(nn.Module):
    """Selects variables, reads them with an LSTM, then lets every step ahead attend to the past.

    Lim et al. (2021), https://arxiv.org/abs/1912.09363; equation numbers are the paper's. Its
    functions and its dropout are kept and only computed in another order. With the weights of
    neuralforecast's network it gives the same forecasts and gradients, which a test holds. What
    the paper leaves open:

    - Embeddings are linear without a hidden layer, known channels have the same before and after
      the origin, and the last gate has no dropout, all as in the authors' code.
    - Dropout is once before each other gate. The authors' code also drops units of every head and
      of the attention's output; neuralforecast drops none of the LSTM's output and of the shares'.
    - Attention, and all after it, is computed for the steps ahead only; nothing reads the others.
    - Without known channels the paper has no input ahead: each step gets a learnt vector, where
      neuralforecast repeats the last value of the history.
    - Without static channels there are no contexts, and the memory starts at zero.
    - A stack of LSTM layers starts from the same contexts in every layer.

    Args:
        spec: shapes and channel names.
        n_outputs: P, numbers per step.
        hidden_size: width of every part; a multiple of `heads`.
        heads: attention heads.
        layers: LSTM layers of encoder and decoder.
        dropout: share of units dropped before each gate but the last.
        attention_dropout: share of attention weights dropped.
    """

    def __init__(
        self,
        *,
        spec: DataSpec,
        n_outputs: int,
        hidden_size: int,
        heads: int,
        layers: int,
        dropout: float,
        attention_dropout: float,
    ) -> None:
        super().__init__()
        self.context_length = spec.context_length
        constant, known = len(spec.static), len(spec.known)
        context = constant > 0
        self.static_embedding = embedding_parameter(constant, hidden_size) if context else None
        self.past_embedding = embedding_parameter(len(spec.past), hidden_size)
        self.known_embedding = embedding_parameter(known, hidden_size) if known else None
        self.static = VariableSelection(constant, hidden_size, dropout) if context else None
        self.contexts = nn.ModuleDict(
            {
                use: GatedResidual(hidden_size, dropout)
                for use in ("selection", "enrichment", "hidden", "cell")
                # A single variable is not selected.
                if context and (use != "selection" or len(spec.past) + known > 1)
            }
        )
        self.past = VariableSelection(len(spec.past) + known, hidden_size, dropout, context=context)
        self.ahead = (
            VariableSelection(known, hidden_size, dropout, context=context) if known else None
        )
        if not known:
            self.step = nn.Parameter(0.02 * torch.randn(spec.horizon, hidden_size))
        self.encoder = nn.LSTM(hidden_size, hidden_size, layers, batch_first=True)
        self.decoder = nn.LSTM(hidden_size, hidden_size, layers, batch_first=True)
        self.recurrent_skip = GatedSkip(hidden_size, dropout)
        self.enrich = GatedResidual(hidden_size, dropout, context=context)
        self.attention = _SharedValueAttention(hidden_size, heads, attention_dropout)
        self.attention_skip = GatedSkip(hidden_size, dropout)
        self.feed_forward = GatedResidual(hidden_size, dropout)
        self.final_skip = GatedSkip(hidden_size, 0.0)
        self.head = nn.Linear(hidden_size, n_outputs)

    def forward(self, batch: Batch) -> Float[Tensor, "B H P"]:
        """Numbers for every step ahead."""
        context = self._contexts(batch)
        past, ahead, _ = self._selected(batch, context.get("selection"))
        start = None
        if "hidden" in context:
            shape = (self.encoder.num_layers, -1, -1)
            start = (
                context["hidden"].expand(shape).contiguous(),
                context["cell"].expand(shape).contiguous(),
            )
        read, memory = self.encoder(past, start)
        written, _ = self.decoder(ahead, memory)
        temporal = self.recurrent_skip(
            torch.cat([read, written], dim=1), torch.cat([past, ahead], dim=1)
        )
        enrichment = context.get("enrichment")
        enriched = self.enrich(temporal, None if enrichment is None else enrichment[:, None])
        length = self.context_length
        attended = self.attention_skip(
            self.attention(enriched, len(enriched[0]) - length), enriched[:, length:]
        )
        output: Tensor = self.head(
            self.final_skip(self.feed_forward(attended), temporal[:, length:])
        )
        return output

    def variable_weights(self, batch: Batch) -> dict[str, Float[Tensor, " V"]]:
        """Mean share of each channel by kind: ``past`` (past, then known), ``ahead``, ``static``.

        Shares are in the order of the spec's channels and sum to 1 within a kind (section 7.1). A
        kind without channels is left out.
        """
        with torch.no_grad():
            shares = self._selected(batch, self._contexts(batch).get("selection"))[2]
            if self.static is not None:
                shares["static"] = self.static(batch.static[:, None], self.static_embedding)[1]
        return {kind: share.mean(dim=(0, 1)) for kind, share in shares.items()}

    def _contexts(self, batch: Batch) -> dict[str, Float[Tensor, "B D"]]:
        """Contexts from the static channels, by use (section 4.3)."""
        if self.static is None:
            return {}
        selected = self.static(batch.static[:, None], self.static_embedding)[0][:, 0]
        return {use: network(selected) for use, network in self.contexts.items()}

    def _selected(
        self, batch: Batch, context: Float[Tensor, "B D"] | None
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B H D"], dict[str, Tensor]]:
        length = self.context_length
        if self.ahead is None or self.known_embedding is None:
            past, share = self.past(batch.past, self.past_embedding, context)
            return past, self.step.expand(len(past), -1, -1), {"past": share}
        channels = torch.cat([batch.past, batch.known[:, :length]], dim=-1)
        embedding = torch.cat([self.past_embedding, self.known_embedding], dim=1)
        past, share = self.past(channels, embedding, context)
        ahead, share_ahead = self.ahead(batch.known[:, length:], self.known_embedding, context)
        return past, ahead, {"past": share, "ahead": share_ahead}


class _SharedValueAttention(nn.Module):
    """Causal attention whose heads share their values and are averaged (eq. 13-16)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width // heads, bias=False)
        self.merge = nn.Linear(width // heads, width, bias=False)

    def forward(self, tokens: Float[Tensor, "B T D"], last: int) -> Float[Tensor, "B last D"]:
        """What each of the last tokens finds at itself and before."""
        length = tokens.shape[1]
        query = self.query(tokens[:, -last:]).unflatten(2, (self.heads, -1)).transpose(1, 2)
        key = self.key(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)
        value = self.value(tokens)[:, None].expand(-1, self.heads, -1, -1)
        seen = torch.ones(last, length, dtype=torch.bool, device=tokens.device)
        mixed = functional.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=seen.tril(length - last),
            dropout_p=self.dropout if self.training else 0.0,
        )
        merged: Tensor = self.merge(mixed.mean(1))
        return merged
