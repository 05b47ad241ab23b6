"""A teacher's tokenizer in our form: padding is token 0, and every other piece keeps its order.

In:  a tokenizer as transformers has it.
Out: a `TextTokenizer`, and the order in which it has the pieces of the one that was given.
"""

from __future__ import annotations

import json

from edgewright.base.json_values import as_list, as_object
from edgewright.base.untrusted import parse_json
from edgewright.errors import InputError
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models.source import local_folder
from edgewright.models.transformers_types import PretrainedTokenizer
from edgewright.specs.recipe import ModelSource

LOWERCASE = "Lowercase"


def tokenizer_of(
    tokenizer: PretrainedTokenizer, source: ModelSource, max_length: int, *, lower_case: bool
) -> tuple[TextTokenizer, tuple[int, ...]]:
    """The tokenizer, and the order: its id i is the given one's id `order[i]`; with `lower_case` it lowers texts first.

    Raises `InputError` for a tokenizer without a definition, and what `TextTokenizer` raises.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(f"{type(tokenizer).__name__} has no tokenizer.json; give one of the `tokenizers` library")
    place = str((None if source.factory else local_folder(source)) or source.hub or source.factory)
    definition = _lower_case(backend.to_str()) if lower_case else backend.to_str()
    return TextTokenizer.from_definition(
        definition, max_length=max_length, padding=getattr(tokenizer, "pad_token", None), place=place
    )


def _lower_case(definition: str) -> str:
    """The tokenizer that makes texts lower case before all else, as sentence-transformers' `do_lower_case` does."""
    read = as_object(parse_json(definition, name="tokenizer.json"), "tokenizer.json")
    first = as_object(read.get("normalizer") or {}, "tokenizer.json", "normalizer")
    parts = (first["normalizers"] if first["type"] == "Sequence" else [first]) if first else []
    parts = as_list(parts, "tokenizer.json", "normalizer", "normalizers")
    return json.dumps({**read, "normalizer": {"type": "Sequence", "normalizers": [{"type": LOWERCASE}, *parts]}})
