"""What encoder-decoders of any family can do, as the protocols of `capabilities` ask for it; this module is the value.

In:  an `EncoderDecoderModel`.
Out: its token table, one of fresh weights, and the modules by which a source is read and a text is written.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from edgewright.models.encoder_decoder import EncoderDecoderModel
from edgewright.models.encoder_decoder_methods import CachedTarget, EncodeSource, SourceKeysValues

OUTPUT = "output.weight"
TOKENS = "tokens.weight"


def fresh(model: EncoderDecoderModel, *, seed: int) -> EncoderDecoderModel:
    """Random weights, each matrix by the root of what it reads (Raffel et al. 2020); norms are 1."""
    generator = torch.Generator().manual_seed(seed)
    new = copy.deepcopy(model)
    with torch.no_grad():
        for name, values in new.named_parameters():
            if "norm" in name:
                values.fill_(1.0)
                continue
            drawn = torch.randn(values.shape, generator=generator)
            if name == TOKENS:
                deviation = 1.0
            elif name.endswith("relative"):
                deviation = model.shape.width**-0.5
            else:
                deviation = values.shape[1] ** -0.5
            values.copy_(deviation * drawn)
            if name.endswith("query_key_value.weight"):  # scores are not scaled, queries are
                values[: values.shape[0] // 3].mul_(model.shape.head_width**-0.5)
            elif name.endswith("cross_query.weight"):
                values.mul_(model.shape.head_width**-0.5)
    return new


def to_run(model: EncoderDecoderModel) -> EncoderDecoderModel:
    """One whose output table is a layer of its own, with the token table's weights: each is quantised by itself."""
    if not model.shape.tied:
        return model
    untied = EncoderDecoderModel(replace(model.shape, tied=False))
    untied.load_state_dict(model.state_dict() | {OUTPUT: model.tokens.weight})
    untied.output.weight = untied.tokens.weight
    return untied.eval()


def table(model: EncoderDecoderModel) -> nn.Module:
    """The token table, from which a tied model's scores come, too."""
    return model.tokens


def projection(model: EncoderDecoderModel) -> nn.Linear | None:
    """None: no table is of low rank."""
    return None


def pieces(model: EncoderDecoderModel) -> int:
    """The rows of the table."""
    return model.shape.vocabulary


def with_vocabulary(model: EncoderDecoderModel, kept: Sequence[int]) -> EncoderDecoderModel:
    """A model of these tokens alone, in both tables; the same one where all stay as they are."""
    if list(kept) == list(range(model.shape.vocabulary)):
        return model
    return model.with_vocabulary(kept)


def positions(model: EncoderDecoderModel) -> int:
    """The most tokens of a source, and of what is written."""
    return model.shape.positions


def state(model: EncoderDecoderModel, context: int) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    """The names, sizes and dtypes of the cache's tensors for so many tokens, zeros at first."""
    return tuple((name, sizes, "float32") for name, sizes in model.shape.state(context))


def encode(model: EncoderDecoderModel) -> EncodeSource:
    """The module that takes a source and gives (encoded, seen)."""
    return EncodeSource(model)


def cross_kv(model: EncoderDecoderModel) -> SourceKeysValues:
    """The module that takes what was encoded and gives (cross_k, cross_v)."""
    return SourceKeysValues(model)


def cached(model: EncoderDecoderModel, *, context: int) -> CachedTarget:
    """The module that takes (ids, position, cross_k, cross_v, seen, *state) and gives (logits, *state)."""
    return CachedTarget(model, context=context)
