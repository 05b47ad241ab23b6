"""One layer of a decoder: attention of query groups to the tokens before, then a feed-forward block.

In:  hidden vectors (…, length, width), and what all layers share of where tokens are (`Sight`).
Out: the same shape, and where a cache is read the keys and values that are to be written to it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.models.decoder_shape import DecoderLayerShape, DecoderShape
from edgewright.models.linear_maps import optional_linear
from edgewright.models.token_positions import Rotation, turned
from edgewright.models.transformer_shape import ACTIVATIONS

SILU = "silu"
Module = TypeVar("Module", bound=nn.Module)
KeysValues = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a run's layers share: how queries and keys are turned, and what is added to scores, by a layer's window.

    `rotation` is of (…, length, 1, half a head's width). `own` (…, 1, length × queries, length) is added to the scores
    between the tokens of this run; None where there is but one. `past` (1 or length × queries, context) is added to
    those of what is in the cache.
    """

    rotation: Rotation | None = None
    own: Mapping[int, Tensor | None]
    past: Mapping[int, Tensor] | None = None


class RootMeanSquareNorm(nn.Module):
    """Vectors over the root of their mean square (Zhang and Sennrich 2019), times a weight for each dimension.

    Spelt out in operators that every runtime has.
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, width) → the same."""
        return self.weight * (hidden * torch.rsqrt((hidden * hidden).mean(dim=-1, keepdim=True) + self.eps))


