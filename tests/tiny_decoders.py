"""Tiny decoders of every kind that is read, as transformers has them, with random weights that tell texts apart."""

from functools import cache
from typing import Any

import torch

from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_loading import from_transformers
from tests.tiny import roughened

VOCABULARY, POSITIONS = 97, 64
_LLAMA = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.3,
}
_GPT2 = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 3,
    "n_head": 4,
    "n_positions": POSITIONS,
    "initializer_range": 0.3,
}
CLASSES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}


def _rotations(kind: str, **settings: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_theta": 1000.0, "rope_type": kind, **settings}}


VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama with one table": ("llama", {"tie_word_embeddings": True}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama with wide heads": ("llama", {"head_dim": 16}),
    "llama of single heads": ("llama", {"num_key_value_heads": 4}),
    "llama of one group": ("llama", {"num_key_value_heads": 1}),
    "llama with another activation": ("llama", {"hidden_act": "gelu"}),
    "llama with linear scaling": ("llama", _rotations("linear", factor=4.0)),
    "llama with llama3 scaling": (
        "llama",
        _rotations(
            "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
        ),
    ),
    "llama with yarn": ("llama", _rotations("yarn", factor=4.0, original_max_position_embeddings=16)),
    "mistral": ("mistral", {"sliding_window": None}),
    "mistral with a window": ("mistral", {"sliding_window": 5}),
    "mistral with a window as long as texts": ("mistral", {"sliding_window": POSITIONS}),
    "qwen2": ("qwen2", {}),
    "qwen2 with one table": ("qwen2", {"tie_word_embeddings": True}),
    "qwen2 with windows in some layers": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", {"head_dim": 16}),
    "qwen3 with biases": ("qwen3", {"head_dim": 8, "attention_bias": True}),
    "gpt2": ("gpt2", {}),
    "gpt2 with two tables": ("gpt2", {"tie_word_embeddings": False}),
    "gpt2 with gelu": ("gpt2", {"activation_function": "gelu"}),
    "gpt2 with relu": ("gpt2", {"activation_function": "relu"}),
    "gpt2 with narrow blocks": ("gpt2", {"n_inner": 20}),
    "gpt2 with scores by layer": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
    "gpt2 with unscaled scores": ("gpt2", {"scale_attn_weights": False}),
}


def config(kind: str, **changes: Any) -> Any:
    """A configuration of this `model_type`."""
    import transformers

    if kind == "gpt2":
        return transformers.GPT2Config(**{**_GPT2, **changes})
    return getattr(transformers, f"{CLASSES[kind]}Config")(**{**_LLAMA, **changes})


def made(kind: str, **changes: Any) -> Any:
    """A model of transformers with an output table; its own."""
    import transformers

    torch.manual_seed(0)
    name = "GPT2LMHeadModel" if kind == "gpt2" else f"{CLASSES[kind]}ForCausalLM"
    model = getattr(transformers, name)(config(kind, **changes)).eval()
    return roughened(model)


@cache
def original(variant: str) -> Any:
    """One of the `VARIANTS`; read it, do not change it."""
    with torch.inference_mode(False):
        kind, changes = VARIANTS[variant]
        return made(kind, **changes)


@cache
def decoder(variant: str) -> DecoderModel:
    """The same in our form."""
    with torch.inference_mode(False):
        return from_transformers(original(variant))


def ids_of(texts: int, length: int, seed: int = 3) -> torch.Tensor:
    """Random tokens, (texts, length)."""
    return torch.randint(0, VOCABULARY, (texts, length), generator=torch.Generator().manual_seed(seed))
