"""Encoder transformers of texts (BERT, RoBERTa, DistilBERT, ELECTRA): how one is read, fed and sliced.

In:  a Hugging Face model of one of the families.
Out: an `Encoder`: the same network in plain PyTorch, with the constant token type folded into the position table and
     positions counted from 0, so that what is exported has no operator the model does not need.
Which parts to keep is `compress`'s decision; pooling and class heads are `model`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from toolchain.errors import UnsupportedModelError
from toolchain.models.families import TextFamily, text_family
from toolchain.models.transformer import (
    ACTIVATIONS,
    LayerShape,
    Transformer,
    TransformerShape,
    copy_linear,
    copy_norm,
    taken,
)

MASKED = -1e4  # added to a padded position's attention score; small enough for float16


@dataclass(frozen=True, kw_only=True)
class EncoderShape(TransformerShape):
    """Every size of an `Encoder`; together with the weights it is the whole model.

    Embeddings of another `embedding_width` than the model's are projected to it (Clark et al. 2020, ELECTRA); None
    is the model's own. A token table of low rank is the product of (vocabulary, `token_rank`) and a small matrix.
    """

    vocabulary: int
    positions: int
    embedding_width: int | None = None
    token_rank: int | None = None


class Encoder(Transformer):
    """Token ids to one hidden vector a token."""

    shape: EncoderShape

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__(shape)
        width = shape.embedding_width or shape.width
        self.tokens = nn.Embedding(shape.vocabulary, shape.token_rank or width)
        if shape.token_rank:
            self.token_projection = nn.Linear(shape.token_rank, width, bias=False)
        self.positions = nn.Embedding(shape.positions, width)
        self.embedding_norm = nn.LayerNorm(width, eps=shape.norm_epsilon)
        if shape.embedding_width:
            self.embedding_projection = nn.Linear(width, shape.width)

    def embedded(self, *inputs: Tensor | None) -> Tensor:
        """ids (…, length) → token and position vectors, added and normalised: (…, length, width)."""
        ids = inputs[0]
        assert ids is not None
        tokens = self.tokens(ids)
        if self.shape.token_rank:
            tokens = self.token_projection(tokens)
        # Looked up, not sliced, so that the table can be held in int8. Of fixed lengths a converter would make a float
        # constant for each; that an id might be below 0, which none is, keeps it from that.
        places = torch.arange(ids.shape[-1], device=ids.device)
        if torch.compiler.is_exporting() and self.mask(*inputs) is not None:
            places = places + ids.clamp(max=0)
        embedded: Tensor = self.embedding_norm(tokens + self.positions(places))
        if self.shape.embedding_width:
            embedded = self.embedding_projection(embedded)
        return embedded

    def mask(self, *inputs: Tensor | None) -> Tensor | None:
        """The second input, (…, length): 1 for a token, 0 for padding. Without it every token counts."""
        return inputs[1] if len(inputs) > 1 else None

    def bias(self, *inputs: Tensor | None) -> Tensor | None:
        """The mask (…, length) → what is added to the scores, (…, 1, 1, length)."""
        mask = self.mask(*inputs)
        return None if mask is None else (1.0 - mask.to(torch.float32))[..., None, None, :] * MASKED

    def copy_around(self, smaller: Self, kept: Tensor | None) -> None:
        """The embeddings: their columns that stay, or their projection's rows where there is one."""
        columns = None if self.shape.embedding_width else kept
        if self.shape.token_rank:
            smaller.tokens.weight.copy_(self.tokens.weight)
            copy_linear(self.token_projection, smaller.token_projection, outputs=columns)
        else:
            smaller.tokens.weight.copy_(taken(self.tokens.weight.T, columns).T)
        smaller.positions.weight.copy_(taken(self.positions.weight.T, columns).T)
        copy_norm(self.embedding_norm, smaller.embedding_norm, columns)
        if self.shape.embedding_width:
            copy_linear(self.embedding_projection, smaller.embedding_projection, outputs=kept)

    def with_vocabulary(self, kept: Sequence[int]) -> Encoder:
        """A new encoder whose token i is this one's token `kept[i]`."""
        smaller = Encoder(replace(self.shape, vocabulary=len(kept)))
        state = dict(self.state_dict())
        state["tokens.weight"] = state["tokens.weight"][torch.as_tensor(list(kept))]
        smaller.load_state_dict(state)
        return smaller.train(self.training)

    def with_positions(self, positions: int) -> Encoder:
        """A new encoder for texts of at most `positions` tokens."""
        smaller = Encoder(replace(self.shape, positions=min(positions, self.shape.positions)))
        state = dict(self.state_dict())
        state["positions.weight"] = state["positions.weight"][: smaller.shape.positions]
        smaller.load_state_dict(state)
        return smaller.train(self.training)


