"""The sizes of decoder transformers: of the model, and of each layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from edgewright.models.transformer_shape import LINEARS, Described, LayerSize

Norm = Literal["rms", "layer"]
CACHE = ("cache_k", "cache_v")


@dataclass(frozen=True, kw_only=True)
class DecoderLayerShape:
    """One layer's sizes; a part of 0 groups or 0 neurons adds nothing, or its bias alone.

    A group is a key/value head with all the query heads that read it. `ranks` has the rank of each matrix that is kept
    as a product of two, by its name in `LINEARS`, and `biased` names those with a bias. A token of a layer with a
    `window` sees so many tokens, itself among them; 0 is all before it.
    """

    groups: int
    neurons: int
    ranks: Mapping[str, int] = field(default_factory=dict)
    biased: tuple[str, ...] = ()
    window: int = 0

    def kept(self, *, groups: int, neurons: int) -> DecoderLayerShape:
        """What a cut leaves of this layer where so many groups and neurons stay."""
        gone = {*(() if groups else LINEARS[:2]), *(() if neurons else LINEARS[2:])}
        ranks = {name: rank for name, rank in self.ranks.items() if name not in gone}
        return replace(self, groups=groups, neurons=neurons, ranks=ranks)


@dataclass(frozen=True, kw_only=True)
class DecoderShape:
    """Every size of a `DecoderModel`; together with the weights it is the whole model.

    `family` is its name in the table of families. `queries` is the number of query heads in a group. Each neuron of a
    `gated` feed-forward block is the product of two, one of them through the activation (Shazeer 2020, SwiGLU).

    Where tokens are is told by a table of `absolute` positions, or by turning pairs of a head's channels by
    `frequencies` (radians a token); cosines and sines are multiplied by `rotary_scale` (Peng et al. 2023, YaRN). With
    a `head_norm_epsilon` queries and keys are normalised head by head before that. The output table is the token table
    where they are `tied`. A token table of low rank is the product of (vocabulary, `token_rank`) and a small matrix; an
    output table of its own may be one of (vocabulary, `output_rank`), which adds one more number to all scores.
    """

    family: str
    vocabulary: int
    positions: int
    width: int
    head_width: int
    queries: int
    layers: tuple[DecoderLayerShape, ...]
    norm: Norm = "rms"
    norm_epsilon: float = 1e-6
    activation: str = "silu"
    gated: bool = True
    absolute: bool = False
    frequencies: tuple[float, ...] = ()
    rotary_scale: float = 1.0
    head_norm_epsilon: float | None = None
    tied: bool = True
    token_rank: int | None = None
    output_rank: int | None = None

    @classmethod
    def from_mapping(cls, values: Described) -> Self:
        """The inverse of `dataclasses.asdict`, also behind a file in JSON."""
        layers = tuple(DecoderLayerShape(**{**layer, "biased": tuple(layer["biased"])}) for layer in values["layers"])
        return cls(**{**values, "frequencies": tuple(values["frequencies"]), "layers": layers})

    @property
    def heads(self) -> int:
        """The query heads of the layer that has the most."""
        return self.queries * self.groups

    @property
    def groups(self) -> int:
        """The key/value heads of the layer that has the most."""
        return max((layer.groups for layer in self.layers), default=0)

    @property
    def layer_sizes(self) -> tuple[LayerSize, ...]:
        """Of each layer."""
        return tuple(
            LayerSize(
                heads=each.groups * self.queries,
                head_width=self.head_width,
                neurons=each.neurons,
                queries=self.queries,
            )
            for each in self.layers
        )

    @property
    def windows(self) -> tuple[int, ...]:
        """The different windows of its layers, rising."""
        return tuple(sorted({layer.window for layer in self.layers if layer.groups}))

    def narrowed(self, width: int) -> Self:
        """The same with so many dimensions of the residual stream, those that are left out holding nothing.

        The mean of squares is over fewer of them then, and what is added to it grows alike.
        """
        epsilon = self.norm_epsilon * (self.width / width if self.norm == "rms" else 1.0)
        return replace(self, width=width, norm_epsilon=epsilon)

    def cut_at(self, positions: int) -> Self:
        """The same for texts of at most `positions` tokens, which a window as long sees whole."""
        positions = min(positions, self.positions)
        layers = tuple(replace(each, window=each.window if each.window < positions else 0) for each in self.layers)
        return replace(self, positions=positions, layers=layers)

    def state(self, context: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """The names and sizes of the cache's tensors: (layers with attention, groups, context, head_width) each."""
        layers = sum(bool(layer.groups) for layer in self.layers)
        return tuple((name, (layers, self.groups, context, self.head_width)) for name in CACHE)
