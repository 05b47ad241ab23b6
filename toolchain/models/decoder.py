"""Decoder transformers: a text's tokens to scores for the token that follows each, and how one is cut.

In:  sizes, and weights: `decoder_loading` reads those of transformers' models.
Out: a `DecoderModel` in plain PyTorch, of Llama's kind or GPT-2's. How one is run a token at a time is `decoding`'s
     concern; which parts to keep is `compress`'s decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.models.decoder_layer import DecoderLayer, Sight, norm_of
from edgewright.models.decoder_shape import DecoderShape
from edgewright.models.linear_maps import copy_linear, copy_norm, optional_linear, taken
from edgewright.models.token_positions import MASKED, Rotation
from edgewright.models.transformer_shape import LINEARS, LayerCut

Through = Callable[[DecoderLayer, Tensor, Sight], Tensor]  # how one layer is run


def plainly(layer: DecoderLayer, hidden: Tensor, sight: Sight) -> Tensor:
    """Run a layer as it is."""
    return cast(Tensor, layer(hidden, sight))


class DecoderModel(nn.Module):
    """Token ids to logits; the scores of the token that follows come from the output table, or the token table."""

    def __init__(self, shape: DecoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocabulary, shape.token_rank or shape.width)
        if shape.token_rank:
            self.token_projection = nn.Linear(shape.token_rank, shape.width)
        if shape.absolute:
            self.positions = nn.Embedding(shape.positions, shape.width)
        self.layers = nn.ModuleList(DecoderLayer(shape, layer) for layer in shape.layers)
        self.closing_norm = norm_of(shape)
        if not shape.tied:
            output = optional_linear(shape.width, shape.vocabulary, shape.output_rank, biased=False)
            self.output = cast(nn.Module, output)
            if shape.output_rank:  # what the bias of a token table's projection adds where both tables are one
                self.output_constant = nn.Linear(shape.width, 1, bias=False)
        if shape.frequencies:
            frequencies = torch.tensor(shape.frequencies)
            angles = torch.arange(shape.positions, dtype=torch.float)[:, None] * frequencies
            self.register_buffer("cosines", angles.cos() * shape.rotary_scale, persistent=False)
            self.register_buffer("sines", angles.sin() * shape.rotary_scale, persistent=False)

    @property
    def family(self) -> str:
        """The name of its family in the table of `families`."""
        return self.shape.family

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """ids (batch, length) → logits (batch, length, vocabulary).

        `mask` (batch, length) is 1 for a token and 0 for padding, on either side; None where there is no padding.
        """
        return self.logits(self.closed(self.hidden(ids, mask)[-1]))

    def hidden(self, ids: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """What enters each layer, first to last, and what leaves the last, (batch, length, width) each."""
        places = places_of(ids, mask)
        return self._through_layers(ids, places, self.sight(places, mask), plainly)

    def packed_hidden(self, ids: Tensor, places: Tensor, texts: Tensor, through: Through = plainly) -> list[Tensor]:
        """The same of rows of several texts each, of which no token sees another text's.

        `places` are the tokens' in their own texts, and `texts` tells a row's texts apart, (rows, length) each.
        `through` runs a layer.
        """
        return self._through_layers(ids, places, self.sight(places, texts=texts), through)

    def _through_layers(self, ids: Tensor, places: Tensor, sight: Sight, through: Through) -> list[Tensor]:
        states = [self.embedded(ids, places)]
        for index in range(len(self.layers)):
            states.append(through(self.layer(index), states[-1], sight))
        return states

    def embedded(self, ids: Tensor, places: Tensor) -> Tensor:
        """ids and their tokens' places → the first residual stream."""
        embedded: Tensor = self.tokens(ids)
        if self.shape.token_rank:
            embedded = self.token_projection(embedded)
        return embedded + self.positions(places) if self.shape.absolute else embedded

    def rotation(self, places: Tensor) -> Rotation | None:
        """Cosines and sines of tokens at these places, (…, length, 1, half a head's width)."""
        turns = self.turns(places)
        return None if turns is None else (turns[0].unsqueeze(-2), turns[1].unsqueeze(-2))

    def turns(self, places: Tensor) -> Rotation | None:
        """Cosines and sines of tokens at these places, (…, length, half a head's width); None where nothing turns."""
        if not self.shape.frequencies:
            return None
        return cast(Tensor, self.cosines)[places], cast(Tensor, self.sines)[places]

    def sight_of(self, ids: Tensor, mask: Tensor | None) -> Sight:
        """What layers are told of whole texts."""
        return self.sight(places_of(ids, mask), mask)

    def sight(self, places: Tensor, mask: Tensor | None = None, *, texts: Tensor | None = None) -> Sight:
        """What layers are told of tokens at these places; padding is seen by none, and a text by itself alone."""
        tokens = torch.arange(places.shape[-1], device=places.device)
        rows = each_query(tokens, self.shape.queries)
        own = {window: unseen(rows, tokens, window).to(torch.float32) * MASKED for window in self.shape.windows}
        if mask is not None:
            padding = (1 - mask.to(torch.float32))[:, None, None, :] * MASKED
            own = {window: bias + padding for window, bias in own.items()}
        if texts is not None:
            asking = texts.repeat_interleave(self.shape.queries, dim=-1)
            others = (asking[:, None, :, None] != texts[:, None, None, :]) * MASKED
            own = {window: torch.minimum(bias, others) for window, bias in own.items()}
        return Sight(rotation=self.rotation(places), own=own)

    def closed(self, hidden: Tensor) -> Tensor:
        """What the output table reads."""
        return cast(Tensor, self.closing_norm(hidden))

    def logits(self, closed: Tensor) -> Tensor:
        """(…, width) → (…, vocabulary)."""
        if not self.shape.tied:
            scores = cast(Tensor, self.output(closed))
            return scores + self.output_constant(closed) if self.shape.output_rank else scores
        if not self.shape.token_rank:
            return torch.nn.functional.linear(closed, self.tokens.weight)
        # The transposed projection; its bias adds the same to every token's score.
        narrowed = torch.matmul(closed, self.token_projection.weight)
        constant = torch.matmul(closed, self.token_projection.bias)[..., None]
        return torch.nn.functional.linear(narrowed, self.tokens.weight) + constant

    def layer(self, index: int) -> DecoderLayer:
        """One layer, typed."""
        return cast(DecoderLayer, self.layers[index])

    @property
    def parameters_count(self) -> int:
        """How many numbers the model holds; a table that is read twice counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def with_positions(self, positions: int) -> DecoderModel:
        """The same for texts of at most so many tokens; a model of no more comes back as it is."""
        if positions >= self.shape.positions:
            return self
        return self._refilled(self.shape.cut_at(positions), positions=torch.arange(positions))

    def with_vocabulary(self, kept: Sequence[int]) -> DecoderModel:
        """The same for these tokens alone: its token i is this one's token `kept[i]`."""
        return self._refilled(replace(self.shape, vocabulary=len(kept)), vocabulary=torch.as_tensor(list(kept)))

    def sliced(self, cuts: Sequence[LayerCut], *, width: Sequence[int] | None = None) -> DecoderModel:
        """A new, smaller model that keeps these layers, groups (`LayerCut.heads`) and neurons, in this order.

        `width` names the dimensions of the residual stream that stay; None keeps all. Norms over the root of the mean
        square are scaled so that dimensions that held nothing change nothing.
        """
        layers = tuple(
            self.shape.layers[cut.layer].kept(groups=len(cut.heads), neurons=len(cut.neurons)) for cut in cuts
        )
        kept = None if width is None else torch.as_tensor(list(width))
        return self._refilled(replace(self.shape, layers=layers), cuts=cuts, kept=kept)

    def with_biases(self, names: Sequence[str]) -> DecoderModel:
        """The same, whose matrices of these names have biases in every layer: zeros where there were none."""
        layers = tuple(
            replace(layer, biased=tuple(part for part in LINEARS if part in layer.biased or part in names))
            for layer in self.shape.layers
        )
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            same = DecoderModel(replace(self.shape, layers=layers)).to(self.tokens.weight)
            zeros = {name: torch.zeros_like(values) for name, values in same.state_dict().items()}
            same.load_state_dict({**zeros, **self.state_dict()})
        return same.train(self.training)

    def _refilled(
        self,
        shape: DecoderShape,
        *,
        cuts: Sequence[LayerCut] | None = None,
        kept: Tensor | None = None,
        vocabulary: Tensor | None = None,
        positions: Tensor | None = None,
    ) -> DecoderModel:
        """A model of this shape with what stays of this one's weights."""
        growth = 1.0 if kept is None else self.shape.width / len(kept)
        if kept is not None:
            shape = shape.narrowed(len(kept))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            smaller = DecoderModel(shape).to(self.tokens.weight)
            self._copy_around(smaller, kept, vocabulary, positions)
            for index, cut in enumerate(cuts or everything(self.shape)):
                _copy_layer(self.layer(cut.layer), smaller.layer(index), cut, kept)
            if shape.norm == "rms" and growth != 1.0:
                _scale_norms(smaller, growth**0.5)
        return smaller.train(self.training)

    def _copy_around(
        self, smaller: DecoderModel, kept: Tensor | None, vocabulary: Tensor | None, positions: Tensor | None
    ) -> None:
        """Fill all of `smaller` that is not in its layers."""
        table = taken(self.tokens.weight, vocabulary)
        if self.shape.token_rank:
            copy_linear(self.token_projection, smaller.token_projection, outputs=kept)
        else:
            table = _columns(table, kept)
        smaller.tokens.weight.copy_(table)
        if self.shape.absolute:
            smaller.positions.weight.copy_(_columns(taken(self.positions.weight, positions), kept))
        copy_norm(self.closing_norm, smaller.closing_norm, kept)
        if not self.shape.tied:
            copy_linear(self.output, smaller.output, inputs=kept, outputs=vocabulary)
            if self.shape.output_rank:
                copy_linear(self.output_constant, smaller.output_constant, inputs=kept)


