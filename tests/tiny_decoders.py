"""Tiny decoders of every kind that is read, as transformers has them, with random weights that tell texts apart."""

from copy import deepcopy
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


def decoder(variant: str) -> DecoderModel:
    """The same in our form; a copy, which may be changed."""
    with torch.inference_mode(False):
        return deepcopy(_decoder(variant))


@cache
def _decoder(variant: str) -> DecoderModel:
    return from_transformers(original(variant))


def ids_of(texts: int, length: int, seed: int = 3) -> torch.Tensor:
    """Random tokens, (texts, length)."""
    return torch.randint(0, VOCABULARY, (texts, length), generator=torch.Generator().manual_seed(seed))


PIECES = 400
TEMPLATE = "{% for message in messages %}<{{ message.role }}>{{ message.content }}<|end|>{% endfor %}"


@cache
def definition(kind: str = "smollm", *, first: bool = False) -> str:
    """A `tokenizer.json` of byte-level BPE as this kind parts texts; `first` puts a token before them."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    from edgewright.models.gguf_files import PRE_TOKENIZERS
    from tests.tiny_bpe import docstrings

    tokenizer = Tokenizer(models.BPE())
    parts = []
    for part in PRE_TOKENIZERS[kind]:
        if part["type"] == "Split":
            parts.append(pre_tokenizers.Split(Regex(part["pattern"]["Regex"]), "isolated"))  # type: ignore[index]
        elif part["type"] == "Digits":
            parts.append(pre_tokenizers.Digits(individual_digits=True))
        else:
            parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=bool(part["use_regex"])))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Sequence(parts), decoders.ByteLevel()
    if kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(
        vocab_size=PIECES,
        special_tokens=["<|endoftext|>", "<|start|>", "<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(docstrings(), trainer)
    if first:
        tokenizer.post_processor = processors.TemplateProcessing("<|start|> $A", "<|start|> $A $B", [("<|start|>", 1)])
    return str(tokenizer.to_str())


def tokenizer_of(kind: str = "smollm", *, first: bool = False) -> Any:
    """The same as transformers has it, with a chat template."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    made = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(definition(kind, first=first)),
        bos_token="<|start|>",
        eos_token="<|end|>",
        pad_token="<|end|>",
    )
    made.chat_template = TEMPLATE
    return made


def written(folder: Any, kind: str, *, pieces: str = "smollm", first: bool = False, **changes: Any) -> Any:
    """A folder as save_pretrained writes it; gives the model."""
    model = made(kind, **{"vocab_size": PIECES, "eos_token_id": 2, "bos_token_id": 1, **changes})
    model.save_pretrained(folder)
    tokenizer_of(pieces, first=first).save_pretrained(folder)
    return model
