"""What a family of models can do, as small protocols that stages ask for; `families` says which family offers which.

In:  nothing; these are the terms in which `compress`, `quantize` and the stages speak of models.
Out: a `Capability` for each: its name in descriptors, its protocol, and what a model without it lacks.
An implementation is a value (or a module) beside the family, not a base class: one may serve several families.
Every method takes the model first. `models` as a whole must not know `compress`, so that a cut's goal is `compress`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.models.inputs import Inputs
    from edgewright.models.units import Units

Offered = TypeVar("Offered")
OwnModel: TypeAlias = Any  # the class of the family that offers it, which knows no other
RunsLayer: TypeAlias = Any  # (one of its layers, hidden vectors, what its layers are told) → hidden vectors


@runtime_checkable
class Stores(Protocol):
    """Writes a model into a folder and reads it back: tensors as safetensors, all else as JSON, nothing as pickle."""

    def save(self, model: OwnModel, folder: Path) -> None:
        """Write into an existing folder."""

    def load(self, folder: Path, *, factory: str = "") -> OwnModel:
        """Read what `save` wrote, in evaluation mode; `factory` is named again where its code has to be run."""


@runtime_checkable
class PreparesToRun(Protocol):
    """Makes the copy that is exported and timed: the same outputs, and no more arithmetic than they need."""

    def to_run(self, model: OwnModel) -> OwnModel:
        """A copy; the model stays as it is."""


@runtime_checkable
class Rebuildable(Protocol):
    """Makes a model of the same sizes that has learned nothing."""

    def fresh(self, model: OwnModel, *, seed: int) -> OwnModel:
        """Random weights, the same for the same seed."""


@runtime_checkable
class Sliceable(Protocol):
    """Removes whole units, with all that goes with them, and refits what stays.

    `units` are the settings of `stages.prune` that name sizes of this family ("heads", "neurons", "keep_macs" …).
    """

    @property
    def units(self) -> Sequence[str]:
        """The names of the recipe's settings."""

    def cut(self, model: OwnModel, sample: Inputs, goal: object) -> OwnModel:
        """A `compress.cutting.Cut` that keeps what a `compress.cutting.Goal` asks for; the model stays as it is."""


@runtime_checkable
class Factorisable(Protocol):
    """Has matrices that may be kept as products of two thinner ones."""

    def parts(self, model: OwnModel) -> Sequence[str]:
        """The kinds of matrices there are: the last word of their names."""

    def root(self, model: OwnModel) -> nn.Module:
        """The module in which the matrices' names are places."""

    def matrices(self, model: OwnModel, parts: Collection[str]) -> Mapping[str, nn.Module]:
        """The modules of these parts by name, in the order in which they are applied."""

    def tokens_each(self, model: OwnModel) -> int:
        """How many rows a matrix reads for each unit of an example's size."""

    def counted(self, model: OwnModel, *batch: Tensor) -> Tensor | None:
        """(examples, length), 1 for a row that counts and 0 for padding; None where all count."""

    def factorised(self, model: OwnModel, ranks: Mapping[str, int], state: Mapping[str, Tensor]) -> OwnModel:
        """A model whose named matrices have these ranks, with the weights of `state`."""


@runtime_checkable
class HasHiddenStates(Protocol):
    """Has vectors between its layers that a student can learn beside the outputs."""

    def width(self, model: OwnModel) -> int:
        """How many numbers a hidden vector has."""

    def tokens_each(self, model: OwnModel) -> int:
        """How many vectors an example has for each unit of its size."""

    def states(self, model: OwnModel, *batch: Tensor) -> list[Tensor]:
        """What enters each layer, first to last, and what leaves the last, (examples, longest, width) each."""

    def outputs(self, model: OwnModel, last: Tensor, *batch: Tensor) -> Tensor:
        """The outputs that follow from the last state."""

    def units(self, model: OwnModel, inputs: Inputs) -> Units:
        """By which units vectors are compared: words of a text, patches of an image."""

    def output_each_unit(self, model: OwnModel) -> bool:
        """Whether each token has an output, rather than each example."""

    def embeds(self, model: OwnModel) -> bool:
        """Whether outputs are vectors to be searched by, not scores or values."""

    def relations_width(self, model: OwnModel) -> int:
        """How many numbers `relations` gives; 0 where the last layer has no attention."""

    def relations(self, model: OwnModel, state: Tensor) -> Tensor:
        """The last layer's queries, keys and values, of what enters it."""


@runtime_checkable
class HasTokenTable(Protocol):
    """Looks tokens up in a table with a row for each piece of a vocabulary."""

    def table(self, model: OwnModel) -> nn.Module:
        """The module that looks tokens up."""

    def projection(self, model: OwnModel) -> nn.Linear | None:
        """The matrix behind it, where the table is one of low rank."""

    def pieces(self, model: OwnModel) -> int:
        """How many rows it has."""

    def with_vocabulary(self, model: OwnModel, kept: Sequence[int]) -> OwnModel:
        """A model whose token i is this one's token `kept[i]`."""


@runtime_checkable
class Smoothable(Protocol):
    """Has channels that one part makes and another alone reads, so that both can be rescaled."""

    def pairs_of(self, model: OwnModel) -> Iterable[tuple[Sequence[Tensor], nn.Linear]]:
        """The tensors that make the channels, channels first and in place, and the layer that reads them."""