class ProductNorm(RootMeanSquareNorm):
    """The same with a product for the mean, which XNNPACK takes where it takes no mean."""

    def __init__(self, norm: RootMeanSquareNorm) -> None:
        width = norm.weight.shape[0]
        super().__init__(width, norm.eps)
        self.weight = norm.weight
        self.register_buffer("share", torch.full((width, 1), 1 / width), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """(…, width) → the same."""
        if hidden.dtype != torch.float32:  # sums of float16 are to be those of the mean
            return super().forward(hidden)
        return self.weight * (hidden * torch.rsqrt(torch.matmul(hidden * hidden, cast(Tensor, self.share)) + self.eps))


def with_product_norms(module: Module) -> Module:
    """A copy that shares its weights, with a `ProductNorm` in place of each norm over the root of the mean square."""
    weights = [*module.parameters(), *module.buffers()]
    same = copy.deepcopy(module, {id(each): each for each in weights})
    for name, part in list(same.named_modules()):
        if type(part) is RootMeanSquareNorm:
            same.set_submodule(name, ProductNorm(part))
    return same


def norm_of(shape: DecoderShape) -> nn.Module:
    """A norm of the model's kind over its residual stream."""
    if shape.norm == "rms":
        return RootMeanSquareNorm(shape.width, shape.norm_epsilon)
    return nn.LayerNorm(shape.width, eps=shape.norm_epsilon)


class DecoderLayer(nn.Module):
    """Attention, then a feed-forward block, each normalised before and added to the residual stream."""

    def __init__(self, shape: DecoderShape, layer: DecoderLayerShape) -> None:
        super().__init__()
        self.shape, self.head_width, self.queries, self.gated = layer, shape.head_width, shape.queries, shape.gated
        self.activation = activation_of(shape.activation)
        inner = layer.groups * shape.queries * shape.head_width

        def matrix(name: str, inputs: int, outputs: int) -> nn.Module | None:
            return optional_linear(inputs, outputs, layer.ranks.get(name), biased=name in layer.biased)

        if layer.groups:
            self.attention_norm = norm_of(shape)
            rows = inner + 2 * layer.groups * shape.head_width
            self.query_key_value = cast(nn.Module, matrix("query_key_value", shape.width, rows))
            if shape.head_norm_epsilon is not None:
                self.query_norm = RootMeanSquareNorm(shape.head_width, shape.head_norm_epsilon)
                self.key_norm = RootMeanSquareNorm(shape.head_width, shape.head_norm_epsilon)
        self.attention_output = matrix("attention_output", inner, shape.width)
        if layer.neurons:
            self.feed_forward_norm = norm_of(shape)
            self.up = cast(nn.Module, matrix("up", shape.width, layer.neurons * (2 if shape.gated else 1)))
        self.down = matrix("down", layer.neurons, shape.width)

    def forward(self, hidden: Tensor, sight: Sight) -> Tensor:
        """(…, length, width) → the same: all tokens of texts from their beginning."""
        return self.with_feed_forward(self.with_attention(hidden, self.attended(hidden, sight)))

    def attended(self, hidden: Tensor, sight: Sight) -> Tensor | None:
        """What `attention_output` reads: (…, length, heads × head_width); None where no group is left."""
        if not self.shape.groups:
            return None
        query, key, value = self.queries_keys_values(hidden, sight.rotation)
        scores = _biased(torch.matmul(query, key.transpose(-2, -1)), sight.own[self.shape.window])
        return self.joined(torch.matmul(scores.softmax(dim=-1), value))

    def advanced(self, hidden: Tensor, sight: Sight, cached: KeysValues) -> tuple[Tensor, KeysValues]:
        """(length, width) of one text whose beginning is `cached`, (groups, context, head_width) each.

        Gives what `attention_output` reads, and the keys and values of these tokens, (groups, length, head_width) each.
        """
        query, key, value = self.queries_keys_values(hidden, sight.rotation)
        keys, values = cached
        window, context = self.shape.window, keys.shape[-2]
        assert sight.past is not None
        past = _biased(torch.matmul(query, keys.transpose(-2, -1)), sight.past[window])
        own = _biased(torch.matmul(query, key.transpose(-2, -1)), sight.own[window])
        weights = torch.cat([past, own], dim=-1).softmax(dim=-1)
        mixed = torch.matmul(weights[..., :context], values) + torch.matmul(weights[..., context:], value)
        return self.joined(mixed), (key, value)

    def projected(self, hidden: Tensor) -> Tensor:
        """(length, width) → queries, keys and values beside each other, before they are turned and scaled."""
        projected: Tensor = self.query_key_value(self.attention_norm(hidden))
        if not hasattr(self, "query_norm"):
            return projected
        heads = projected.view(-1, projected.shape[-1] // self.head_width, self.head_width)
        groups = self.shape.groups
        query, key, value = heads.split([groups * self.queries, groups, groups], dim=-2)
        return torch.cat([self.query_norm(query), self.key_norm(key), value], dim=-2).view(-1, projected.shape[-1])

    def queries_keys_values(self, hidden: Tensor, rotation: Rotation | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (…, groups, length × queries, head_width), scaled; keys and values (…, groups, length, head_width).

        A group's rows are those of the first token, one for each query head, then of the second, and so on.
        """
        groups, width = self.shape.groups, self.head_width
        projected = self.query_key_value(self.attention_norm(hidden))
        *batch, _, inner = projected.shape
        # Lengths are left to be found, because XNNPACK takes no reshape to a size that has a name.
        heads = projected.view(*batch, -1, inner // width, width)
        query, key, value = heads.split([groups * self.queries, groups, groups], dim=-2)
        if hasattr(self, "query_norm"):
            query, key = self.query_norm(query), self.key_norm(key)
        if rotation is not None:
            query, key = turned(query, rotation), turned(key, rotation)
        rows = (query * width**-0.5).reshape(*batch, -1, groups, self.queries * width)
        return (
            rows.transpose(-3, -2).reshape(*batch, groups, -1, width),
            key.transpose(-3, -2),
            value.transpose(-3, -2),
        )

    def rows_of(self, groups: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """The rows of `query_key_value` that make these groups' queries, keys and values."""
        chosen, width = torch.as_tensor(list(groups), dtype=torch.long), self.head_width
        inner = self.shape.groups * self.queries * width
        keys = ((chosen * width)[:, None] + torch.arange(width)).flatten()
        wide = self.queries * width
        queries = ((chosen * wide)[:, None] + torch.arange(wide)).flatten()
        return queries, keys + inner, keys + inner + self.shape.groups * width

    def joined(self, mixed: Tensor) -> Tensor:
        """(…, groups, length × queries, head_width) → (…, length, heads × head_width)."""
        *batch, groups, _, width = mixed.shape
        wide = self.queries * width
        return mixed.reshape(*batch, groups, -1, wide).transpose(-3, -2).reshape(*batch, -1, groups * wide)

    def with_attention(self, hidden: Tensor, attended: Tensor | None) -> Tensor:
        """The residual stream after attention."""
        return _added(hidden, self.attention_output, attended)

    def activated(self, hidden: Tensor) -> Tensor | None:
        """What `down` reads: (…, length, neurons); None where no neuron is left."""
        if not self.shape.neurons:
            return None
        raised: Tensor = self.up(self.feed_forward_norm(hidden))
        if not self.gated:
            return self.activation(raised)
        neurons = self.shape.neurons  # slices, because XNNPACK takes them where it takes no split
        return self.activation(raised[..., :neurons]) * raised[..., neurons:]

    def with_feed_forward(self, hidden: Tensor) -> Tensor:
        """The residual stream after the feed-forward block: the layer's output."""
        return _added(hidden, self.down, self.activated(hidden))


def activation_of(name: str) -> Callable[[Tensor], Tensor]:
    """The function of this name in transformers' configurations."""
    if name == SILU:
        return functional.silu
    approximation = ACTIVATIONS[name]
    if approximation == "relu":
        return functional.relu
    return lambda raised: functional.gelu(raised, approximate=approximation)


def _biased(scores: Tensor, bias: Tensor | None) -> Tensor:
    return scores if bias is None else scores + bias.to(scores.dtype)  # masks are float32, also in a model of float16


def _added(hidden: Tensor, part: nn.Module | None, read: Tensor | None) -> Tensor:
    """The stream with what a part makes of what it reads; one that reads nothing adds its bias, if it has one."""
    if part is None:
        return hidden
    added: Tensor = part(hidden if read is None else read)
    return hidden + added
