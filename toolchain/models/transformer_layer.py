"""One layer of a transformer: attention, then a feed-forward block, each of its own sizes.

In:  hidden vectors (…, length, width) and what attention is told of where tokens are (`token_positions`).
Out: the same shape; `ReadingLayer` gives the first tokens alone, for a last layer of which no more is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.models.linear_maps import linear, rows_of
from edgewright.models.token_positions import Bias, Places, placed, turned
from edgewright.models.transformer_shape import ACTIVATIONS, LayerShape, TransformerShape


class TransformerLayer(nn.Module):
    """Attention, then a feed-forward block, each added to the residual stream.

    Normalised after each sum (Devlin et al. 2019), or before each part with `norm_first`.
    """

    def __init__(self, shape: TransformerShape, layer: LayerShape) -> None:
        super().__init__()
        inner = layer.heads * layer.head_width
        self.shape, self.norm_first, self.gated = layer, shape.norm_first, shape.gated
        self.approximation = ACTIVATIONS[shape.activation]
        if inner:
            self.query_key_value = linear(shape.width, 3 * inner, layer.ranks.get("query_key_value"))
            if layer.relative:
                self.register_buffer("relative", torch.tensor(layer.relative), persistent=False)
            if layer.distances:
                self.distance_keys = nn.Parameter(torch.zeros(layer.heads, layer.distances, layer.head_width))
                self.distance_queries = nn.Parameter(torch.zeros(layer.heads, layer.distances, layer.head_width))
        self.attention_output = linear(inner, shape.width, layer.ranks.get("attention_output"))
        self.attention_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon) if layer.normed else nn.Identity()
        if layer.neurons:
            self.up = linear(shape.width, layer.neurons * (2 if shape.gated else 1), layer.ranks.get("up"))
        self.down = linear(layer.neurons, shape.width, layer.ranks.get("down"))
        self.feed_forward_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)

    def forward(self, hidden: Tensor, bias: Bias) -> Tensor:
        """(…, length, width) → the same; `bias` (…, 1, 1, length), or what it holds, is added to the scores."""
        hidden = self.with_attention(hidden, self.attended(hidden, bias))
        return self.with_feed_forward(hidden, self.activated(hidden))

    def attended(self, hidden: Tensor, bias: Bias) -> Tensor:
        """What `attention_output` reads: (…, length, heads × head_width), or `hidden` where no head is left.

        Spelt out, because PyTorch's fused attention takes twice as long to train with on a CPU at such lengths: a `bmm`
        over the heads of all texts, the operator that the runtimes on devices have fast kernels for.
        """
        if not self.shape.heads:
            return hidden
        *batch, _, _ = hidden.shape
        heads, width = self.shape.heads, self.shape.head_width
        places = placed(bias)
        query, key, value = self.queries_keys_values(hidden)
        if places.turns is not None:
            rotation = places.turns[self.shape.local]
            cosines, sines = self.asking(rotation)
            query, key = turned(query, (cosines, sines)), turned(key, rotation)
        added = self.added(query, key, places)
        if batch:
            query, key, value = (each.reshape(batch[0] * heads, -1, width) for each in (query, key, value))
            if added is not None:
                whole = added.expand(-1, heads, -1, -1) if added.ndim == 4 else added.expand(*batch, heads, -1, -1)
                added = whole.flatten(0, 1)
        scores = torch.bmm(query * width**-0.5, key.transpose(-2, -1))
        if added is not None:
            scores = scores + added.to(scores.dtype)  # masks are float32, also in a model of float16
        mixed = torch.bmm(scores.softmax(dim=-1), value)
        if batch:
            mixed = mixed.view(*batch, heads, -1, width)
        return mixed.transpose(-3, -2).reshape(*batch, -1, heads * width)

    def added(self, query: Tensor, key: Tensor, places: Places) -> Tensor | None:
        """What is added to the scores, (…, heads or 1, queries or 1, length), of vectors (…, heads, length, width)."""
        bias = places.local if self.shape.local else places.bias
        if bias is not None:
            (bias,) = self.asking((bias,))
            if self.shape.relative and len(self.shape.relative) < bias.shape[-3]:
                bias = bias.index_select(-3, cast(Tensor, self.relative))
        if places.distances is None:
            return bias
        found = self.by_distance(query, key, places.distances)
        return found if bias is None else found + bias

    def by_distance(self, query: Tensor, key: Tensor, distances: Tensor) -> Tensor:
        """What queries say to distances, and keys to them, (…, heads, queries, length) (He et al. 2021, DeBERTa)."""
        query = query * self.shape.head_width**-0.5
        (rows,) = self.asking((distances,))
        asked = torch.matmul(query, self.distance_keys.transpose(-2, -1))
        answered = torch.matmul(key, self.distance_queries.transpose(-2, -1))
        sizes = asked.shape[:-2]
        from_queries = asked.gather(-1, rows.expand(*sizes, -1, -1))
        from_keys = answered.gather(-1, rows.T.expand(*sizes, -1, -1))
        return from_queries + from_keys.transpose(-2, -1)

    def asking(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The rows of those tokens that ask, of tensors (…, length or 1, anything): all."""
        return tuple(tensors)

    def queries_keys_values(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Three times (…, heads, length, head_width), of a layer's input."""
        query, key, value = self.by_head(self.query_key_value(self.attention_input(hidden)))
        return query, key, value

    def by_head(self, projected: Tensor) -> tuple[Tensor, ...]:
        """(…, length, n × heads × head_width) → n times (…, heads, length, head_width)."""
        *batch, _, inner = projected.shape
        # The length is left to be found, because XNNPACK takes no reshape to a size that has a name.
        each = projected.view(*batch, -1, inner // self.shape.head_width, self.shape.head_width).transpose(-3, -2)
        # LiteRT's converter knows no split that leaves one part.
        return (each,) if each.shape[-3] == self.shape.heads else each.split(self.shape.heads, dim=-3)

    def with_attention(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """The residual stream after attention."""
        summed: Tensor = hidden + self.attention_output(attended)
        return summed if self.norm_first else self.attention_norm(summed)

    def activated(self, hidden: Tensor) -> Tensor:
        """What `down` reads: (…, length, neurons), or `hidden` where no neuron is left."""
        if not self.shape.neurons:
            return hidden
        raised: Tensor = self.up(self.feed_forward_input(hidden))
        if not self.gated:
            return self._activation(raised)
        first, second = raised.chunk(2, dim=-1)
        return self._activation(first) * second

    def _activation(self, raised: Tensor) -> Tensor:
        if self.approximation == "relu":
            return functional.relu(raised)
        return functional.gelu(raised, approximate=self.approximation)

    def up_rows(self, neurons: Tensor) -> Tensor:
        """The rows of `up` that make these neurons."""
        return torch.cat([neurons, neurons + self.shape.neurons]) if self.gated else neurons

    def with_feed_forward(self, hidden: Tensor, activated: Tensor) -> Tensor:
        """The residual stream after the feed-forward block: the layer's output."""
        summed: Tensor = hidden + self.down(activated)
        return summed if self.norm_first else self.feed_forward_norm(summed)

    def attention_input(self, hidden: Tensor) -> Tensor:
        """What `query_key_value` reads."""
        return cast(Tensor, self.attention_norm(hidden)) if self.norm_first else hidden

    def feed_forward_input(self, hidden: Tensor) -> Tensor:
        """What `up` reads."""
        return cast(Tensor, self.feed_forward_norm(hidden)) if self.norm_first else hidden


class ReadingLayer(TransformerLayer):
    """A last layer of which only the first `read` tokens are read: it says the same of those, and computes no others.

    All tokens are looked at, as keys and values, but only those that are read ask, and go on from there. It is made
    to be run, from a whole layer whose parts it shares; it cannot be cut or saved.
    """

    def __init__(self, whole: TransformerLayer, read: int) -> None:
        nn.Module.__init__(self)
        self.shape, self.norm_first, self.gated = whole.shape, whole.norm_first, whole.gated
        self.approximation, self.read = whole.approximation, read
        for name, part in whole.named_children():
            if name != "query_key_value":
                self.add_module(name, part)
        for name, values in whole.named_parameters(recurse=False):
            self.register_parameter(name, values)
        for name, buffer in whole.named_buffers(recurse=False):
            self.register_buffer(name, buffer, persistent=False)
        inner = whole.shape.heads * whole.shape.head_width
        if inner:
            self.queries = rows_of(whole.query_key_value, slice(0, inner))
            self.keys_values = rows_of(whole.query_key_value, slice(inner, 3 * inner))

    def forward(self, hidden: Tensor, bias: Bias) -> Tensor:
        """(…, length, width) → (…, read, width)."""
        read = self.with_attention(self._first(hidden), self.attended(hidden, bias))
        return self.with_feed_forward(read, self.activated(read))

    def attended(self, hidden: Tensor, bias: Bias) -> Tensor:
        """As a whole layer's, (…, read, heads × head_width)."""
        return super().attended(hidden if self.shape.heads else self._first(hidden), bias)

    def queries_keys_values(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As a whole layer's, with queries of the first tokens alone."""
        normed = self.attention_input(hidden)
        (query,) = self.by_head(self.queries(self._first(normed)))
        key, value = self.by_head(self.keys_values(normed))
        return query, key, value

    def asking(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The first rows; one row that is all tokens' stays as it is."""
        return tuple(each if each.shape[-2] == 1 else self._first(each) for each in tensors)

    def _first(self, hidden: Tensor) -> Tensor:
        return hidden[..., : self.read, :]
