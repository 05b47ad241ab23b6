"""What transformers of any encoder can do, as the protocols of `capabilities` ask for it; this module is the value.

In:  a `TransformerModel`.
Out: its hidden states, token table and matrices, a copy to be run, and one of fresh weights.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from edgewright.models import units as grouping
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.inputs import Inputs
from edgewright.models.linear_maps import Constant
from edgewright.models.model import TransformerModel, reading
from edgewright.models.model import fresh as fresh
from edgewright.models.transformer_shape import LINEARS
from edgewright.models.units import Units

TOKENS = "tokens"


def to_run(model: TransformerModel) -> TransformerModel:
    """Where the head reads the first tokens alone, the last layer computes no others."""
    return reading(model)


def width(model: TransformerModel) -> int:
    """That of the residual stream."""
    return model.encoder.shape.width


def states(model: TransformerModel, *batch: Tensor) -> list[Tensor]:
    """The residual stream before each layer, and the encoder's output."""
    return model.encoder.all_hidden(*batch)


def outputs(model: TransformerModel, last: Tensor, *batch: Tensor) -> Tensor:
    """What the head makes of the encoder's output."""
    output: Tensor = model.head(last, model.encoder.mask(*batch))
    return output


def units(model: TransformerModel, inputs: Inputs) -> Units:
    """Words of texts, patches of images."""
    return grouping.units_of(model.encoder, inputs)


def output_each_unit(model: TransformerModel) -> bool:
    """Whether the head pools nothing."""
    return model.head.shape.pooling == "each"


def embeds(model: TransformerModel) -> bool:
    """Whether the head has no classes."""
    return not model.head.shape.classes


def relations_width(model: TransformerModel) -> int:
    """Three times the last layer's heads and their channels."""
    layers = model.encoder.shape.layers
    return 3 * layers[-1].heads * layers[-1].head_width if layers else 0


def relations(model: TransformerModel, state: Tensor) -> Tensor:
    """The last layer's input (…, length, width) → its queries, keys and values, (…, length, 3 × inner)."""
    parts = model.encoder.layer(-1).queries_keys_values(state)
    return torch.cat([part.transpose(-3, -2).flatten(-2) for part in parts], dim=-1)


def table(model: TransformerModel) -> nn.Module:
    """The encoder's token table."""
    return _of_texts(model).tokens


def projection(model: TransformerModel) -> nn.Linear | None:
    """What stands behind a token table of low rank."""
    encoder = _of_texts(model)
    return encoder.token_projection if encoder.shape.token_rank else None


def pieces(model: TransformerModel) -> int:
    """The rows of that."""
    return _of_texts(model).shape.vocabulary


def with_vocabulary(model: TransformerModel, kept: Sequence[int]) -> TransformerModel:
    """A model of these tokens alone; the same one where all stay."""
    encoder = _of_texts(model)
    if len(kept) == encoder.shape.vocabulary:
        return model
    return TransformerModel(encoder.with_vocabulary(kept), model.head).eval()


def parts(model: TransformerModel) -> tuple[str, ...]:
    """The kinds of matrices that may be factorised."""
    return (TOKENS, *LINEARS) if isinstance(model.encoder, Encoder) else LINEARS


def root(model: TransformerModel) -> nn.Module:
    """The encoder."""
    return model.encoder


def tokens_each(model: TransformerModel) -> int:
    """How many tokens an example has for each unit of its size."""
    return model.encoder.tokens_each


def counted(model: TransformerModel, *batch: Tensor) -> Tensor | None:
    """(examples, length), 1 for a token and 0 for padding; None where there is no padding."""
    return model.encoder.mask(*batch)


def matrices(model: TransformerModel, parts: Collection[str]) -> dict[str, nn.Module]:
    """The matrices by their names, as they are applied; a part that is but a constant is none."""
    found: dict[str, nn.Module] = {}
    if TOKENS in parts:
        found[TOKENS] = _of_texts(model).tokens
    for index, layer in enumerate(model.encoder.layers):
        for part in LINEARS:
            module = getattr(layer, part, None)
            if part in parts and module is not None and not isinstance(module, Constant):
                found[f"layers.{index}.{part}"] = module
    return found


def factorised(model: TransformerModel, ranks: Mapping[str, int], state: Mapping[str, Tensor]) -> TransformerModel:
    """The same model with these matrices as products of two; `state` is the encoder's, the head's is copied."""
    encoder = model.encoder
    layers = tuple(
        replace(
            layer,
            ranks={
                **layer.ranks,
                **{part: ranks[name] for part in LINEARS if (name := f"layers.{index}.{part}") in ranks},
            },
        )
        for index, layer in enumerate(encoder.shape.layers)
    )
    shape = replace(encoder.shape, layers=layers)
    if TOKENS in ranks:
        shape = replace(cast(EncoderShape, shape), token_rank=ranks[TOKENS])
    smaller = type(encoder)(shape)
    smaller.load_state_dict(dict(state))
    like = next(encoder.parameters())
    return TransformerModel(smaller.to(like), copy.deepcopy(model.head)).train(model.training)


def _of_texts(model: TransformerModel) -> Encoder:
    return cast(Encoder, model.encoder)
