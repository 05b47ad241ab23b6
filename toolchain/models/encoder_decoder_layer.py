"""One layer of an encoder-decoder's encoder or decoder: attention, in a decoder to the source, too, and feed-forward.

In:  hidden vectors (…, length, width), what is added to scores, and in a decoder the source's keys and values.
Out: the same shape, and where a cache is read the keys and values that are to be written to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from edgewright.models.decoder_layer import KeysValues, RootMeanSquareNorm, activation_of
from edgewright.models.encoder_decoder_shape import EncoderDecoderShape, StackCut, StackLayerShape
from edgewright.models.linear_maps import copy_linear, copy_norm


class StackLayer(nn.Module):
    """Attention, attention to the source and a feed-forward block, each normalised before and added to the stream.

    Scores are not divided by the root of a head's width, which T5 leaves to its weights. Nothing has a bias.
    """

    def __init__(self, shape: EncoderDecoderShape, layer: StackLayerShape) -> None:
        super().__init__()
        self.shape, self.head_width, self.gated = layer, shape.head_width, shape.gated
        self.selects = layer.relative != tuple(range(shape.relative_heads))
        self.activation = activation_of(shape.activation)
        width, inner, cross = shape.width, layer.heads * shape.head_width, layer.cross_heads * shape.head_width
        if layer.heads:
            self.attention_norm = RootMeanSquareNorm(width, shape.norm_epsilon)
            self.query_key_value = nn.Linear(width, 3 * inner, bias=False)
            self.attention_output = nn.Linear(inner, width, bias=False)
        if layer.cross_heads:
            self.cross_norm = RootMeanSquareNorm(width, shape.norm_epsilon)
            self.cross_query = nn.Linear(width, cross, bias=False)
            self.cross_key_value = nn.Linear(width, 2 * cross, bias=False)
            self.cross_output = nn.Linear(cross, width, bias=False)
        if layer.neurons:
            self.feed_forward_norm = RootMeanSquareNorm(width, shape.norm_epsilon)
            self.up = nn.Linear(width, layer.neurons * (2 if shape.gated else 1), bias=False)
            self.down = nn.Linear(layer.neurons, width, bias=False)

    def forward(
        self, hidden: Tensor, bias: Tensor, source: KeysValues | None = None, seen: Tensor | None = None
    ) -> Tensor:
        """(…, length, width) → the same: all tokens of texts from their beginning.

        `bias` (…, relative heads, length, length) is added to scores. `source` are keys and values of `keys_values`,
        and `seen` (…, 1, 1, source length) is added to their scores.
        """
        hidden = self.with_attention(hidden, self.attended(hidden, bias))
        if source is not None:
            hidden = self.with_source(hidden, self.source_attended(hidden, source, seen))
        return self.with_feed_forward(hidden)

    def attended(self, hidden: Tensor, bias: Tensor) -> Tensor | None:
        """What `attention_output` reads, (…, length, heads × head_width); None where no head is left."""
        if not self.shape.heads:
            return None
        query, key, value = self.parted(self.query_key_value(self.attention_norm(hidden)), 3)
        scores = torch.matmul(query, key.transpose(-2, -1)) + self.own(bias)
        return joined(torch.matmul(scores.softmax(dim=-1), value))

    def advanced(self, hidden: Tensor, past: Tensor, own: Tensor, cached: KeysValues) -> tuple[Tensor, KeysValues]:
        """(length, width) of one text whose beginning is `cached`, (heads, context, head_width) each.

        `past` (relative heads, length, context) and `own` (relative heads, length, length) are added to scores. Gives
        what `attention_output` reads, and the keys and values of these tokens, (heads, length, head_width) each.
        """
        query, key, value = self.parted(self.query_key_value(self.attention_norm(hidden)), 3)
        keys, values = cached
        before = torch.matmul(query, keys.transpose(-2, -1)) + self.own(past)
        among = torch.matmul(query, key.transpose(-2, -1)) + self.own(own)
        weights, context = torch.cat([before, among], dim=-1).softmax(dim=-1), keys.shape[-2]
        mixed = torch.matmul(weights[..., :context], values) + torch.matmul(weights[..., context:], value)
        return joined(mixed), (key, value)

    def keys_values(self, encoded: Tensor) -> KeysValues:
        """The encoder's output (…, source length, width) → what this layer reads of it.

        Keys are (…, cross heads, head_width, source length), as scores are made by them; values (…, cross heads, source
        length, head_width).
        """
        key, value = self.parted(self.cross_key_value(encoded), 2)
        return key.transpose(-2, -1), value

    def source_attended(self, hidden: Tensor, source: KeysValues, seen: Tensor | None) -> Tensor | None:
        """What `cross_output` reads, (…, length, cross heads × head_width); None where no head is left."""
        if not self.shape.cross_heads:
            return None
        (query,) = self.parted(self.cross_query(self.cross_norm(hidden)), 1)
        keys, values = source
        scores = torch.matmul(query, keys)
        if seen is not None:
            scores = scores + seen
        return joined(torch.matmul(scores.softmax(dim=-1), values))

    def activated(self, hidden: Tensor) -> Tensor | None:
        """What `down` reads, (…, length, neurons); None where no neuron is left."""
        if not self.shape.neurons:
            return None
        raised: Tensor = self.up(self.feed_forward_norm(hidden))
        if not self.gated:
            return self.activation(raised)
        neurons = self.shape.neurons
        return self.activation(raised[..., :neurons]) * raised[..., neurons:]

    def with_attention(self, hidden: Tensor, attended: Tensor | None) -> Tensor:
        """The residual stream after attention."""
        return hidden if attended is None else hidden + self.attention_output(attended)

    def with_source(self, hidden: Tensor, attended: Tensor | None) -> Tensor:
        """The residual stream after attention to the source."""
        return hidden if attended is None else hidden + self.cross_output(attended)

    def with_feed_forward(self, hidden: Tensor) -> Tensor:
        """The residual stream after the feed-forward block: the layer's output."""
        activated = self.activated(hidden)
        return hidden if activated is None else hidden + self.down(activated)

    def own(self, bias: Tensor) -> Tensor:
        """The biases of this layer's heads, of those of its side, (…, heads, rows, columns)."""
        if not self.selects:
            return bias
        return bias.index_select(-3, torch.tensor(self.shape.relative, device=bias.device))

    def parted(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        """(…, length, parts × heads × head_width) → as many of (…, heads, length, head_width)."""
        *batch, _, inner = projected.shape
        # Lengths are left to be found, because XNNPACK takes no reshape to a size that has a name.
        heads = projected.view(*batch, -1, inner // self.head_width, self.head_width).transpose(-3, -2)
        return heads.chunk(parts, dim=-3)

    def fill(self, source: StackLayer, cut: StackCut, kept: Tensor | None) -> None:
        """Take what `cut` keeps of another layer's weights; `kept` are the residual dimensions that stay."""
        if cut.heads:
            rows = _rows(cut.heads, self.head_width)
            copy_norm(source.attention_norm, self.attention_norm, kept)
            of_all = _each_part(rows, 3, source.shape.heads * self.head_width)
            copy_linear(source.query_key_value, self.query_key_value, inputs=kept, outputs=of_all)
            copy_linear(source.attention_output, self.attention_output, inputs=rows, outputs=kept)
        if cut.cross_heads:
            rows = _rows(cut.cross_heads, self.head_width)
            of_both = _each_part(rows, 2, source.shape.cross_heads * self.head_width)
            copy_norm(source.cross_norm, self.cross_norm, kept)
            copy_linear(source.cross_query, self.cross_query, inputs=kept, outputs=rows)
            copy_linear(source.cross_key_value, self.cross_key_value, inputs=kept, outputs=of_both)
            copy_linear(source.cross_output, self.cross_output, inputs=rows, outputs=kept)
        if cut.neurons:
            neurons = torch.as_tensor(cut.neurons, dtype=torch.long)
            raised = _each_part(neurons, 2 if self.gated else 1, source.shape.neurons)
            copy_norm(source.feed_forward_norm, self.feed_forward_norm, kept)
            copy_linear(source.up, self.up, inputs=kept, outputs=raised)
            copy_linear(source.down, self.down, inputs=neurons, outputs=kept)


def joined(mixed: Tensor) -> Tensor:
    """(…, heads, length, head_width) → (…, length, heads × head_width)."""
    *batch, heads, _, width = mixed.shape
    return mixed.transpose(-3, -2).reshape(*batch, -1, heads * width)


def _rows(heads: Sequence[int], width: int) -> Tensor:
    """The rows of a matrix that make these heads."""
    chosen = torch.as_tensor(list(heads), dtype=torch.long)
    return ((chosen * width)[:, None] + torch.arange(width)).flatten()


def _each_part(rows: Tensor, parts: int, size: int) -> Tensor:
    """The same rows of several matrices of that size that lie one behind another."""
    return torch.cat([rows + part * size for part in range(parts)])
