"""Encoder-decoder transformers: a source's tokens and those written so far to scores for the next, and how one is cut.

In:  sizes, and weights: `encoder_decoder_loading` reads those of transformers' models.
Out: an `EncoderDecoderModel` in plain PyTorch, of T5's kind. How one is run a token at a time is
     `encoder_decoder_methods`' concern; which parts to keep is `compress`'s decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.models.decoder import unseen
from edgewright.models.decoder_layer import KeysValues, RootMeanSquareNorm
from edgewright.models.encoder_decoder_layer import StackLayer
from edgewright.models.encoder_decoder_shape import (
    EncoderDecoderShape,
    StackCut,
    StackLayerShape,
    everything,
)
from edgewright.models.linear_maps import copy_linear, copy_norm, taken
from edgewright.models.token_positions import MASKED, apart


class Stack(nn.Module):
    """The layers of one side, its biases of distance and its closing norm."""

    def __init__(self, shape: EncoderDecoderShape, layers: Sequence[StackLayerShape], rows: Tensor) -> None:
        super().__init__()
        self.relative = nn.Parameter(torch.zeros(shape.buckets, shape.relative_heads))
        self.register_buffer("rows", rows, persistent=False)
        self.layers = nn.ModuleList(StackLayer(shape, layer) for layer in layers)
        self.closing_norm = RootMeanSquareNorm(shape.width, shape.norm_epsilon)

    def layer(self, index: int) -> StackLayer:
        """One layer, typed."""
        return cast(StackLayer, self.layers[index])

    def by_distance(self) -> Tensor:
        """Each head's bias of each distance that there is, (distances, relative heads)."""
        return functional.embedding(cast(Tensor, self.rows), self.relative)

    def fill(self, source: Stack, cuts: Sequence[StackCut], kept: Tensor | None) -> None:
        """Take what stays of another side's weights."""
        self.relative.copy_(source.relative)
        copy_norm(source.closing_norm, self.closing_norm, kept)
        for index, cut in enumerate(cuts):
            self.layer(index).fill(source.layer(cut.layer), cut, kept)


