"""An encoder-decoder as a device runs it: a source is read once, and what follows from it is written with a cache.

In:  an `EncoderDecoderModel`, and for how many tokens the cache is.
Out: the modules that are exported: `EncodeSource`, `SourceKeysValues` and `CachedTarget`. A source is padded behind
     with `PADDING`, which no token is, so that padding changes nothing whatever the vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.errors import InputError
from edgewright.models.decoder import unseen
from edgewright.models.encoder_decoder import EncoderDecoderModel
from edgewright.models.token_positions import MASKED

PADDING = -1


class EncodeSource(nn.Module):
    """A source's ids → the encoder's output, and what is added to the scores of its tokens."""

    def __init__(self, model: EncoderDecoderModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """source (1, length), integers, `PADDING` where it is padded → (1, length, width), (1, length)."""
        ids = source[0]
        seen = (ids < 0).to(torch.float32) * MASKED
        bias = self.model.source_distances(ids.shape[0]) + seen
        hidden: Tensor = self.model.tokens(ids.clamp(min=0))
        for index in range(len(self.model.encoder.layers)):
            hidden = self.model.encoder.layer(index)(hidden, bias)
        return self.model.encoder.closing_norm(hidden)[None], seen[None]


class SourceKeysValues(nn.Module):
    """The encoder's output → the keys and values of it that the decoder reads for every token."""

    def __init__(self, model: EncoderDecoderModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """(1, length, width) → keys (layers, heads, head_width, length) and values (layers, heads, length, head_width).

        Layers are those that read the source, heads those of the one that has the most; the others' are filled up with
        zeros.
        """
        rows = [pair for pair in self.model.sources(encoded[0]) if pair[0].ndim > 1]
        heads = max(keys.shape[0] for keys, _ in rows)
        keys, values = ([_filled(each, heads) for each in one] for one in zip(*rows, strict=True))
        return torch.stack(keys), torch.stack(values)


class CachedTarget(nn.Module):
    """Some tokens of what is written, the source's keys and values and the cache of those before → logits, the cache.

    Both tensors of the cache are (layers with attention, heads, context, head_width), float32; what they hold at the
    `position` and behind it is not read, so that a text at position 0 begins anew whatever was there. Logits are those
    of the last token, (1, vocabulary). The caller sees to it that no token stands behind the `context`.
    """

    by_distance: Tensor

    def __init__(self, model: EncoderDecoderModel, *, context: int) -> None:
        super().__init__()
        if not any(layer.heads for layer in model.shape.decoder):
            raise InputError("a decoder without attention has no cache to run on with; keep at least one head")
        if not any(layer.cross_heads for layer in model.shape.decoder):
            raise InputError("a decoder without attention to its source says the same of all; keep at least one head")
        if context > model.shape.positions:
            raise InputError(
                f"a context of {context} tokens is asked for, but the model has {model.shape.positions} positions; "
                "lower it"
            )
        self.model, self.context = model, context
        self.register_buffer("by_distance", model.decoder.by_distance().detach()[:context].clone(), persistent=False)

    def forward(
        self, ids: Tensor, position: Tensor, cross_k: Tensor, cross_v: Tensor, seen: Tensor, *cache: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """ids (1, length) from `position` (1,) on, integers both → (logits, cache_k, cache_v).

        `cross_k`, `cross_v` and `seen` are what the other two modules gave of the source.
        """
        cache_k, cache_v = cache
        places = position + torch.arange(ids.shape[1], device=ids.device)
        past, own = self._biases(places, position)
        hidden, keys, values, reads_source = self.model.tokens(ids[0]), list[Tensor](), list[Tensor](), 0
        for layer in map(self.model.decoder.layer, range(len(self.model.decoder.layers))):
            if heads := layer.shape.heads:
                cached = cache_k[len(keys), :heads], cache_v[len(keys), :heads]
                read, (key, value) = layer.advanced(hidden, past, own, cached)
                hidden = layer.with_attention(hidden, read)
                keys.append(_filled(key, cache_k.shape[1]))
                values.append(_filled(value, cache_v.shape[1]))
            if heads := layer.shape.cross_heads:
                source = cross_k[reads_source, :heads], cross_v[reads_source, :heads]
                hidden = layer.with_source(hidden, layer.source_attended(hidden, source, seen))
                reads_source += 1
            hidden = layer.with_feed_forward(hidden)
        logits = self.model.logits(self.model.decoder.closing_norm(hidden[-1:]))
        rows = torch.stack(keys), torch.stack(values)
        return logits, cache_k.index_copy(2, places, rows[0]), cache_v.index_copy(2, places, rows[1])

    def _biases(self, places: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to the scores of the cache and of these tokens, (relative heads, length, …) each."""
        cached = torch.arange(self.context, device=places.device)
        behind = (places[:, None] - cached[None]).clamp(min=0)
        past = functional.embedding(behind, self.by_distance).permute(2, 0, 1)
        past = past + (cached >= position).to(torch.float32) * MASKED
        order = torch.arange(places.shape[0], device=places.device)
        distances = (order[:, None] - order[None]).clamp(min=0)
        own = functional.embedding(distances, self.by_distance).permute(2, 0, 1)
        return past, own + unseen(order, order, 0).to(torch.float32) * MASKED


def _filled(rows: Tensor, heads: int) -> Tensor:
    """(heads, …) filled up with zeros to so many heads."""
    lacking = heads - rows.shape[0]
    return torch.cat([rows, rows.new_zeros(lacking, *rows.shape[1:])]) if lacking else rows
