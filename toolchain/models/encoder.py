"""Encoder transformers of texts (those of `layouts.TEXT`): how one is fed, sliced and made smaller.

In:  sizes, and weights: `loading` reads those of a Hugging Face model.
Out: an `Encoder`: the network in plain PyTorch, with the constant token type folded into the position table and
     positions counted from 0, so that what is exported has no operator the model does not need.
Which parts to keep is `compress`'s decision; pooling and class heads are `model`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.models.linear_maps import copy_linear, copy_norm, taken
from edgewright.models.token_positions import (
    MASKED,
    RELATIVE_BUCKETS,
    Bias,
    Places,
    Rotation,
    apart,
    relative_buckets,
    rotations,
    window,
)
from edgewright.models.transformer import Transformer
from edgewright.models.transformer_shape import TransformerShape


@dataclass(frozen=True, kw_only=True)
class EncoderShape(TransformerShape):
    """Every size of an `Encoder`; together with the weights it is the whole model.

    Embeddings of another `embedding_width` than the model's are projected to it (Clark et al. 2020, ELECTRA); None
    is the model's own. A token table of low rank is the product of (vocabulary, `token_rank`) and a small matrix.

    Where tokens are is told by a table of `absolute` positions, by biases for as many heads as `relative_heads`
    (MPNet), by turning queries and keys with `thetas` of layers that look everywhere and nearby (ModernBERT), by each
    layer's tables of distances (DeBERTa), or by several of these. Layers that look nearby see `reach` tokens to either
    side. With `projected_first` embeddings are projected before their norm, without a bias. A `closed` stack ends with
    a norm.
    """

    vocabulary: int
    positions: int
    embedding_width: int | None = None
    token_rank: int | None = None
    absolute: bool = True
    relative_heads: int = 0
    thetas: tuple[float, float] | None = None
    reach: int = 0
    projected_first: bool = False
    closed: bool = False

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`."""
        thetas = values.get("thetas")
        return super().from_mapping({**values, "thetas": tuple(thetas) if thetas else None})

    @property
    def rotary(self) -> bool:
        """Whether queries and keys are turned by their tokens' places."""
        return self.thetas is not None

    def cut_at(self, positions: int) -> Self:
        """The same for texts of at most `positions` tokens."""
        positions = min(positions, self.positions)
        rows = 2 * positions - 1
        layers = tuple(replace(each, distances=rows if each.distances else 0) for each in self.layers)
        return replace(self, positions=positions, layers=layers)

    @property
    def by_distance(self) -> bool:
        """Whether layers have tables of distances."""
        return any(layer.distances for layer in self.layers)


