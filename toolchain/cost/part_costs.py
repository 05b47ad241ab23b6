"""What the parts of a transformer cost on a device, in milliseconds.

In:  sizes and what each takes, as `part_estimates` or `part_timing` has found them.
Out: `CostTable`: attention by heads, feed-forward by neurons, and all the rest; JSON on disk.
Which sizes are then chosen is `compress.search`'s decision.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgewright.base.reading import read_json
from edgewright.errors import InputError
from edgewright.models.decoder_shape import DecoderShape
from edgewright.models.transformer_shape import TransformerShape

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, kw_only=True)
class PricedLayer:
    """One layer's sizes, and how many tokens it works on at once.

    Each of `gated` neurons is the product of two, and has three matrices' rows. `queries` heads share a key/value head.
    """

    length: int
    width: int
    head_width: int
    heads: int
    neurons: int
    gated: bool = False
    queries: int = 1

    @classmethod
    def largest(cls, shape: TransformerShape, length: int) -> PricedLayer:
        """As many heads and neurons as any layer of a model has."""
        return cls(
            length=length,
            width=shape.width,
            head_width=shape.layers[0].head_width,
            heads=max(layer.heads for layer in shape.layers),
            neurons=max(layer.neurons for layer in shape.layers),
            gated=shape.gated,
        )

    @classmethod
    def each(cls, shape: TransformerShape | DecoderShape, length: int) -> tuple[PricedLayer, ...]:
        """The layers of a model; one without heads or neurons has 0 of them."""
        return tuple(
            cls(
                length=length,
                width=shape.width,
                head_width=size.head_width,
                heads=size.heads,
                neurons=size.neurons,
                gated=shape.gated,
                queries=size.queries,
            )
            for size in shape.layer_sizes
        )


class CostAtSize(BaseModel):
    """One size and what it takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Count
    ms: Milliseconds


class CostTable(BaseModel):
    """Straight lines between points of rising size; 0 heads or neurons take 0 ms.

    It holds for one text of `length` tokens, and layers of this width and head width.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    length: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    head_width: Annotated[int, Field(gt=0)]
    fixed_ms: Milliseconds
    attention_ms: Annotated[tuple[CostAtSize, ...], Field(min_length=2)]
    feed_forward_ms: Annotated[tuple[CostAtSize, ...], Field(min_length=2)]

    @model_validator(mode="after")
    def _rising(self) -> CostTable:
        for name, points in (("attention_ms", self.attention_ms), ("feed_forward_ms", self.feed_forward_ms)):
            for before, after in pairwise(points):
                if after.size <= before.size or after.ms < before.ms:
                    raise ValueError(f"{name}: size {after.size} after {before.size} must be larger and no cheaper")
        return self

    @property
    def fixed(self) -> float:
        """All that no layer takes, in ms."""
        return self.fixed_ms

    def attention(self, heads: int) -> float:
        """One layer's attention, in ms."""
        return _between(self.attention_ms, heads)

    def feed_forward(self, neurons: int) -> float:
        """One layer's feed-forward block, in ms."""
        return _between(self.feed_forward_ms, neurons)

    def save(self, file: Path) -> None:
        """Write JSON."""
        file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load(file: Path) -> CostTable:
    """Read what `save` wrote. Raises `InvalidFileError` with every fault, `InputError` when it cannot be read."""
    try:
        return read_json(CostTable, file.read_bytes(), name=str(file), whole="table")
    except OSError as error:
        raise InputError(f"the cost table {file} cannot be read: {error}; measure it again") from error


def _between(points: Sequence[CostAtSize], size: int) -> float:
    """On the line between the neighbours; beyond the ends the nearest line goes on, but not below 0."""
    if size == 0:
        return 0.0
    sizes = [point.size for point in points]
    place = min(max(bisect_right(sizes, size), 1), len(points) - 1)
    left, right = points[place - 1], points[place]
    slope = (right.ms - left.ms) / (right.size - left.size)
    return max(left.ms + slope * (size - left.size), 0.0)
