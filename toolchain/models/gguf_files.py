"""GGUF files as llama.cpp reads them: what they hold is checked by name, then transformers reads the weights.

In:  a folder that holds one such file and no configuration, or the file.
Out: a model and a tokenizer of transformers. Weights come de-quantised into float32. transformers leaves unread what it
     does not know (scaled positions, windows, biases), so that a setting or tensor beyond those listed here is refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from edgewright.base.extras import need
from edgewright.base.quiet import quiet
from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.models.decoder_layouts import REMEDY, unread_decoder
from edgewright.models.pretrained import NO_CODE
from edgewright.models.transformers_types import CONFIG

Own: TypeAlias = Any  # a library's own: values of a file's metadata, tokenizers
GGUF = ("gguf",)
NOTE = "read_from"  # where a model's configuration says what its weights were read from
ENDING = ".gguf"
PLAIN_TYPES = ("F32", "F16")
_BLOCK = r"blk\.\d+\."
_LLAMA = rf"(token_embd|output|output_norm|{_BLOCK}(attn_(q|k|v|output|norm)|ffn_(gate|up|down|norm)))\.weight"
# Every tensor that is read, by the file's name of the architecture.
TENSORS: Mapping[str, str] = {
    "llama": _LLAMA,
    "qwen2": rf"{_LLAMA}|{_BLOCK}attn_(q|k|v)\.bias",
    "qwen3": rf"{_LLAMA}|{_BLOCK}attn_(q|k)_norm\.weight",
    "gpt2": r"(token_embd|position_embd|output)\.weight"
    rf"|(output_norm|{_BLOCK}(attn_(norm|qkv|output)|ffn_(norm|up|down)))\.(weight|bias)",
}
SETTINGS = frozenset(
    "context_length block_count feed_forward_length embedding_length rope.dimension_count rope.freq_base "
    "attention.head_count attention.head_count_kv attention.layer_norm_rms_epsilon attention.layer_norm_epsilon "
    "vocab_size attention.key_length attention.value_length".split()
)
_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d"


def _split(pattern: str) -> list[dict[str, object]]:
    return [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
    ]


def _lines(numbers: str) -> str:
    return (
        rf"(?i:{_WORDS})|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+"
    )


_BYTE_LEVEL: dict[str, object] = {
    "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True,
}  # fmt: skip
_DIGITS = [{"type": "Digits", "individual_digits": True}, _BYTE_LEVEL]
# How a text is parted before its bytes are joined, by the file's name of it.
PRE_TOKENIZERS: Mapping[str, list[dict[str, object]]] = {
    "gpt-2": [_BYTE_LEVEL],
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "refact": _DIGITS,
    "llama-bpe": _split(_lines(r"\p{N}{1,3}")),
    "qwen2": _split(_lines(r"\p{N}")),
}
NORMALISED = ("qwen2",)  # those that compose characters first (NFC)
BEGINNING = ("llama-bpe",)  # those that put a first token before a text where the file does not say
WHOLE_WORDS = ("llama-bpe",)  # those that look a word up before they join its bytes
SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
CONTROL, OF_USERS = 3, 4  # types of tokens that a text may spell whole


@dataclass(frozen=True, kw_only=True)
class GgufFile:
    """What a file says of itself, and how many of its tensors are of each type."""

    path: Path
    facts: Mapping[str, Own]
    tensors: Sequence[str]
    types: Mapping[str, int]

    @property
    def architecture(self) -> str:
        """The file's own name of it."""
        return str(self.facts.get("general.architecture", ""))

    @property
    def note(self) -> str:
        """What is said of its weights among what was decided."""
        kinds = ", ".join(f"{count} {name}" for name, count in self.types.items())
        return f"the weights are those of {self.path.name}, de-quantised into float32 (tensors: {kinds})"


def gguf_in(folder: Path | None) -> Path | None:
    """The one GGUF file of a folder without a configuration; None where there is none.

    Raises `BadModelError` where there are several.
    """
    if folder is None or not folder.is_dir() or (folder / CONFIG).is_file():
        return None
    found = sorted(folder.glob(f"*{ENDING}"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:4])
        raise BadModelError(
            str(folder), f"it holds {len(found)} GGUF files ({names}); put the one you mean into a folder"
        )
    return found[0] if found else None


def read_facts(path: Path) -> GgufFile:
    """Read and check what a file says of itself, before any weights.

    Raises `BadModelError` for a damaged file, `UnsupportedModelError` for an architecture, a quantisation, a tensor or
    a setting that is not read, by its name.
    """
    need(GGUF, purpose="read GGUF files", extra="build")
    from gguf import GGUFReader
    from gguf.quants import _type_traits

    try:
        reader = GGUFReader(path)
        facts = {name: field.contents() for name, field in reader.fields.items()}
        types = Counter(str(tensor.tensor_type.name) for tensor in reader.tensors)
    except ValueError as error:
        if unknown := re.search(r"(\d+)\)? is not a valid GGMLQuantizationType", str(error)):
            raise _unknown_type(path, f"number {unknown[1]}", [each.name for each in _type_traits]) from error
        raise _damaged(path, error) from error
    except Exception as error:  # numpy and struct raise their own
        raise _damaged(path, error) from error
    known = [*PLAIN_TYPES, *(each.name for each in _type_traits)]
    if odd := sorted(set(types) - set(known)):
        raise _unknown_type(path, odd[0], known)
    file = GgufFile(path=path, facts=facts, tensors=[tensor.name for tensor in reader.tensors], types=dict(types))
    _check(file)
    return file


