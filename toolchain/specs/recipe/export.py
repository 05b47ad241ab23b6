"""The section [stages.export]: which runtimes get an artifact, and in which shapes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field, model_validator

from edgewright.specs.profiles import Runtime
from edgewright.specs.recipe.section import LEAST_LENGTH, LONGEST_CONTEXT, Section, each_once, setting

DEFAULT_LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128)
DEFAULT_PREFILL_LENGTHS = (8, 32, 128)
CacheFormat = Literal["float32", "int8"]


class RuntimeDescription(Protocol):
    """What a recipe needs to know of a runtime; `edgewright.runtimes.descriptor.Runtime` says what each of these is."""

    @property
    def takes_batches(self) -> bool: ...  # noqa: D102
    @property
    def generates(self) -> bool: ...  # noqa: D102
    @property
    def single_method(self) -> bool: ...  # noqa: D102
    def supports(self, scheme: str, /) -> bool: ...  # noqa: D102


def runtimes() -> Mapping[str, RuntimeDescription]:
    """The runtimes there are. Their table lies in a room above, and is light."""
    table: Mapping[str, RuntimeDescription] = import_module("edgewright.runtimes.table").RUNTIMES
    return table


def _rising(lengths: tuple[int, ...]) -> tuple[int, ...]:
    if list(lengths) != sorted(set(lengths)):
        raise ValueError(f"must rise from one to the next, not {list(lengths)}")
    return lengths


class Export(Section):
    """Which runtimes get an artifact, and in which shapes."""

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1), AfterValidator(each_once)] = setting(
        ("executorch", "litert"), "Which runtimes get an artifact.", costs="an export each"
    )
    lengths: Annotated[
        tuple[Annotated[int, Field(gt=0, le=512)], ...], Field(min_length=1), AfterValidator(_rising)
    ] = setting(
        DEFAULT_LENGTHS,
        "The lengths that a runtime of fixed shapes is given, rising; the task's own comes last.",
        unit="tokens",
        costs="memory for each length in use",
    )
    context: Annotated[int, Field(ge=LEAST_LENGTH, le=LONGEST_CONTEXT)] | None = setting(
        None,
        "How many tokens of a text and of what is written after it an artifact's cache holds; task.max_length where "
        "none is given.",
        unit="tokens",
        costs="memory for the keys and values of each token",
    )
    prefill_lengths: Annotated[
        tuple[Annotated[int, Field(gt=1, le=4096)], ...], Field(min_length=1), AfterValidator(_rising)
    ] = setting(
        DEFAULT_PREFILL_LENGTHS,
        "How many tokens of a prompt are read at once under a runtime of fixed shapes, rising; under others any number "
        "up to the last.",
        unit="tokens",
        costs="memory for the last of them",
    )
    cache: CacheFormat = setting(
        "float32", "In which numbers the cache keeps keys and values.", costs="int8: a little of the score"
    )
    verify_tokens: Annotated[int, Field(ge=0, le=32)] = setting(
        0,
        "How many tokens that a smaller model drafts an artifact reads at once, to write its own text in fewer passes "
        "(`edgewright draft`); 0 for none.",
        unit="tokens",
        costs="memory for the logits of each",
    )
    batch: Annotated[int, Field(ge=1, le=64)] = setting(
        1,
        "How many examples an artifact also takes at once, by the same weights.",
        unit="examples",
        costs="an export each",
    )
    float_reference: bool = setting(
        False,
        "The bundle also holds each artifact's float reference, to be measured against on a device.",
        costs="the float model's size",
        names=("float_reference", "keep_float"),
    )

    @model_validator(mode="after")
    def _can_verify(self) -> Export:
        if not self.verify_tokens:
            return self
        if self.cache != "float32":
            raise ValueError(
                f"has verify_tokens and cache = {self.cache!r}, whose rounding makes tokens that are read at once "
                "differ from single ones; leave one of them out"
            )
        if single := [name for name in self.runtimes if runtimes()[name].single_method]:
            raise ValueError(
                f"has verify_tokens, and a file of {' and '.join(single)} has one method and none that verifies a "
                "draft; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Export:
        single = [name for name in self.runtimes if not runtimes()[name].takes_batches] if self.batch > 1 else []
        if single:
            raise ValueError(
                f"takes batch = {self.batch} with other runtimes than {' and '.join(single)}, whose file is for one "
                "example at a time"
            )
        return self
