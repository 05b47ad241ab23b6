"""The sizes of transformers and of their layers, and what a cut keeps of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

from edgewright.errors import InputError

ACTIVATIONS = {
    "gelu": "none",
    "gelu_python": "none",
    "gelu_new": "tanh",
    "gelu_pytorch_tanh": "tanh",
    "gelu_fast": "tanh",
    "relu": "relu",
}
Described: TypeAlias = Mapping[str, Any]  # a shape as JSON holds it
LINEARS = ("query_key_value", "attention_output", "up", "down")


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """One layer's sizes; 0 heads or 0 neurons leave nothing of that part but a constant.

    `ranks` has the rank of each matrix that is kept as a product of two, by its name in `LINEARS`. `relative` says
    which of the model's relative biases is each head's, where it has such. A `local` layer looks nearby only. One that
    is not `normed` reads the residual stream as it is where others have a norm before attention. `distances` is the
    number of rows of its tables of distances, 0 without such.
    """

    heads: int
    head_width: int
    neurons: int
    ranks: Mapping[str, int] = field(default_factory=dict)
    relative: tuple[int, ...] = ()
    local: bool = False
    normed: bool = True
    distances: int = 0

    def resized(self, *, heads: int, neurons: int, head_width: int | None = None) -> LayerShape:
        """A layer of this kind and of other sizes, all its matrices whole."""
        relative = tuple(range(heads)) if self.relative else ()
        width = self.head_width if head_width is None else head_width
        return replace(self, heads=heads, neurons=neurons, head_width=width, ranks={}, relative=relative)

    def kept(self, *, heads: Sequence[int], neurons: int, head_width: int | None = None) -> LayerShape:
        """What a cut leaves of this layer where these heads and so many neurons stay; None keeps all channels."""
        gone = {*(() if heads else LINEARS[:2]), *(() if neurons else LINEARS[2:])}
        return replace(
            self,
            heads=len(heads),
            head_width=head_width or self.head_width,
            neurons=neurons,
            ranks={name: rank for name, rank in self.ranks.items() if name not in gone},
            relative=tuple(self.relative[head] for head in heads) if self.relative else (),
        )


@dataclass(frozen=True, kw_only=True)
class LayerSize:
    """The sizes of one layer, of whatever kind its model is: `queries` of its heads share a key/value head."""

    heads: int
    head_width: int
    neurons: int
    queries: int = 1


@dataclass(frozen=True, kw_only=True)
class TransformerShape:
    """The sizes that all transformers have; `norm_first` is the order of Xiong et al. 2020, which vision uses.

    With `gated` each neuron is the product of two, one of them through the activation (Shazeer 2020, GeGLU).
    """

    width: int
    layers: tuple[LayerShape, ...]
    activation: str = "gelu"
    norm_epsilon: float = 1e-12
    norm_first: bool = False
    gated: bool = False

    @classmethod
    def from_mapping(cls, values: Described) -> Self:
        """The inverse of `dataclasses.asdict`."""
        layers = tuple(
            LayerShape(**{**layer, "relative": tuple(layer.get("relative", ()))}) for layer in values["layers"]
        )
        return cls(**{**values, "layers": layers})

    @property
    def rotary(self) -> bool:
        """Whether queries and keys are turned by their tokens' places."""
        return False

    @property
    def layer_sizes(self) -> tuple[LayerSize, ...]:
        """Of each layer."""
        return tuple(
            LayerSize(heads=each.heads, head_width=each.head_width, neurons=each.neurons) for each in self.layers
        )

    @property
    def macs_each_neuron(self) -> int:
        """The multiply-accumulates of one neuron for one token."""
        return (3 if self.gated else 2) * self.width

    def require_whole_heads(self, head_width: int | None) -> None:
        """Raises `InputError` where heads are to have fewer channels and cannot."""
        widest = max((layer.head_width for layer in self.layers), default=0)
        if self.rotary and head_width is not None and head_width < widest:
            raise InputError(
                f"stages.prune.head_width asks for {head_width} of {widest} channels, but this model's rotary "
                "positions turn a head's channels in pairs, so that none can go; remove stages.prune.head_width and "
                "lower stages.prune.heads"
            )


@dataclass(frozen=True, kw_only=True)
class LayerCut:
    """What one layer keeps: its place in the model it is cut from, and the heads and neurons that stay.

    `query_key` and `value` have, for each kept head in turn, the channels of it that stay; None keeps all. All heads
    of a layer keep equally many.
    """

    layer: int
    heads: tuple[int, ...]
    neurons: tuple[int, ...]
    query_key: tuple[tuple[int, ...], ...] | None = None
    value: tuple[tuple[int, ...], ...] | None = None
