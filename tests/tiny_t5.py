"""Tiny T5s of every kind that is read, as transformers has them, with random weights that tell texts apart."""

from copy import deepcopy
from functools import cache
from typing import Any

import torch

from edgewright.models.encoder_decoder import EncoderDecoderModel
from edgewright.models.encoder_decoder_loading import from_transformers
from tests.tiny import roughened

VOCABULARY, POSITIONS = 97, 64
BEGIN, END = 0, 1
LENGTHS = (1, 3, 7, 20, 40)  # of sources
_SIZES = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 48,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 20,
    "n_positions": POSITIONS,
    "decoder_start_token_id": BEGIN,
    "pad_token_id": 0,
    "eos_token_id": END,
    "dropout_rate": 0.0,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "t5": {},
    "flan-t5": {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "t5 with gated blocks": {"feed_forward_proj": "gated-silu"},
    "t5 with two tables": {"tie_word_embeddings": False},
    "t5 as deep on both sides": {"num_decoder_layers": None, "num_layers": 2},
    "t5 with usual distances": {"relative_attention_num_buckets": 32, "relative_attention_max_distance": 128},
}


def made(**changes: Any) -> Any:
    """A T5 of transformers with an output table; its own."""
    import transformers

    torch.manual_seed(0)
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**{**_SIZES, **changes})).eval()
    if changes.get("tie_word_embeddings") is False:  # which transformers ties all the same
        model.lm_head.weight = torch.nn.Parameter(0.4 * torch.randn_like(model.lm_head.weight))
    return roughened(model)


@cache
def original(variant: str) -> Any:
    """One of the `VARIANTS`; read it, do not change it."""
    with torch.inference_mode(False):
        return made(**VARIANTS[variant])


def model_of(variant: str) -> EncoderDecoderModel:
    """The same in our form; a copy, which may be changed."""
    with torch.inference_mode(False):
        return deepcopy(_model_of(variant))


@cache
def _model_of(variant: str) -> EncoderDecoderModel:
    return from_transformers(original(variant))


def ids_of(texts: int, length: int, seed: int = 3) -> torch.Tensor:
    """Random tokens, neither padding nor the end, (texts, length)."""
    return torch.randint(2, VOCABULARY, (texts, length), generator=torch.Generator().manual_seed(seed))


def greedy(variant: str, source: list[int], count: int) -> list[int]:
    """What transformers' generate writes, greedily, the end among it, where it ends before so many tokens."""
    with torch.no_grad():
        found = original(variant).generate(
            input_ids=torch.tensor([source]), max_new_tokens=count, do_sample=False, num_beams=1
        )
    return [int(each) for each in found[0, 1:]]