class EncoderDecoderModel(nn.Module):
    """Ids of sources and of what follows from them to logits of the token behind each of the latter."""

    def __init__(self, shape: EncoderDecoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        distances = torch.arange(1 - shape.positions, shape.positions)
        sizes = {"buckets": shape.buckets, "reach": shape.reach}
        self.encoder = Stack(shape, shape.encoder, bucket_rows(distances, both_ways=True, **sizes))
        behind = torch.arange(shape.positions)
        self.decoder = Stack(shape, shape.decoder, bucket_rows(behind, both_ways=False, **sizes))
        if not shape.tied:
            self.output = nn.Linear(shape.width, shape.vocabulary, bias=False)

    @property
    def family(self) -> str:
        """The name of its family in the table of `families`."""
        return self.shape.family

    def forward(self, source: Tensor, mask: Tensor | None, ids: Tensor) -> Tensor:
        """source (batch, source length), what is written so far (batch, length) → logits (batch, length, vocabulary).

        `mask` (batch, source length) is 1 for a token and 0 for padding, on either side; None where there is none. What
        is written is padded behind alone, where it is read by none before.
        """
        encoded = self.encoded(source, mask)
        return self.logits(self.decoder_states(ids, self.sources(encoded), source_bias(mask))[-1])

    def encoded(self, source: Tensor, mask: Tensor | None = None) -> Tensor:
        """source (batch, length) → what the decoder reads of it, (batch, length, width)."""
        return self.encoder_states(source, mask)[-1]

    def encoder_states(self, source: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """What enters each layer of the encoder, first to last, and what the decoder reads, (batch, length, width)."""
        bias, padding = self.source_distances(source.shape[-1]), source_bias(mask)
        if padding is not None:
            bias = bias + padding
        states = [cast(Tensor, self.tokens(source))]
        for index in range(len(self.encoder.layers)):
            states.append(self.encoder.layer(index)(states[-1], bias))
        states[-1] = self.encoder.closing_norm(states[-1])
        return states

    def decoder_states(self, ids: Tensor, sources: Sequence[KeysValues], seen: Tensor | None) -> list[Tensor]:
        """What enters each layer of the decoder, first to last, and what scores are made of, (batch, length, width).

        `sources` are each layer's keys and values, and `seen` (batch, 1, 1, source length) is added to their scores.
        """
        bias = self.written_distances(ids.shape[-1])
        states = [cast(Tensor, self.tokens(ids))]
        for index, source in enumerate(sources):
            states.append(self.decoder.layer(index)(states[-1], bias, source, seen))
        states[-1] = self.decoder.closing_norm(states[-1])
        return states

    def sources(self, encoded: Tensor) -> list[KeysValues]:
        """What each layer of the decoder reads of the encoder's output; nothing, of one without such heads."""
        layers = [self.decoder.layer(index) for index in range(len(self.decoder.layers))]
        nothing = encoded.new_zeros(0), encoded.new_zeros(0)
        return [layer.keys_values(encoded) if layer.shape.cross_heads else nothing for layer in layers]

    def source_distances(self, length: int) -> Tensor:
        """What is added to the scores of a source of this length, (relative heads, length, length)."""
        places = torch.arange(length, device=self.tokens.weight.device)
        rows = apart(places, self.shape.positions - 1)
        return functional.embedding(rows, self.encoder.by_distance()).permute(2, 0, 1)

    def written_distances(self, length: int) -> Tensor:
        """The same of what is written, no token of which sees one behind it."""
        places = torch.arange(length, device=self.tokens.weight.device)
        own = functional.embedding(apart(places).clamp(min=0), self.decoder.by_distance()).permute(2, 0, 1)
        return own + unseen(places, places, 0).to(torch.float32) * MASKED

    def logits(self, closed: Tensor) -> Tensor:
        """What the closing norm of the decoder gives (…, width) → (…, vocabulary)."""
        if self.shape.output_scale != 1.0:
            closed = closed * self.shape.output_scale
        if not self.shape.tied:
            return cast(Tensor, self.output(closed))
        return functional.linear(closed, self.tokens.weight)

    @property
    def parameters_count(self) -> int:
        """How many numbers the model holds; a table that is read twice counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def with_positions(self, positions: int) -> EncoderDecoderModel:
        """The same for sources and texts of at most so many tokens."""
        return self._refilled(replace(self.shape, positions=positions))

    def with_vocabulary(self, kept: Sequence[int]) -> EncoderDecoderModel:
        """The same for these tokens alone: its token i is this one's token `kept[i]`."""
        return self._refilled(replace(self.shape, vocabulary=len(kept)), vocabulary=torch.as_tensor(list(kept)))

    def sliced(
        self, encoder: Sequence[StackCut], decoder: Sequence[StackCut], *, width: Sequence[int] | None = None
    ) -> EncoderDecoderModel:
        """A new, smaller model that keeps these layers, heads and neurons of both sides, in this order.

        `width` names the dimensions of the residual stream that stay; None keeps all. Norms are scaled so that
        dimensions that held nothing change nothing.
        """
        shape = replace(
            self.shape,
            encoder=tuple(self.shape.encoder[cut.layer].kept(cut) for cut in encoder),
            decoder=tuple(self.shape.decoder[cut.layer].kept(cut) for cut in decoder),
        )
        kept = None if width is None else torch.as_tensor(list(width))
        return self._refilled(shape, encoder=encoder, decoder=decoder, kept=kept)

    def _refilled(
        self,
        shape: EncoderDecoderShape,
        *,
        encoder: Sequence[StackCut] | None = None,
        decoder: Sequence[StackCut] | None = None,
        kept: Tensor | None = None,
        vocabulary: Tensor | None = None,
    ) -> EncoderDecoderModel:
        """A model of this shape with what stays of this one's weights."""
        growth = 1.0 if kept is None else self.shape.width / len(kept)
        if kept is not None:
            shape = shape.narrowed(len(kept))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            smaller = EncoderDecoderModel(shape).to(self.tokens.weight)
            table = taken(self.tokens.weight, vocabulary)
            smaller.tokens.weight.copy_(table if kept is None else table[:, kept])
            if not shape.tied:
                copy_linear(self.output, smaller.output, inputs=kept, outputs=vocabulary)
            smaller.encoder.fill(self.encoder, everything(self.shape.encoder) if encoder is None else encoder, kept)
            smaller.decoder.fill(self.decoder, everything(self.shape.decoder) if decoder is None else decoder, kept)
            if growth != 1.0:
                _scale_norms(smaller, growth**0.5)
        return smaller.train(self.training)


def source_bias(mask: Tensor | None) -> Tensor | None:
    """(batch, source length) → what is added to scores so that padding is not seen, (batch, 1, 1, source length)."""
    return None if mask is None else ((1 - mask.to(torch.float32)) * MASKED)[:, None, None, :]


def bucket_rows(distances: Tensor, *, buckets: int, reach: int, both_ways: bool) -> Tensor:
    """For each distance of a query behind a key its bucket (Raffel et al. 2020).

    With `both_ways` a key behind its query, whose distance is negative, has buckets of its own; else there is none.
    """
    several = buckets // 2 if both_ways else buckets
    exact, far = several // 2, distances.abs()
    # As transformers computes it, in float32, so that the same distances are in the same bucket.
    grown = torch.log(far.float() / exact) / math.log(reach / exact) * (several - exact)
    coarse = (exact + grown.clamp(min=0).to(torch.long)).clamp(max=several - 1)
    rows = torch.where(far < exact, far, coarse)
    return torch.where(distances < 0, several, 0) + rows if both_ways else rows


def _scale_norms(model: EncoderDecoderModel, scale: float) -> None:
    """Multiply the weights of all norms."""
    for part in model.modules():
        if isinstance(part, RootMeanSquareNorm):
            part.weight.mul_(scale)
