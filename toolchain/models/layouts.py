"""The families of models Edgewright reads: for each, how transformers names its sizes, its parameters and its heads.

In:  a model type, as `config.json` has it.
Out: a line of the table, or an error that says what is supported and what to do instead.
`encoder` and `vision` read by it; `teacher` and `image_teacher` find heads by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgewright.errors import UnsupportedModelError


@dataclass(frozen=True, kw_only=True)
class HeadPlaces:
    """Where a sequence classifier's matrices stand: the inner layer's, its activation, and the output's.

    `setting` names what a configuration says of the activation, where it does; `norm` a norm behind the activation.
    """

    inner: str
    activation: str
    output: str
    setting: str | None = None
    norm: str | None = None


Positions = Literal["absolute", "relative", "rotary", "disentangled"]


@dataclass(frozen=True, kw_only=True)
class TextFamily:
    """One family of text encoders; `wrapped` is the attribute by which a model with a head holds the encoder.

    `sizes` are those of BERT's names in a configuration that this family calls otherwise. `embeddings` are the places
    of the token table, the position table and their norm; `projection` is that of the matrix from embeddings to the
    stream. `layer` is the place of a layer's parts, by its `{index}`, or its `{group}` and its `{inner}` index where
    layers share weights; the rest are places within it. A family that is `offset` counts positions from the one after
    its padding id (a padding token that a text spells has a place like any other; transformers gives it none); one that
    is not `typed` has no token types. `positions` is how attention knows of places.
    """

    wrapped: str
    head: HeadPlaces
    sizes: Mapping[str, str] = field(default_factory=dict)
    embeddings: tuple[str, str, str] = (
        "embeddings.word_embeddings",
        "embeddings.position_embeddings",
        "embeddings.LayerNorm",
    )
    projection: str = "embeddings_project"
    layer: str = "encoder.layer.{index}."
    query_key_value: tuple[str, ...] = ("attention.self.query", "attention.self.key", "attention.self.value")
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    feed_forward_norm: str = "output.LayerNorm"
    closing_norm: str | None = None
    offset: bool = False
    typed: bool = True
    gated: bool = False
    norm_first: bool = False
    positions: Positions = "absolute"

    @property
    def places(self) -> dict[str, str]:
        """Our name of each part of a layer that is taken as it stands, and theirs."""
        names = ("attention_output", "attention_norm", "up", "down", "feed_forward_norm")
        return {name: getattr(self, name) for name in names}


_ROBERTA = TextFamily(
    wrapped="roberta",
    head=HeadPlaces(inner="classifier.dense", activation="tanh", output="classifier.out_proj"),
    offset=True,
)
# MiniLM and most sentence encoders are of type bert.
TEXT: Mapping[str, TextFamily] = {
    "bert": TextFamily(
        wrapped="bert", head=HeadPlaces(inner="bert.pooler.dense", activation="tanh", output="classifier")
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": TextFamily(
        wrapped="distilbert",
        head=HeadPlaces(inner="pre_classifier", activation="relu", output="classifier"),
        sizes={
            "hidden_size": "dim",
            "num_attention_heads": "n_heads",
            "num_hidden_layers": "n_layers",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
        },
        layer="transformer.layer.{index}.",
        query_key_value=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        attention_output="attention.out_lin",
        attention_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        feed_forward_norm="output_layer_norm",
        typed=False,
    ),
    "electra": TextFamily(
        wrapped="electra",
        head=HeadPlaces(inner="classifier.dense", activation="gelu", output="classifier.out_proj"),
    ),
    "mpnet": TextFamily(
        wrapped="mpnet",
        head=HeadPlaces(inner="classifier.dense", activation="tanh", output="classifier.out_proj"),
        query_key_value=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        attention_output="attention.attn.o",
        attention_norm="attention.LayerNorm",
        offset=True,
        typed=False,
        positions="relative",
    ),
    # Its layers share weights; each gets a copy, so that layers can be cut alone.
    "albert": TextFamily(
        wrapped="albert",
        head=HeadPlaces(inner="albert.pooler", activation="tanh", output="classifier"),
        projection="encoder.embedding_hidden_mapping_in",
        layer="encoder.albert_layer_groups.{group}.albert_layers.{inner}.",
        query_key_value=("attention.query", "attention.key", "attention.value"),
        attention_output="attention.dense",
        attention_norm="attention.LayerNorm",
        up="ffn",
        down="ffn_output",
        feed_forward_norm="full_layer_layer_norm",
    ),
    "modernbert": TextFamily(
        wrapped="model",
        head=HeadPlaces(
            inner="head.dense",
            activation="gelu",
            output="classifier",
            setting="classifier_activation",
            norm="head.norm",
        ),
        sizes={"hidden_act": "hidden_activation", "layer_norm_eps": "norm_eps"},
        embeddings=("embeddings.tok_embeddings", "", "embeddings.norm"),
        layer="layers.{index}.",
        query_key_value=("attn.Wqkv",),
        attention_output="attn.Wo",
        attention_norm="attn_norm",
        up="mlp.Wi",
        down="mlp.Wo",
        feed_forward_norm="mlp_norm",
        closing_norm="final_norm",
        typed=False,
        gated=True,
        norm_first=True,
        positions="rotary",
    ),
    "deberta-v2": TextFamily(
        wrapped="deberta",
        head=HeadPlaces(inner="pooler.dense", activation="gelu", output="classifier", setting="pooler_hidden_act"),
        projection="embeddings.embed_proj",
        query_key_value=("attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj"),
        positions="disentangled",
    ),
}
IMAGE = ("vit", "deit")
# Families that are near enough to be tried, and why each is not read.
REFUSED: Mapping[str, str] = {
    "deberta": "its attention is DeBERTa's first form; take microsoft/deberta-v3 or another of type deberta-v2",
    "xlm-roberta-xl": "it has norms before its parts; take an XLM-RoBERTa of type xlm-roberta",
}
FACTORY = (
    'or, by model.factory = "module:function" that returns (model, tokenizer), any model that you bring into the form '
    "of one of these or of a TransformerModel"
)


def text_family(model_type: str) -> TextFamily:
    """The family of that type. Raises `UnsupportedModelError`, which says why and what to do."""
    if model_type not in TEXT:
        raise unsupported(f"a model of type {model_type}", model_type, tuple(TEXT))
    return TEXT[model_type]


def image_family(model_type: str) -> str:
    """The attribute by which a model with a head holds the encoder: the type's own name.

    Raises `UnsupportedModelError` for a type that is none of the vision transformers.
    """
    if model_type not in IMAGE:
        raise unsupported_image(f"a vision model of type {model_type}")
    return model_type


def unsupported_image(what: str) -> UnsupportedModelError:
    """The error for a model of images of another family."""
    return UnsupportedModelError(
        what,
        supported=(*IMAGE, "nets of convolutions"),
        remedy='model.factory = "module:function" may return a net of convolutions as (model, size of images), or a '
        "TransformerModel of a VisionEncoder",
    )


def unsupported(what: str, model_type: str, known: tuple[str, ...]) -> UnsupportedModelError:
    """The error for a family that is not among the known."""
    reason = f" ({REFUSED[model_type]})" if model_type in REFUSED else ""
    return UnsupportedModelError(what + reason, supported=(*known, FACTORY))