def example_inputs(shape: EncoderShape, length: int = 16) -> tuple[Tensor, ...]:
    """One text of token 1 only, (1, length), without a mask: its values change no count and no export."""
    return (torch.ones(1, min(length, shape.positions), dtype=torch.long),)


def from_transformers(model: Any) -> Encoder:
    """An `Encoder` with the weights of a Hugging Face model of `families.TEXT`, alone or within one with a head.

    Raises `UnsupportedModelError` for another family or for a variant that is not a plain encoder.
    """
    config = model.config
    family = text_family(config.model_type)
    _check_plain(config, family)
    source = getattr(model, family.wrapped, model)
    state: dict[str, Tensor] = source.state_dict()
    shape = _shape_of(config, family)
    encoder = Encoder(shape)
    encoder.load_state_dict(_renamed(state, shape, family, first=config.pad_token_id + 1 if family.offset else 0))
    return encoder.eval()


def shape_of(config: Any) -> EncoderShape:
    """The sizes that a Hugging Face configuration describes. Raises as `from_transformers` does."""
    family = text_family(config.model_type)
    _check_plain(config, family)
    return _shape_of(config, family)


def _check_plain(config: Any, family: TextFamily) -> None:
    what = f"a model of type {config.model_type}"
    activation = getattr(config, family.sizes.get("hidden_act", "hidden_act"))
    if activation not in ACTIVATIONS:
        raise UnsupportedModelError(f"{what} with activation {activation!r}", supported=tuple(ACTIVATIONS))
    if getattr(config, "is_decoder", False):
        raise UnsupportedModelError(f"{what} that is a decoder", supported=("encoders",))
    positions = getattr(config, "position_embedding_type", None) or "absolute"
    if positions != "absolute":
        raise UnsupportedModelError(f"{what} with positions of type {positions!r}", supported=("absolute",))


def _shape_of(config: Any, family: TextFamily) -> EncoderShape:
    def size(name: str) -> Any:
        return getattr(config, family.sizes.get(name, name))

    width, heads = size("hidden_size"), size("num_attention_heads")
    embedding_width = getattr(config, "embedding_size", width)
    return EncoderShape(
        vocabulary=config.vocab_size,
        positions=config.max_position_embeddings - (config.pad_token_id + 1 if family.offset else 0),
        width=width,
        layers=(LayerShape(heads=heads, head_width=width // heads, neurons=size("intermediate_size")),)
        * size("num_hidden_layers"),
        activation=size("hidden_act"),
        norm_epsilon=getattr(config, "layer_norm_eps", 1e-12),
        embedding_width=embedding_width if embedding_width != width else None,
    )


def _renamed(state: Mapping[str, Tensor], shape: EncoderShape, family: TextFamily, first: int) -> dict[str, Tensor]:
    """Their parameter names and layout → ours; `first` is the row of the first token in the position table."""
    positions = state["embeddings.position_embeddings.weight"][first:]
    if family.typed:
        positions = positions + state["embeddings.token_type_embeddings.weight"][0]
    renamed = {"tokens.weight": state["embeddings.word_embeddings.weight"], "positions.weight": positions}
    for kind in ("weight", "bias"):
        renamed[f"embedding_norm.{kind}"] = state[f"embeddings.LayerNorm.{kind}"]
        if shape.embedding_width:
            renamed[f"embedding_projection.{kind}"] = state[f"embeddings_project.{kind}"]
        for index in range(len(shape.layers)):
            theirs, ours = f"{family.layer}{index}.", f"layers.{index}."
            parts = [state[f"{theirs}{part}.{kind}"] for part in family.query_key_value]
            renamed[f"{ours}query_key_value.{kind}"] = torch.cat(parts)
            for name, place in family.places.items():
                renamed[f"{ours}{name}.{kind}"] = state[f"{theirs}{place}.{kind}"]
    return renamed
