"""The families of models Edgewright reads: for each, how transformers names its sizes, its parameters and its heads.

In:  a model type, as `config.json` has it.
Out: a line of the table, or an error that says what is supported and what to do instead.
`encoder` and `vision` read by it; `teacher` and `image_teacher` find heads by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from toolchain.errors import UnsupportedModelError


@dataclass(frozen=True, kw_only=True)
class HeadPlaces:
    """Where a sequence classifier's matrices stand: the inner layer's, its activation, and the output's."""

    inner: str
    activation: str
    output: str


@dataclass(frozen=True, kw_only=True)
class TextFamily:
    """One family of text encoders; `wrapped` is the attribute by which a model with a head holds the encoder.

    `sizes` are those of BERT's names in a configuration that this family calls otherwise. `layer` is the place of a
    layer's parts, the rest are places within it. A family that is `offset` counts positions from the one after its
    padding id; one that is not `typed` has no token types.
    """

    wrapped: str
    head: HeadPlaces
    sizes: Mapping[str, str] = field(default_factory=dict)
    layer: str = "encoder.layer."
    query_key_value: tuple[str, str, str] = ("attention.self.query", "attention.self.key", "attention.self.value")
    attention_output: str = "attention.output.dense"
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    feed_forward_norm: str = "output.LayerNorm"
    offset: bool = False
    typed: bool = True

    @property
    def places(self) -> dict[str, str]:
        """Our name of each part of a layer that is taken as it stands, and theirs."""
        names = ("attention_output", "attention_norm", "up", "down", "feed_forward_norm")
        return {name: getattr(self, name) for name in names}


# MiniLM and most sentence encoders are of type bert.
TEXT: Mapping[str, TextFamily] = {
    "bert": TextFamily(
        wrapped="bert", head=HeadPlaces(inner="bert.pooler.dense", activation="tanh", output="classifier")
    ),
    "roberta": TextFamily(
        wrapped="roberta",
        head=HeadPlaces(inner="classifier.dense", activation="tanh", output="classifier.out_proj"),
        offset=True,
    ),
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
        layer="transformer.layer.",
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
}
IMAGE = ("vit", "deit")
UNIGRAM = "its tokenizer is a Unigram model, which Edgewright cannot read; take a {} of the same language"
# Families that are near enough to be tried, and why each is not read.
REFUSED: Mapping[str, str] = {
    "albert": "its layers share one set of weights, so that no layer can be cut alone; take a BERT or MiniLM of like "
    "quality, or write a factory that copies the shared layer into each layer of a BertModel",
    "xlm-roberta": UNIGRAM.format("multilingual BERT or DistilBERT"),
    "camembert": UNIGRAM.format("BERT or RoBERTa"),
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
        raise unsupported(f"a vision model of type {model_type}", model_type, IMAGE)
    return model_type


def unsupported(what: str, model_type: str, known: tuple[str, ...]) -> UnsupportedModelError:
    """The error for a family that is not among the known."""
    reason = f" ({REFUSED[model_type]})" if model_type in REFUSED else ""
    return UnsupportedModelError(what + reason, supported=(*known, FACTORY))