class Encoder(Transformer):
    """Token ids to one hidden vector a token."""

    shape: EncoderShape
    family = "encoder"

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__(shape)
        width = shape.embedding_width or shape.width
        self.tokens = nn.Embedding(shape.vocabulary, shape.token_rank or width)
        if shape.token_rank:  # what all tokens share lies in the positions where there are any
            self.token_projection = nn.Linear(shape.token_rank, width, bias=not shape.absolute)
        if shape.absolute:
            self.positions = nn.Embedding(shape.positions, width)
        self.embedding_norm = nn.LayerNorm(shape.width if shape.projected_first else width, eps=shape.norm_epsilon)
        if shape.embedding_width:
            self.embedding_projection = nn.Linear(width, shape.width, bias=not shape.projected_first)
        if shape.closed:
            self.closing_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        if shape.relative_heads:
            self.relative = nn.Parameter(torch.zeros(RELATIVE_BUCKETS, shape.relative_heads))
            self._constant("relative_buckets", relative_buckets(shape.positions))
        if shape.thetas and shape.layers:
            for name, theta in zip(("everywhere", "nearby"), shape.thetas, strict=True):
                cosines, sines = rotations(theta, shape.layers[0].head_width, shape.positions)
                self._constant(f"{name}_cosines", cosines)
                self._constant(f"{name}_sines", sines)

    def _constant(self, name: str, values: Tensor) -> None:
        """A tensor that follows from the shape, and is not saved."""
        self.register_buffer(name, values, persistent=False)

    def embedded(self, *inputs: Tensor | None) -> Tensor:
        """ids (…, length) → token and position vectors, added and normalised: (…, length, width)."""
        ids = inputs[0]
        assert ids is not None
        embedded: Tensor = self.tokens(ids)
        if self.shape.token_rank:
            embedded = self.token_projection(embedded)
        if self.shape.absolute:
            embedded = embedded + self.positions(self.places(*inputs))
        if self.shape.embedding_width and self.shape.projected_first:
            embedded = self.embedding_projection(embedded)
        embedded = self.embedding_norm(embedded)
        if self.shape.embedding_width and not self.shape.projected_first:
            embedded = self.embedding_projection(embedded)
        return embedded

    def places(self, *inputs: Tensor | None) -> Tensor:
        """The place of each token, (length,), or (…, length) while a text that may be filled up is exported.

        Tables are looked up by it, not sliced, so that they can be held in int8. Of fixed lengths a converter would
        make a float constant for each; that an id might be below 0, which none is, keeps it from that.
        """
        ids = inputs[0]
        assert ids is not None
        places = torch.arange(ids.shape[-1], device=ids.device)
        if torch.compiler.is_exporting() and self.mask(*inputs) is not None:
            places = places + ids.clamp(max=0)
        return places

    def mask(self, *inputs: Tensor | None) -> Tensor | None:
        """The second input, (…, length): 1 for a token, 0 for padding. Without it every token counts."""
        return inputs[1] if len(inputs) > 1 else None

    def bias(self, *inputs: Tensor | None) -> Bias:
        """The mask (…, length) → what is added to the scores, (…, 1, 1, length), and all else that layers need."""
        mask, shape = self.mask(*inputs), self.shape
        padding = None if mask is None else (1.0 - mask.to(torch.float32))[..., None, None, :] * MASKED
        if not (shape.relative_heads or shape.thetas or shape.by_distance):
            return padding
        places = self.places(*inputs)
        places = places if places.ndim == 1 else places[0]  # all texts have theirs counted alike
        rows = apart(places, shape.positions - 1)  # of a table from the largest distance ahead to that behind
        bias = local = padding
        if shape.relative_heads:
            bias = _sum(padding, self._relative(rows))
        if any(layer.local for layer in shape.layers):
            local = _sum(padding, window(apart(places), shape.reach)) if shape.positions > shape.reach + 1 else padding
        return Places(
            bias=bias,
            local=local,
            turns=(self._turn("everywhere", places), self._turn("nearby", places)) if shape.thetas else None,
            distances=rows if shape.by_distance else None,
        )

    def _relative(self, rows: Tensor) -> Tensor:
        """Rows of the table of distances (length, length) → the bias of each head, (heads, length, length)."""
        by_distance = functional.embedding(cast(Tensor, self.relative_buckets), self.relative)
        return functional.embedding(rows, by_distance).permute(2, 0, 1)

    def _turn(self, name: str, places: Tensor) -> Rotation:
        cosines, sines = (cast(Tensor, getattr(self, f"{name}_{part}")) for part in ("cosines", "sines"))
        return functional.embedding(places, cosines), functional.embedding(places, sines)

    def closed(self, hidden: Tensor) -> Tensor:
        """The norm that ends the stack, where it has one."""
        return cast(Tensor, self.closing_norm(hidden)) if self.shape.closed else hidden

    def copy_around(self, smaller: Self, kept: Tensor | None) -> None:
        """The embeddings: their columns that stay, or their projection's rows where there is one; the last norm."""
        columns = None if self.shape.embedding_width else kept
        if self.shape.token_rank:
            smaller.tokens.weight.copy_(self.tokens.weight)
            copy_linear(self.token_projection, smaller.token_projection, outputs=columns)
        else:
            smaller.tokens.weight.copy_(taken(self.tokens.weight.T, columns).T)
        if self.shape.absolute:
            smaller.positions.weight.copy_(taken(self.positions.weight.T, columns).T)
        copy_norm(self.embedding_norm, smaller.embedding_norm, kept if self.shape.projected_first else columns)
        if self.shape.embedding_width:
            copy_linear(self.embedding_projection, smaller.embedding_projection, outputs=kept)
        if self.shape.closed:
            copy_norm(self.closing_norm, smaller.closing_norm, kept)
        if self.shape.relative_heads:
            smaller.relative.copy_(self.relative)

    def with_vocabulary(self, kept: Sequence[int]) -> Encoder:
        """A new encoder whose token i is this one's token `kept[i]`."""
        state = dict(self.state_dict())
        state["tokens.weight"] = state["tokens.weight"][torch.as_tensor(list(kept))]
        return self._of(replace(self.shape, vocabulary=len(kept)), state)

    def with_positions(self, positions: int) -> Encoder:
        """A new encoder for texts of at most `positions` tokens."""
        shape, state = self.shape.cut_at(positions), dict(self.state_dict())
        if shape.absolute:
            state["positions.weight"] = state["positions.weight"][: shape.positions]
        if shape.by_distance:
            first, last = self.shape.positions - shape.positions, self.shape.positions + shape.positions - 1
            for name in [each for each in state if each.endswith((".distance_keys", ".distance_queries"))]:
                state[name] = state[name][:, first:last]
        return self._of(shape, state)

    def _of(self, shape: EncoderShape, state: Mapping[str, Tensor]) -> Encoder:
        """An encoder of this shape with these weights, in this one's mode."""
        changed = Encoder(shape)
        changed.load_state_dict(state)
        return changed.train(self.training)


def _sum(padding: Tensor | None, bias: Tensor) -> Tensor:
    return bias if padding is None else padding + bias


def example_inputs(shape: EncoderShape, length: int = 16) -> tuple[Tensor, ...]:
    """One text of token 1 only, (1, length), without a mask: its values change no count and no export."""
    return (torch.ones(1, min(length, shape.positions), dtype=torch.long),)