@runtime_checkable
class Generates(Protocol):
    """Goes on with a text token by token, from a cache of what it has read; the cache is tensors that the caller holds.

    A text is read by a *prefill* of as many tokens as there are, and goes on by a *decode* of one; both are calls of
    the same module, and a text at position 0 begins anew whatever the cache holds.
    """

    def context(self, model: OwnModel) -> int:
        """The most tokens of a text and what follows it."""

    def state(
        self, model: OwnModel, context: int, *, cache: str = "float32"
    ) -> Sequence[tuple[str, tuple[int, ...], str]]:
        """The names, sizes and dtypes of a cache's tensors for so many tokens, zeros at first.

        The `cache` is "float32", or "int8" with a scale for each row.
        """

    def cached(self, model: OwnModel, *, context: int, every: bool = False, cache: str = "float32") -> nn.Module:
        """A module: (ids (1, length), position (1,) of the first of them, *state) → (logits, *state).

        Logits are those of the last token, (1, vocabulary), or with `every` those of all, (1, length, vocabulary).
        """


@runtime_checkable
class SequenceToSequence(Protocol):
    """Reads a source once and writes what follows from it token by token, from a cache that the caller holds.

    A source is padded with -1. What a source gives is the same for every token: `encode` and `cross_kv` are called once
    for it, `cached` for the tokens; a text at position 0 begins anew whatever the cache holds.
    """

    def positions(self, model: OwnModel) -> int:
        """The most tokens of a source, and of what is written."""

    def state(self, model: OwnModel, context: int) -> Sequence[tuple[str, tuple[int, ...], str]]:
        """The names, sizes and dtypes of a cache's tensors for so many tokens, zeros at first."""

    def encode(self, model: OwnModel) -> nn.Module:
        """A module: source (1, length) → (encoded (1, length, width), seen (1, length): what scores are added)."""

    def cross_kv(self, model: OwnModel) -> nn.Module:
        """A module: encoded → (cross_k, cross_v), the keys and values that the decoder reads of it."""

    def cached(self, model: OwnModel, *, context: int) -> nn.Module:
        """A module: (ids (1, length), position (1,) of the first of them, cross_k, cross_v, seen, *state) →
        (logits (1, vocabulary) of the last, *state)."""


@runtime_checkable
class PredictsTokens(Protocol):
    """Gives scores of the token that follows each, of rows packed with several texts, and no more than are asked for.

    States come first and scores of some of them after, so that all scores of a batch are never held at once.
    """

    def width(self, model: OwnModel) -> int:
        """How many numbers a hidden vector has."""

    def pieces(self, model: OwnModel) -> int:
        """How many tokens there are to predict."""

    def packed_states(
        self, model: OwnModel, ids: Tensor, places: Tensor, texts: Tensor, through: RunsLayer = ...
    ) -> list[Tensor]:
        """What enters each layer, first to last, and what scores are made of, (rows, length, width) each.

        `places` are the tokens' in their own texts, `texts` tells a row's texts apart, (rows, length) each; no token
        sees another text's. `through` runs a layer: compiled, or as it is.
        """

    def token_logits(self, model: OwnModel, closed: Tensor) -> Tensor:
        """What scores are made of (…, width) → scores (…, vocabulary)."""


@runtime_checkable
class CallsOperators(Protocol):
    """A module with a cache that can also call the operators of Edgewright's runners, where a runtime has them."""

    def with_operators(self) -> nn.Module:
        """The same module, which calls them."""


@dataclass(frozen=True, kw_only=True)
class Capability(Generic[Offered]):
    """One of them; `lacking` is what a model without it has not: "attention heads to prune"."""

    name: str
    protocol: type[Offered]
    lacking: str

    def missing(self, offered: object) -> list[str]:
        """The protocol's members that an implementation has not."""
        return [name for name in _members(self.protocol) if not hasattr(offered, name)]


def _members(protocol: type) -> list[str]:
    return [name for name in vars(protocol) if not name.startswith("_")]


STORES = Capability(name="stores", protocol=Stores, lacking="way to be written and read")  # type: ignore[type-abstract]
PREPARES = Capability(name="prepares to run", protocol=PreparesToRun, lacking="form to be run in")  # type: ignore[type-abstract]
REBUILDABLE = Capability(name="rebuildable", protocol=Rebuildable, lacking="way to start from fresh weights")  # type: ignore[type-abstract]
SLICEABLE = Capability(name="sliceable", protocol=Sliceable, lacking="units to prune")  # type: ignore[type-abstract]
FACTORISABLE = Capability(name="factorisable", protocol=Factorisable, lacking="matrices to keep at a low rank")  # type: ignore[type-abstract]
HIDDEN_STATES = Capability(name="hidden states", protocol=HasHiddenStates, lacking="hidden states to distil")  # type: ignore[type-abstract]
TOKEN_TABLE = Capability(name="token table", protocol=HasTokenTable, lacking="token table")  # type: ignore[type-abstract]
GENERATES = Capability(name="generates", protocol=Generates, lacking="text to go on with")  # type: ignore[type-abstract]
SEQUENCE_TO_SEQUENCE = Capability(name="sequence to sequence", protocol=SequenceToSequence, lacking="source text")  # type: ignore[type-abstract]
PREDICTS_TOKENS = Capability(name="predicts tokens", protocol=PredictsTokens, lacking="tokens that it predicts")  # type: ignore[type-abstract]
SMOOTHABLE = Capability(name="smoothable", protocol=Smoothable, lacking="channels to smooth")  # type: ignore[type-abstract]
CAPABILITIES: Mapping[str, Capability[OwnModel]] = {
    each.name: each
    for each in (
        STORES, PREPARES, REBUILDABLE, SLICEABLE, FACTORISABLE, HIDDEN_STATES, TOKEN_TABLE, SMOOTHABLE, GENERATES,
        PREDICTS_TOKENS, SEQUENCE_TO_SEQUENCE,
    )
}  # fmt: skip
