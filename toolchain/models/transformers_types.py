"""What is used of transformers' objects, which have no types that a checker could read.

In:  a configuration, a model or a tokenizer as transformers makes it of a model's files.
Out: `TransformersConfig`, which reads a configuration's settings as the types that are expected of them, and protocols
     of the rest.
Which families are read, and by which settings, is said by `layouts`, `loading` and `vision`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgewright.base.json_values import (
    JsonObject,
    JsonValue,
    as_integer,
    as_list,
    as_number,
    as_object,
    as_text,
    shown_value,
)
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, ToolchainError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"


class TokenizerBackend(Protocol):
    """A tokenizer of the `tokenizers` library."""

    def to_str(self) -> str:
        """Its definition, as `tokenizer.json` has it."""
        ...


class PretrainedTokenizer(Protocol):
    """A tokenizer of transformers. One without a `backend_tokenizer` has no definition that can be read."""

    @property
    def backend_tokenizer(self) -> TokenizerBackend: ...  # noqa: D102

    def __call__(
        self, texts: list[str], *, padding: bool, truncation: bool, max_length: int, return_tensors: str
    ) -> Mapping[str, Tensor]:
        """The inputs of a model, (texts, longest) each."""
        ...


class PretrainedConfig(Protocol):
    """A configuration of transformers; which settings it has depends on the model's family."""

    def to_json_string(self, *, use_diff: bool) -> str:
        """All that differs from the defaults, as JSON."""
        ...

    def update(self, settings: dict[str, object], /) -> None:
        """Change these settings."""
        ...


@dataclass(frozen=True)
class TransformersConfig:
    """A configuration whose settings are read by name.

    A setting that is not there has the reader's default. Raises `BadModelError` where it has none, and for a value of
    another type, naming the setting and its value. `None` for `own` is a model without a configuration.
    """

    own: PretrainedConfig | None

    @property
    def model_type(self) -> str:
        """The name of the model's family."""
        return str(self._required("model_type"))

    @property
    def architectures(self) -> tuple[str, ...]:
        """The classes that the model was saved by."""
        return tuple(str(name) for name in self.sequence("architectures", ()))

    @property
    def labels(self) -> dict[int, str]:
        """The names of the model's classes, by their numbers."""
        named = self.value("id2label")
        return {int(place): str(name) for place, name in named.items()} if isinstance(named, Mapping) else {}

    def value(self, name: str, default: object = None) -> object:
        """A setting of whatever type."""
        return getattr(self.own, name, default)

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        return as_integer(self._required(name, default), CONFIG, name, error=_fault)

    def optional(self, name: str) -> int | None:
        """A whole number, or None where the setting is null or not there."""
        value = self.value(name)
        return None if value is None else as_integer(value, CONFIG, name, error=_fault)

    def number(self, name: str, default: float | None = None) -> float:
        """A number."""
        return as_number(self._required(name, default), CONFIG, name, error=_fault)

    def text(self, name: str, default: str | None = None) -> str:
        """Text."""
        return as_text(self._required(name, default), CONFIG, name, error=_fault)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Whether the setting is true; null and 0 are not."""
        return bool(self._required(name, default))

    def sequence(self, name: str, default: Sequence[JsonValue] | None = None) -> Sequence[JsonValue]:
        """A list; an empty one where the setting is null."""
        value = self._required(name, default)
        if value is None:
            return ()
        return value if isinstance(value, tuple) else as_list(value, CONFIG, name, error=_fault)

    def table(self, name: str) -> JsonObject:
        """An object of settings by name."""
        return as_object(self._required(name), CONFIG, name, error=_fault)

    def pair(self, name: str) -> tuple[int, int]:
        """(height, width) of a size that is stated as both, or as one for both."""
        size = self._required(name)
        if isinstance(size, int):
            return size, size
        if isinstance(size, Sequence) and len(size) == 2 and all(isinstance(side, int) for side in size):
            return size[0], size[1]
        raise _fault(name, f"must be a size or [height, width], not {shown_value(size)}")

    def described(self) -> JsonObject:
        """All that differs from transformers' defaults, as JSON has it."""
        if self.own is None:
            return {}
        return as_object(parse_json(self.own.to_json_string(use_diff=True), name=CONFIG), CONFIG)

    def with_head(self, ending: str, classes: int) -> TransformersConfig:
        """A copy that says that the model was saved by one class of this name's ending, with so many outputs."""
        own = copy.deepcopy(self.own)
        if own is not None:
            own.update({"architectures": [ending]})
            if self.integer("num_labels") != classes:  # which would name the classes anew
                own.update({"num_labels": classes})
        return TransformersConfig(own)

    def _required(self, name: str, default: object = None) -> object:
        if default is None and not hasattr(self.own, name):
            raise _fault(name, "is missing")
        return getattr(self.own, name, default)


def config_of(model: object) -> TransformersConfig:
    """The configuration that a model of transformers was made by."""
    return TransformersConfig(getattr(model, "config", None))


def _fault(place: str, what: str) -> ToolchainError:
    return BadModelError(CONFIG, f"{place} {what}")
