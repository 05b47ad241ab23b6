"""Encoder transformers of the BERT family: how one is read, fed, sliced and written.

In:  a Hugging Face BERT model (or a folder this module wrote).
Out: an `Encoder`: the same network in plain PyTorch, where each layer has its own number of heads and neurons,
     query, key and value are one matrix, and the constant token type is folded into the position table, so that
     what is exported has no operator the model does not need.
Which heads, neurons and layers to keep is `compress`'s decision; pooling and class heads are `tasks`'.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from toolchain.errors import BadModelError, UnsupportedModelError

ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "relu": "relu"}
MASKED = -1e4  # added to a padded position's attention score; small enough for float16


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """How many attention heads and feed-forward neurons one layer has."""

    heads: int
    neurons: int


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """Every size of an `Encoder`; together with the weights it is the whole model."""

    vocabulary: int
    positions: int
    width: int
    head_width: int
    layers: tuple[LayerShape, ...]
    activation: str = "gelu"
    norm_epsilon: float = 1e-12

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> EncoderShape:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{**values, "layers": tuple(LayerShape(**layer) for layer in values["layers"])})


@dataclass(frozen=True, kw_only=True)
class LayerCut:
    """What one layer keeps: its place in the model it is cut from, and the heads and neurons that stay."""

    layer: int
    heads: tuple[int, ...]
    neurons: tuple[int, ...]


class EncoderLayer(nn.Module):
    """One post-norm transformer layer (Devlin et al. 2019): attention, then a feed-forward block."""

    def __init__(self, shape: EncoderShape, layer: LayerShape) -> None:
        super().__init__()
        inner = layer.heads * shape.head_width
        self.heads, self.head_width = layer.heads, shape.head_width
        self.approximation = ACTIVATIONS[shape.activation]
        self.query_key_value = nn.Linear(shape.width, 3 * inner)
        self.attention_output = nn.Linear(inner, shape.width)
        self.attention_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        self.up = nn.Linear(shape.width, layer.neurons)
        self.down = nn.Linear(layer.neurons, shape.width)
        self.output_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)

    def forward(self, hidden: Tensor, bias: Tensor | None) -> Tensor:
        """(…, length, width) → the same; `bias` (…, 1, 1, length) is added to the attention scores."""
        hidden = self.attention_norm(hidden + self.attention_output(self.attended(hidden, bias)))
        output: Tensor = self.output_norm(hidden + self.down(self.activated(hidden)))
        return output

    def attended(self, hidden: Tensor, bias: Tensor | None) -> Tensor:
        """What `attention_output` reads: (…, length, heads × head_width).

        Spelt out, because PyTorch's fused attention takes twice as long to train with on a CPU at such lengths. One
        text (length, width) is a `bmm` over heads, the operator that the runtimes on devices have fast kernels for.
        """
        *batch, length, _ = hidden.shape
        joined = self.query_key_value(hidden).view(*batch, length, 3 * self.heads, self.head_width).transpose(-3, -2)
        query, key, value = joined.split(self.heads, dim=-3)
        product = torch.matmul if batch else torch.bmm
        scores = product(query * self.head_width**-0.5, key.transpose(-2, -1))
        if bias is not None:
            scores = scores + bias
        mixed = product(scores.softmax(dim=-1), value)
        return mixed.transpose(-3, -2).reshape(*batch, length, self.heads * self.head_width)

    def activated(self, hidden: Tensor) -> Tensor:
        """What `down` reads: (batch, length, neurons)."""
        if self.approximation == "relu":
            return functional.relu(self.up(hidden))
        return functional.gelu(self.up(hidden), approximate=self.approximation)


class Encoder(nn.Module):
    """Token ids to one hidden vector a token."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.embedding_norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)
        self.layers = nn.ModuleList(EncoderLayer(shape, layer) for layer in shape.layers)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """ids (…, length) and mask (…, length; 1 for a token, 0 for padding) → (…, length, width).

        Without a mask every position counts: the case of one text at its own length.
        """
        bias = None if mask is None else self.attention_bias(mask)
        hidden = self.embedded(ids)
        for layer in self.layers:
            hidden = layer(hidden, bias)
        return hidden

    def all_hidden(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """The embedding's output and every layer's, first to last: what distillation compares."""
        bias = self.attention_bias(mask)
        states = [self.embedded(ids)]
        for layer in self.layers:
            states.append(layer(states[-1], bias))
        return states

    def embedded(self, ids: Tensor) -> Tensor:
        """Token and position vectors, added and normalised: (…, length, width)."""
        positions = self.positions.weight[: ids.shape[-1]]
        embedded: Tensor = self.embedding_norm(self.tokens(ids) + positions)
        return embedded

    @staticmethod
    def attention_bias(mask: Tensor) -> Tensor:
        """(…, length) of ones and zeros → what is added to the scores, (…, 1, 1, length)."""
        return (1.0 - mask.to(torch.float32))[..., None, None, :] * MASKED

    def sliced(self, cuts: Sequence[LayerCut]) -> Encoder:
        """A new, smaller encoder that keeps these layers, heads and neurons, in this order."""
        layers = tuple(LayerShape(heads=len(cut.heads), neurons=len(cut.neurons)) for cut in cuts)
        smaller = Encoder(replace(self.shape, layers=layers))
        with torch.no_grad():
            for name in ("tokens", "positions", "embedding_norm"):
                getattr(smaller, name).load_state_dict(getattr(self, name).state_dict())
            for target, cut in zip(smaller.layers, cuts, strict=True):
                _copy_cut(self.layers[cut.layer], target, cut, self.shape.head_width)
        return smaller

    def with_vocabulary(self, kept: Sequence[int]) -> Encoder:
        """A new encoder whose token i is this one's token `kept[i]`."""
        smaller = Encoder(replace(self.shape, vocabulary=len(kept)))
        state = dict(self.state_dict())
        state["tokens.weight"] = state["tokens.weight"][torch.as_tensor(list(kept))]
        smaller.load_state_dict(state)
        return smaller

    def with_positions(self, positions: int) -> Encoder:
        """A new encoder for texts of at most `positions` tokens."""
        smaller = Encoder(replace(self.shape, positions=min(positions, self.shape.positions)))
        state = dict(self.state_dict())
        state["positions.weight"] = state["positions.weight"][: smaller.shape.positions]
        smaller.load_state_dict(state)
        return smaller


def from_transformers(model: Any) -> Encoder:
    """An `Encoder` with the weights of a Hugging Face `BertModel` (or a model that wraps one as `.bert`).

    Raises `UnsupportedModelError` for another family or for a variant of BERT that is not a plain encoder.
    """
    config = model.config
    if config.model_type != "bert":
        raise UnsupportedModelError(config.model_type, supported=("bert",))
    if config.hidden_act not in ACTIVATIONS:
        raise UnsupportedModelError(f"bert with activation {config.hidden_act!r}", supported=tuple(ACTIVATIONS))
    source = getattr(model, "bert", model)
    layer = LayerShape(heads=config.num_attention_heads, neurons=config.intermediate_size)
    encoder = Encoder(
        EncoderShape(
            vocabulary=config.vocab_size,
            positions=config.max_position_embeddings,
            width=config.hidden_size,
            head_width=config.hidden_size // config.num_attention_heads,
            layers=(layer,) * config.num_hidden_layers,
            activation=config.hidden_act,
            norm_epsilon=config.layer_norm_eps,
        )
    )
    encoder.load_state_dict(_renamed(source.state_dict(), config.num_hidden_layers))
    return encoder.eval()


def save(encoder: Encoder, folder: Path) -> None:
    """Write `shape.json` and `encoder.safetensors` into an existing folder."""
    (folder / "shape.json").write_text(json.dumps(asdict(encoder.shape), indent=2) + "\n", encoding="utf-8")
    save_file(
        {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}, folder / "encoder.safetensors"
    )


def load(folder: Path) -> Encoder:
    """Read what `save` wrote. Raises `BadModelError` when a file is missing or damaged."""
    try:
        encoder = Encoder(EncoderShape.from_mapping(json.loads((folder / "shape.json").read_text(encoding="utf-8"))))
        encoder.load_state_dict(load_file(folder / "encoder.safetensors"))
    except Exception as error:  # safetensors, json and torch each raise their own; all mean the same here
        raise BadModelError(str(folder), str(error)) from error
    return encoder.eval()


def _renamed(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """BertModel's parameter names and layout → ours."""
    embeddings = "embeddings."
    renamed = {
        "tokens.weight": state[embeddings + "word_embeddings.weight"],
        "positions.weight": state[embeddings + "position_embeddings.weight"]
        + state[embeddings + "token_type_embeddings.weight"][0],
        "embedding_norm.weight": state[embeddings + "LayerNorm.weight"],
        "embedding_norm.bias": state[embeddings + "LayerNorm.bias"],
    }
    places = {
        "attention_output": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "output_norm": "output.LayerNorm",
    }
    for index in range(layers):
        theirs, ours = f"encoder.layer.{index}.", f"layers.{index}."
        for kind in ("weight", "bias"):
            parts = [state[f"{theirs}attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            renamed[f"{ours}query_key_value.{kind}"] = torch.cat(parts)
            for name, place in places.items():
                renamed[f"{ours}{name}.{kind}"] = state[f"{theirs}{place}.{kind}"]
    return renamed


def _copy_cut(source: nn.Module, target: nn.Module, cut: LayerCut, head_width: int) -> None:
    """Fill `target` with the rows and columns of `source` that `cut` keeps."""
    heads = torch.as_tensor(cut.heads, dtype=torch.long)
    rows = (heads[:, None] * head_width + torch.arange(head_width)).flatten()
    neurons = torch.as_tensor(cut.neurons, dtype=torch.long)
    whole = dict(source.state_dict())
    inner = whole["attention_output.weight"].shape[1]
    joined = torch.cat([rows + part * inner for part in range(3)])
    for name in ("query_key_value.weight", "query_key_value.bias"):
        whole[name] = whole[name][joined]
    whole["attention_output.weight"] = whole["attention_output.weight"][:, rows]
    for name in ("up.weight", "up.bias"):
        whole[name] = whole[name][neurons]
    whole["down.weight"] = whole["down.weight"][:, neurons]
    target.load_state_dict(whole)
