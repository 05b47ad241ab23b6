"""What an artifact takes of texts: their ids.

In:  the longest text, the lengths of fixed shapes, the number of tags.
Out: `TextInputSpec`; the texts of a bundle, and a text that a user gives, as an artifact takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import Field, JsonValue
from typing_extensions import override

from edgewright.base.untrusted import is_unicode
from edgewright.errors import InputError
from edgewright.modality.encoded import first_places
from edgewright.modality.input_spec import BundleFile, Examples, Facts, InputSpec, ReadExample
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.specs.signature import Array, Axis, DType
from edgewright.specs.signature import Tensor as TensorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

SHORTEST = 2  # a first and a last token are always there
LENGTH = "length"  # the axis of tokens
EXAMPLE_TOKENS = 16
TRACED_LENGTH = 24  # the longer of two texts that a structure is recorded from
PADDING = 0  # the id that fills up the shorter texts of a batch
NAME = "ids"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class TextInputSpec(InputSpec):
    """Ids (batch, n): for any n from 2 to `max_length`, or where shapes are fixed for each n of `lengths`.

    Of several texts the shorter ones are filled up with padding; one alone needs none where n is free.
    """

    max_length: int
    tags: int = 0  # type: ignore[misc]  # a field here, which differs from task to task
    saved_example: ClassVar[object] = list[Annotated[int, Field(ge=0, le=2**31 - 1)]]

    @override
    def facts(self, reading: Facts) -> Mapping[str, JsonValue]:
        """Nothing more: a manifest's task says both."""
        return {}

    @override
    def module(self, model: nn.Module, *, padded: bool = False) -> nn.Module:
        from edgewright.models.text import TextModule

        return TextModule(model, padded=padded).eval()

    @override
    def tensors(self, *, fixed_shapes: bool, index_dtype: DType) -> tuple[TensorSpec, ...]:
        axis = Axis(name=LENGTH, least=SHORTEST, most=self.max_length)
        if fixed_shapes:
            axis = Axis(name=LENGTH, most=self.lengths[-1], buckets=self.lengths)
        return (TensorSpec(name=NAME, dtype=index_dtype, shape=(self.batch, axis)),)

    @override
    def arrays(self, examples: Examples, index_dtype: DType) -> dict[str, Array]:
        longest = max(map(len, examples))
        rows = [[*ids, *[PADDING] * (longest - len(ids))] for ids in examples]
        return {NAME: np.array(rows, dtype=index_dtype)}

    @override
    def checked(self, model: nn.Module, examples: Examples) -> Examples:
        from edgewright.models.capabilities import TOKEN_TABLE
        from edgewright.models.families import required

        pieces = required(model, TOKEN_TABLE, setting="stages.quantize.scheme").pieces(model)
        for place, ids in enumerate(examples):
            if not 0 < len(ids) <= self.max_length:
                raise InputError(
                    f"calibration example {place} has {len(ids)} tokens, but the model takes 1 to "
                    f"{self.max_length}; cut it there"
                )
            if strangers := [int(each) for each in ids if not 0 <= int(each) < pieces]:
                raise InputError(
                    f"calibration example {place} has token {strangers[0]}, but the model's vocabulary has {pieces} "
                    "pieces, counted from 0; encode texts with its own tokenizer, not the teacher's"
                )
        return examples

    @override
    def example(self) -> Tensor:
        import torch

        return torch.ones(self.batch, EXAMPLE_TOKENS, dtype=torch.long)

    @override
    def save_examples(self, examples: Examples, folder: Path) -> Mapping[str, JsonValue]:
        return {"inputs": list(examples)}

    @override
    def load_examples(self, saved: Examples, file: BundleFile, count: int) -> Examples:
        return saved

    @override
    def reader(self, file: BundleFile) -> Callable[[str], ReadExample]:
        tokenizer = TextTokenizer.load(file(TOKENIZER), max_length=self.max_length)

        def read(text: str) -> ReadExample:
            if not text.strip():
                raise InputError("the input is empty; give a text with --input")
            if not is_unicode(text):  # bytes of the command line that are no UTF-8 arrive as halves of surrogate pairs
                raise InputError(
                    "the input is no Unicode text; give --input in UTF-8, in a locale of it (LANG=C.UTF-8)"
                )
            (row,) = tokenizer.encode_any([text.split()] if self.tags else [text])
            return ReadExample(examples=[row.ids], places=first_places(row) if self.tags else {})

        return read

    @override
    def traced(self) -> list[Tensor]:
        import torch

        longer = min(TRACED_LENGTH, self.max_length)
        return [torch.ones(1, length, dtype=torch.long) for length in (longer // 2, longer)]

    @override
    def joined(self, outputs: Sequence[Tensor], examples: Examples) -> Tensor:
        """(texts, outputs), or of tags (all tokens, tags), without the outputs of padding."""
        import torch

        if not self.tags:
            return super().joined(outputs, examples)
        rows = [row.flatten()[: len(ids) * self.tags] for row, ids in zip(outputs, examples, strict=True)]
        return torch.cat(rows).view(-1, self.tags)

    @override
    def apart(self, outputs: Tensor, examples: Examples) -> list[Tensor]:
        if not self.tags:
            return super().apart(outputs, examples)
        return [each.flatten() for each in outputs.split([len(ids) for ids in examples])]
