"""A decoder run on with a cache: the next tokens of a text, without computing those before again.

In:  a `DecoderModel`, and for how many tokens the cache is.
Out: `CachedDecoder`, the module that is exported: the cache goes in and comes out, so that whoever runs it holds it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgewright.models.decoder import DecoderModel, each_query, unseen
from edgewright.models.decoder_layer import Sight
from edgewright.models.token_positions import MASKED


class CachedDecoder(nn.Module):
    """Some tokens of one text and the cache of those before → logits, and the cache with these tokens.

    Both tensors of the cache are (layers with attention, groups, context, head_width), float32; what they hold at the
    `position` and behind it is not read, so that a text at position 0 begins anew whatever was there. Logits are those
    of the last token, (1, vocabulary), or with `every` those of all, (1, length, vocabulary). The caller sees to it
    that no token stands behind the `context`.
    """

    def __init__(self, model: DecoderModel, *, context: int, every: bool = False) -> None:
        super().__init__()
        self.model, self.context, self.every = model, context, every

    def forward(self, ids: Tensor, position: Tensor, cache_k: Tensor, cache_v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ids (1, length) from `position` (1,) on, integers both → (logits, cache_k, cache_v)."""
        logits, keys, values = self.advance(ids, position, cache_k, cache_v)
        places = self.places(ids[0], position)
        return logits, cache_k.index_copy(2, places, keys), cache_v.index_copy(2, places, values)

    def advance(self, ids: Tensor, position: Tensor, cache_k: Tensor, cache_v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same, with these tokens' keys and values alone, (layers, groups, length, head_width), to be written."""
        text, places = ids[0], self.places(ids[0], position)
        hidden, sight = self.model.embedded(text, places), self.sight(places, position)
        keys: list[Tensor] = []
        values: list[Tensor] = []
        for layer in map(self.model.layer, range(len(self.model.layers))):
            groups = layer.shape.groups
            if not groups:
                hidden = layer(hidden, sight)
                continue
            row = len(keys)
            hidden, (key, value) = layer.advanced(hidden, sight, (cache_k[row, :groups], cache_v[row, :groups]))
            keys.append(_filled(key, cache_k.shape[1]))
            values.append(_filled(value, cache_v.shape[1]))
        read = hidden if self.every else hidden[-1:]
        logits = self.model.logits(self.model.closed(read))
        return logits[None] if self.every else logits, torch.stack(keys), torch.stack(values)

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


def _filled(rows: Tensor, groups: int) -> Tensor:
    """(groups, …) filled up with zeros to as many groups as the cache has."""
    lacking = groups - rows.shape[0]
    return torch.cat([rows, rows.new_zeros(lacking, *rows.shape[1:])]) if lacking else rows
