"""A decoder run on with a cache: the next tokens of a text, without computing those before again.

In:  a `DecoderModel`, and for how many tokens the cache is.
Out: `CachedDecoder`, the module that is exported: the cache goes in and comes out, so that whoever runs it holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from edgewright.models.attention_operator import ATTEND
from edgewright.models.decoder import DecoderModel, each_query, unseen
from edgewright.models.decoder_layer import DecoderLayer, KeysValues, Sight, with_product_norms
from edgewright.models.token_positions import MASKED

INT8_CACHE = "int8"
LARGEST, LEAST_SCALE = 127, 1e-8
Attention = Callable[[DecoderLayer, Tensor, int], tuple[Tensor, Tensor, Tensor]]
"""A layer, its input and its row in the cache → what its output matrix reads, and these tokens' keys and values."""


class CachedDecoder(nn.Module):
    """Some tokens of one text and the cache of those before → logits, and the cache with these tokens.

    Both tensors of the cache are (layers with attention, groups, context, head_width), float32; what they hold at the
    `position` and behind it is not read, so that a text at position 0 begins anew whatever was there. Logits are those
    of the last token, (1, vocabulary), or with `every` those of all, (1, length, vocabulary). Ids that come as a
    column, (length, 1), have logits of each, (length, vocabulary). The caller sees to it that no token stands behind
    the `context`.
    """

    def __init__(self, model: DecoderModel, *, context: int, every: bool = False) -> None:
        super().__init__()
        self.model, self.context, self.every = model, context, every
        self.by_operator = False

    def with_operators(self) -> CachedDecoder:
        """The same whose attention is the operator of `attention_operator`, and all between products and sums.

        So a delegate has what lies between two calls of the operator in one piece.
        """
        same = CachedDecoder(with_product_norms(self.model), context=self.context, every=self.every)
        same.by_operator = True
        return same.train(self.training)

    def forward(self, ids: Tensor, position: Tensor, cache_k: Tensor, cache_v: Tensor) -> tuple[Tensor, ...]:
        """ids (1, length) from `position` (1,) on, integers both → (logits, cache_k, cache_v)."""
        logits, keys, values = self.advance(ids, position, cache_k, cache_v)
        places = self.places(text_of(ids), position)
        return logits, cache_k.index_copy(2, places, keys), cache_v.index_copy(2, places, values)

    def advance(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, with these tokens' keys and values alone, (layers, groups, length, head_width), to be written."""
        text = text_of(ids)
        places = self.places(text, position)
        hidden, keys, values = self.model.embedded(text, places), list[Tensor](), list[Tensor]()
        attended = self._by_operator if self.by_operator and hidden.dtype == torch.float32 else self._in_parts
        attention = attended(places, position, *cache)
        for layer in map(self.model.layer, range(len(self.model.layers))):
            read = None
            if layer.shape.groups:
                read, key, value = attention(layer, hidden, len(keys))
                keys.append(key)
                values.append(value)
            hidden = layer.with_feed_forward(layer.with_attention(hidden, read))
        read = hidden if self.every or is_column(ids) else hidden[-1:]
        logits = self.model.logits(self.model.closed(read))
        return logits[None] if self.every else logits, torch.stack(keys), torch.stack(values)

    def rows_of(self, cache: Sequence[Tensor], row: int, groups: int) -> KeysValues:
        """The keys and values of the first groups of a layer, (groups, context, head_width) each, as it computes."""
        keys, values = cache
        return keys[row, :groups], values[row, :groups]

    def _in_parts(self, places: Tensor, position: Tensor, *cache: Tensor) -> Attention:
        """Attention of operators that every runtime has."""
        sight = self.sight(places, position)

        def attention(layer: DecoderLayer, hidden: Tensor, row: int) -> tuple[Tensor, Tensor, Tensor]:
            read, (key, value) = layer.advanced(hidden, sight, self.rows_of(cache, row, layer.shape.groups))
            return read, _filled(key, cache[0].shape[1]), _filled(value, cache[0].shape[1])

        return attention

    def _by_operator(self, places: Tensor, position: Tensor, cache_k: Tensor, cache_v: Tensor) -> Attention:
        """Attention in one operator."""
        turns = self.model.turns(places) or (None, None)

        def attention(layer: DecoderLayer, hidden: Tensor, row: int) -> tuple[Tensor, Tensor, Tensor]:
            sizes = row, layer.shape.groups, layer.queries, layer.shape.window
            found: tuple[Tensor, Tensor, Tensor] = ATTEND(
                layer.projected(hidden), *turns, cache_k, cache_v, position, *sizes
            )
            return found

        return attention

    def places(self, text: Tensor, position: Tensor) -> Tensor:
        """The places of these tokens, (length,)."""
        return position + torch.arange(text.shape[0], device=text.device)

    def sight(self, places: Tensor, position: Tensor) -> Sight:
        """What layers are told of these tokens and of the cache."""
        rows, cached = each_query(places, self.model.shape.queries), torch.arange(self.context, device=places.device)
        past: dict[int, Tensor] = {}
        own: dict[int, Tensor | None] = {}
        for window in self.model.shape.windows:
            hidden = (cached >= position)[None]
            if window:  # otherwise all these tokens see the same of the cache
                hidden = hidden | unseen(rows, cached, window)
            past[window] = hidden.to(torch.float32) * MASKED
            alone = places.shape[0] == 1
            own[window] = None if alone else unseen(rows, places, window).to(torch.float32) * MASKED
        return Sight(rotation=self.model.rotation(places), own=own, past=past)


class Int8CachedDecoder(CachedDecoder):
    """The same with a cache in int8: each row is a multiple of a 127th of its largest number, its scale.

    The cache is `cache_k` and `cache_v` in int8 and their scales, (layers with attention, groups, context, 1), float32.
    Tokens that are read by one call see each other's rows unrounded.
    """

    def forward(  # type: ignore[override]  # a cache of four tensors
        self,
        ids: Tensor,
        position: Tensor,
        cache_k: Tensor,
        cache_v: Tensor,
        cache_k_scale: Tensor,
        cache_v_scale: Tensor,
    ) -> tuple[Tensor, ...]:
        """ids (1, length) from `position` (1,) on, integers both → (logits, the four tensors of the cache)."""
        cache = (cache_k, cache_v, cache_k_scale, cache_v_scale)
        logits, *rows = self.advance(ids, position, *cache)
        (keys, key_scales), (values, value_scales) = map(int8_rows, rows)
        places = self.places(text_of(ids), position)
        written = zip(cache, (keys, values, key_scales, value_scales), strict=True)
        return (logits, *(held.index_copy(2, places, new) for held, new in written))

    def rows_of(self, cache: Sequence[Tensor], row: int, groups: int) -> KeysValues:
        """Those of one layer alone are float32 at a time."""
        keys, values, key_scales, value_scales = (each[row, :groups] for each in cache)
        return keys.to(torch.float32) * key_scales, values.to(torch.float32) * value_scales


def is_column(ids: Tensor) -> bool:
    """Whether logits of each id are wanted: so they come under each other."""
    return ids.shape[0] > 1


def text_of(ids: Tensor) -> Tensor:
    """The ids one after another, (length,)."""
    return ids[:, 0] if is_column(ids) else ids[0]


def int8_rows(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(…, width) → the same in int8, and each row's scale, (…, 1)."""
    scales = rows.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST_SCALE) / LARGEST
    return (rows / scales).round().to(torch.int8), scales


def _filled(rows: Tensor, groups: int) -> Tensor:
    """(groups, …) filled up with zeros to as many groups as the cache has."""
    lacking = groups - rows.shape[0]
    return torch.cat([rows, rows.new_zeros(lacking, *rows.shape[1:])]) if lacking else rows