def _check(file: GgufFile) -> None:
    architecture = file.architecture
    if architecture not in TENSORS:
        raise unread_decoder(architecture, f"as {file.path.name} names it")
    for name in file.tensors:
        if not re.fullmatch(TENSORS[architecture], name):
            raise UnsupportedModelError(f"the tensor {name} of {file.path.name}", ("those of a plain decoder",), REMEDY)
    for name, value in file.facts.items():
        setting = name.removeprefix(f"{architecture}.")
        if setting != name and setting not in SETTINGS:
            raise UnsupportedModelError(
                f"the setting {name} = {str(value)[:60]} of {file.path.name}", tuple(sorted(SETTINGS)), REMEDY
            )
    _pre_tokenizer(file)


def read_gguf(file: GgufFile) -> Own:
    """The model as transformers has it. Raises `BadModelError` where transformers cannot read it."""
    import transformers

    options = {"gguf_file": file.path.name, **NO_CODE}
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(str(file.path.parent), **options)
            if width := file.facts.get(f"{file.architecture}.attention.key_length"):
                config.head_dim = int(width)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                str(file.path.parent), config=config, dtype="float32", **options
            )
    except Exception as error:  # transformers, gguf and numpy raise their own
        raise BadModelError(str(file.path), " ".join(str(error).split())[:300]) from error
    # Its weights are plain numbers now, and it may be copied and saved as any other.
    del model.config.quantization_config
    model.hf_quantizer, model.is_quantized = None, False
    setattr(model.config, NOTE, file.note)
    return model.float().eval()


def tokenizer_of(file: GgufFile) -> Own:
    """The file's tokenizer as transformers has one, with its chat template."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokens = file.facts["tokenizer.ggml.tokens"]
    places = {name: file.facts.get(f"tokenizer.ggml.{key}_token_id") for name, key in SPECIAL.items()}
    named = {name: tokens[place] for name, place in places.items() if place is not None}
    made = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(definition_of(file))), **named)
    made.chat_template = file.facts.get("tokenizer.chat_template")
    return made


def definition_of(file: GgufFile) -> dict[str, Own]:
    """The `tokenizer.json` that says the same as the file."""
    facts, pre = file.facts, str(file.facts["tokenizer.ggml.pre"])
    tokens, types = facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"]
    added = [
        {
            "id": token, "content": tokens[token], "special": kind == CONTROL,
            "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
        }
        for token, kind in enumerate(types) if kind in (CONTROL, OF_USERS)
    ]  # fmt: skip
    parts = _pre_tokenizer(file)
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if pre in NORMALISED else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": parts},
        "post_processor": _before(file, tokens, pre),
        "decoder": _BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "vocab": {piece: token for token, piece in enumerate(tokens)},
            "merges": [merge.split(" ", 1) for merge in facts["tokenizer.ggml.merges"]],
            "ignore_merges": pre in WHOLE_WORDS,
        },
    }


def _pre_tokenizer(file: GgufFile) -> list[dict[str, object]]:
    kind = file.facts.get("tokenizer.ggml.model")
    if kind != "gpt2":
        raise UnsupportedModelError(f"the tokenizer {kind!r} of {file.path.name}", ("byte-level BPE (gpt2)",), REMEDY)
    pre = file.facts.get("tokenizer.ggml.pre")
    if pre not in PRE_TOKENIZERS:
        raise UnsupportedModelError(f"the pre-tokenizer {pre!r} of {file.path.name}", tuple(PRE_TOKENIZERS), REMEDY)
    return PRE_TOKENIZERS[str(pre)]


def _before(file: GgufFile, tokens: Sequence[str], pre: str) -> dict[str, Own] | None:
    """The template that puts the first token before a text, where the file asks for that."""
    if not file.facts.get("tokenizer.ggml.add_bos_token", pre in BEGINNING):
        return None
    first = file.facts["tokenizer.ggml.bos_token_id"]
    token = {"SpecialToken": {"id": tokens[first], "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [token, text],
        "pair": [token, text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {tokens[first]: {"id": tokens[first], "ids": [first], "tokens": [tokens[first]]}},
    }


def _unknown_type(path: Path, name: str, known: Sequence[str]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"the quantisation {name} of {path.name}",
        tuple(known),
        "give the model in one of these, or as safetensors before it was quantised",
    )


def _damaged(path: Path, error: Exception) -> BadModelError:
    return BadModelError(str(path), f"it cannot be read as GGUF ({' '.join(str(error).split())[:200]})")
