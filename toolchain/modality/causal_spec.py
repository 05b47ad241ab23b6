"""What an artifact that writes takes: tokens and their position, with a cache of those before.

In:  the cache's size, how many tokens of a prompt are read at once, and the tokens that begin and end a text.
Out: `CausalTextSpec`; a prompt that a user gives, as such an artifact takes it. How a runtime's methods are made of it
     is `runtimes.decoder_input`'s concern.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from edgewright.base.reading import validated
from edgewright.base.untrusted import ReadLimits, is_unicode, parse_json
from edgewright.errors import BadModelError, InputError
from edgewright.modality.causal_rows import Frame
from edgewright.modality.causal_tokens import TokenWriter
from edgewright.modality.chat_template import ChatTemplate
from edgewright.modality.input_spec import BundleFile, Examples, InputSpec, ReadExample
from edgewright.modality.text_spec import EXAMPLE_TOKENS, TOKENIZER, TRACED_LENGTH
from edgewright.specs.generation import Writes
from edgewright.specs.recipe.export import CacheFormat
from edgewright.specs.signature import Array, Axis, DType
from edgewright.specs.signature import Tensor as TensorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

CHAT_TEMPLATE = "chat_template.json"
TEMPLATE_LIMITS = ReadLimits(bytes=8 << 20, depth=4, keys=1000)
IDS = "ids"


class _TemplateFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    text: str
    tokens: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class CausalTextSpec(InputSpec):
    """Ids (1, n) from a position on, of a text of at most `context` tokens.

    A text begins with the tokens `begin` and ends with any of `stop`. With `chat` a prompt is written as a message, by
    the chat template beside the tokenizer. Of a draft `verify_tokens` are read at once; 0: there is none.
    """

    max_length: int
    context: int
    prefill_lengths: tuple[int, ...]
    cache: CacheFormat = "float32"
    begin: tuple[int, ...] = ()
    stop: tuple[int, ...] = ()
    chat: bool = False
    verify_tokens: int = 0
    saved_example: ClassVar[object] = list[Annotated[int, Field(ge=0, le=2**31 - 1)]]

    @property
    @override
    def writes(self) -> Writes:
        return Writes(
            context=self.context,
            prefill_lengths=self.prefill_lengths,
            cache=self.cache,
            begin=self.begin[0] if self.begin else None,
            stop=self.stop,
            verify_tokens=self.verify_tokens,
        )

    @override
    def facts(self, reading: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        unsaid = ("batch", "lengths", "max_length")
        return {name: _listed(value) for name, value in asdict(self).items() if name not in unsaid}

    @override
    def module(self, model: nn.Module, *, padded: bool = False) -> nn.Module:
        """The model for a whole text at once, (1, n) → (1, n, vocabulary): what its parts read is seen there."""
        from edgewright.models.text import WholeText

        return WholeText(model).eval()

    @override
    def tensors(self, *, fixed_shapes: bool, index_dtype: DType) -> tuple[TensorSpec, ...]:
        axis = Axis(name="length", most=self.context)
        return (TensorSpec(name=IDS, dtype=index_dtype, shape=(1, axis)),)

    @override
    def arrays(self, examples: Examples, index_dtype: DType) -> dict[str, Array]:
        (ids,) = examples
        return {IDS: np.array([ids], dtype=index_dtype)}

    @override
    def checked(self, model: nn.Module, examples: Examples) -> Examples:
        for place, ids in enumerate(examples):
            if not 0 < len(ids) <= self.context:
                raise InputError(
                    f"calibration example {place} has {len(ids)} tokens, but the cache holds 1 to {self.context}; cut "
                    "it there"
                )
        return examples

    @override
    def example(self) -> Tensor:
        import torch

        return torch.ones(1, min(EXAMPLE_TOKENS, self.context), dtype=torch.long)

    @override
    def traced(self) -> list[Tensor]:
        import torch

        longer = min(TRACED_LENGTH, self.context)
        return [torch.ones(1, length, dtype=torch.long) for length in (longer // 2, longer)]

    @override
    def save_examples(self, examples: Examples, folder: Path) -> Mapping[str, JsonValue]:
        return {"inputs": list(examples)}

    @override
    def load_examples(self, saved: Examples, file: BundleFile, count: int) -> Sequence[Sequence[int]]:
        return [list(each) for each in saved]

    @override
    def reader(self, file: BundleFile) -> Callable[[str], ReadExample]:
        from edgewright.modality.decoder_tokenizer import DecoderTokenizer

        tokenizer = DecoderTokenizer.load(file(TOKENIZER), max_length=self.context)
        template = read_chat_template(file(CHAT_TEMPLATE)) if self.chat else None
        tokens = TokenWriter(tokenizer=tokenizer, frame=Frame(begin=self.begin), template=template)

        def read(text: str) -> ReadExample:
            if not text:
                raise InputError("the input is empty; give the text that is to go on with --input")
            if not is_unicode(text):
                raise InputError(
                    "the input is no Unicode text; give --input in UTF-8, in a locale of it (LANG=C.UTF-8)"
                )
            return ReadExample(examples=[tokens.asked(text)])

        return read


def _listed(value: JsonValue) -> JsonValue:
    return list(value) if isinstance(value, tuple) else value


def written_chat_template(template: ChatTemplate) -> str:
    """As `read_chat_template` reads it."""
    return json.dumps({"text": template.text, "tokens": dict(template.tokens)}, ensure_ascii=False)


def read_chat_template(file: Path) -> ChatTemplate:
    """The template beside a tokenizer.

    Raises `BadModelError` or `InvalidFileError` for a damaged file, `UnsupportedModelError` for code.
    """

    def fault(where: str, what: str) -> BadModelError:
        return BadModelError(str(file), f"{where} {what}")

    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadModelError(str(file), error.strerror or str(error)) from error
    values = parse_json(data, name=str(file), limits=TEMPLATE_LIMITS, error=fault)
    document = validated(_TemplateFile, values, file=str(file))
    return ChatTemplate(document.text, document.tokens)