def everything(shape: DecoderShape) -> tuple[LayerCut, ...]:
    """The cuts that leave a model as it is."""
    return tuple(
        LayerCut(layer=index, heads=tuple(range(layer.groups)), neurons=tuple(range(layer.neurons)))
        for index, layer in enumerate(shape.layers)
    )


def places_of(ids: Tensor, mask: Tensor | None) -> Tensor:
    """The place of each token, (length,), or (batch, length) where padding on either side is not to be counted."""
    if mask is None:
        return torch.arange(ids.shape[-1], device=ids.device)
    return (mask.to(torch.long).cumsum(dim=-1) - 1).clamp(min=0)


def each_query(places: Tensor, queries: int) -> Tensor:
    """(length,) → the place of each row of a group's queries, (length × queries,)."""
    return places[:, None].expand(-1, queries).reshape(-1)


def unseen(rows: Tensor, columns: Tensor, window: int) -> Tensor:
    """Places of queries and of keys → whether a key is behind, or a window or more before, (rows, columns)."""
    distances = rows[:, None] - columns[None]
    return (distances < 0) | (distances >= window) if window else distances < 0


def _copy_layer(source: DecoderLayer, target: DecoderLayer, cut: LayerCut, kept: Tensor | None) -> None:
    """Fill `target` with what `cut` keeps of `source`; `kept` are the residual dimensions that stay."""
    neurons, rows = torch.as_tensor(cut.neurons, dtype=torch.long), source.rows_of(cut.heads)
    if cut.heads:
        copy_norm(source.attention_norm, target.attention_norm, kept)
        copy_linear(source.query_key_value, target.query_key_value, inputs=kept, outputs=torch.cat(rows))
        if hasattr(source, "query_norm"):
            copy_norm(source.query_norm, target.query_norm, None)
            copy_norm(source.key_norm, target.key_norm, None)
    if cut.neurons:
        copy_norm(source.feed_forward_norm, target.feed_forward_norm, kept)
        raised = torch.cat([neurons, neurons + source.shape.neurons]) if source.gated else neurons
        copy_linear(source.up, target.up, inputs=kept, outputs=raised)
    for part, read in (("attention_output", rows[0]), ("down", neurons)):
        theirs, ours = getattr(source, part), getattr(target, part)
        if ours is not None:
            copy_linear(theirs, ours, inputs=read if len(read) else None, outputs=kept)


def _columns(table: Tensor, kept: Tensor | None) -> Tensor:
    return table if kept is None else table[:, kept]


def _scale_norms(model: DecoderModel, scale: float) -> None:
    """Multiply the weights of all norms over the residual stream."""
    for name, part in model.named_modules():
        if name.endswith(("attention_norm", "feed_forward_norm", "closing_norm")):
            cast(Tensor, part.weight).mul_(scale)
