"""The types of decoders that are read, by transformers' `model_type`, and why those near to them are not.

In:  a model type, as `config.json` has it.
Out: the family it is of, or the reason by which it is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgewright.errors import UnsupportedModelError

LLAMA, GPT2 = "llama", "gpt2"
# The family of each type; SmolLM2 is of type llama.
DECODERS: Mapping[str, str] = {
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gpt2": GPT2,
}
_EXPERTS = "its feed-forward blocks choose among experts"
_SCALED = "it scales its embeddings and has norms of another kind"
_PARALLEL = "its layers add attention and feed-forward blocks side by side"
REFUSED: Mapping[str, str] = {
    "gemma": _SCALED,
    "gemma2": _SCALED,
    "gemma3_text": _SCALED,
    "gemma3": "it reads images, too",
    "phi": _PARALLEL,
    "phi3": "it turns a part of each head's channels",
    "gpt_neox": _PARALLEL,
    "gptj": _PARALLEL,
    "falcon": _PARALLEL,
    "cohere": _PARALLEL,
    "bloom": "it tells places by biases of distance (ALiBi)",
    "mpt": "it tells places by biases of distance (ALiBi)",
    "opt": "it has norms and positions of its own",
    "gpt_neo": "its layers look near and far by turns",
    "gpt_oss": _EXPERTS,
    "mixtral": _EXPERTS,
    "qwen2_moe": _EXPERTS,
    "qwen3_moe": _EXPERTS,
    "olmoe": _EXPERTS,
    "deepseek_v3": _EXPERTS,
    "smollm3": "some of its layers know no places",
    "ministral": "its layers look near and far by turns",
    "mamba": "it has no attention",
}
REMEDY = (
    "take a model of one of these, or bring yours into the form of a DecoderModel in model.factory = "
    '"module:function", which returns (model, tokenizer)'
)
EXACT_ROTATIONS = ("default", "linear", "llama3", "yarn")


def decoder_family(model_type: str) -> str:
    """The family of that type. Raises `UnsupportedModelError`, which says why it is not read and what to do."""
    if model_type not in DECODERS:
        raise unread_decoder(model_type, REFUSED.get(model_type, ""))
    return DECODERS[model_type]


def unread_decoder(model_type: str, reason: str) -> UnsupportedModelError:
    """The error for a model that is wanted to go on with texts and is of no type that is read."""
    bracketed = f" ({reason})" if reason else ""
    return UnsupportedModelError(f"a decoder of type {model_type}{bracketed}", tuple(DECODERS), REMEDY)
