"""The sizes of encoder-decoder transformers: of the model, and of each layer on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from edgewright.models.transformer_shape import Described, LayerCut

CACHE = ("cache_k", "cache_v")
CROSS = ("cross_k", "cross_v")


@dataclass(frozen=True, kw_only=True)
class StackLayerShape:
    """One layer's sizes; a part of 0 heads or 0 neurons is not there.

    `relative` says which of its side's biases of distance is each head's. A layer of the decoder reads the source by
    its `cross_heads`, one of the encoder has none.
    """

    heads: int
    neurons: int
    relative: tuple[int, ...]
    cross_heads: int = 0

    def kept(self, cut: StackCut) -> StackLayerShape:
        """What a cut leaves of this layer."""
        return StackLayerShape(
            heads=len(cut.heads),
            neurons=len(cut.neurons),
            relative=tuple(self.relative[head] for head in cut.heads),
            cross_heads=len(cut.cross_heads),
        )

    def everything(self, layer: int) -> StackCut:
        """The cut that leaves this layer, which is at that place, as it is."""
        return StackCut(
            layer=layer,
            heads=tuple(range(self.heads)),
            neurons=tuple(range(self.neurons)),
            cross_heads=tuple(range(self.cross_heads)),
        )


@dataclass(frozen=True, kw_only=True)
class StackCut(LayerCut):
    """What one layer of an encoder or a decoder keeps; `cross_heads` are those of a decoder's that read the source."""

    cross_heads: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderShape:
    """Every size of an `EncoderDecoderModel`; together with the weights it is the whole model.

    `family` is its name in the table of families. A source has at most so many `positions`, and so has what is written.
    Where tokens are is told by biases of `buckets` of distances, the last of which begins at `reach` (Raffel et al.
    2020), for `relative_heads` heads of each side. Each neuron of a `gated` feed-forward block is the product of two,
    one of them through the activation (Shazeer 2020). The output table is the token table where they are `tied`; what
    it reads is multiplied by the `output_scale`.
    """

    family: str
    vocabulary: int
    positions: int
    width: int
    head_width: int
    relative_heads: int
    buckets: int
    reach: int
    encoder: tuple[StackLayerShape, ...]
    decoder: tuple[StackLayerShape, ...]
    activation: str
    gated: bool
    norm_epsilon: float = 1e-6
    tied: bool = True
    output_scale: float = 1.0

    @classmethod
    def from_mapping(cls, values: Described) -> Self:
        """The inverse of `dataclasses.asdict`, also behind a file in JSON."""
        sides = {side: tuple(map(_layer, values[side])) for side in ("encoder", "decoder")}
        return cls(**{**values, **sides})

    def narrowed(self, width: int) -> Self:
        """The same with so many dimensions of the residual stream, those that are left out holding nothing.

        The mean of squares is over fewer of them then, and what is added to it grows alike.
        """
        return replace(self, width=width, norm_epsilon=self.norm_epsilon * self.width / width)

    def state(self, context: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The names and sizes of the cache's tensors: (layers with attention, heads, context, head_width) each."""
        layers = sum(bool(layer.heads) for layer in self.decoder)
        heads = max((layer.heads for layer in self.decoder), default=0)
        return tuple((name, (layers, heads, context, self.head_width)) for name in CACHE)


def everything(layers: Sequence[StackLayerShape]) -> tuple[StackCut, ...]:
    """The cuts that leave a side as it is."""
    return tuple(layer.everything(index) for index, layer in enumerate(layers))


def _layer(values: Described) -> StackLayerShape:
    return StackLayerShape(**{**values, "relative": tuple(values["relative"])})
