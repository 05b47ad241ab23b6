"""A transformer whole: an encoder, and the head that turns its hidden vectors into what the task asks for.

In:  a batch of the family's inputs.
Out: an embedding, scores or a value for each example, or scores for each token, as the head has it.
Also here: how such a model is written and read back, whatever its family.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.families import mark
from edgewright.models.transformer import Transformer
from edgewright.models.transformer_layer import ReadingLayer
from edgewright.models.transformer_shape import TransformerShape
from edgewright.models.vision import VisionEncoder, VisionShape

# One line a family: the class and its shape, by the name that is written beside the weights.
ENCODERS: dict[str, tuple[type[Transformer], type[TransformerShape]]] = {
    "encoder": (Encoder, EncoderShape),
    "vision": (VisionEncoder, VisionShape),
}
INITIAL_DEVIATION = 0.02
POOLED_TOKENS = {"first": 1, "first-two": 2}  # how many tokens such a head reads; others read all
INNER_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": functional.relu,
    "gelu": functional.gelu,
}


@dataclass(frozen=True, kw_only=True)
class HeadShape:
    """How hidden vectors become an output.

    They are pooled by "mean", by "first" token, by the "first-two" side by side, or not at all ("each" token has an
    output). An embedding is projected to `projected` numbers where that is not 0, and normalised. With `classes`
    outputs (scores, or one value) there may be a layer of `inner` units and its activation between, and behind these a
    norm, whose epsilon is `inner_norm` where that is not 0.
    """

    pooling: str
    normalised: bool = True
    classes: int = 0
    inner: int = 0
    inner_activation: str = "tanh"
    projected: int = 0
    inner_norm: float = 0.0


class Head(nn.Module):
    """(…, length, width) → (…, outputs), or (…, length, outputs) when each token has its own."""

    def __init__(self, shape: HeadShape, width: int) -> None:
        super().__init__()
        self.shape = shape
        pooled = 2 * width if shape.pooling == "first-two" else width
        if shape.inner:
            self.pooler = nn.Linear(pooled, shape.inner)
            if shape.inner_norm:
                self.inner_norm = nn.LayerNorm(shape.inner, eps=shape.inner_norm)
        if shape.classes:
            self.classifier = nn.Linear(shape.inner or pooled, shape.classes)
        elif shape.projected:
            self.projection = nn.Linear(pooled, shape.projected)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """Hidden vectors and the mask of those that are tokens → outputs."""
        pooled = self.pooled(hidden, mask)
        if self.shape.classes:
            if self.shape.inner:
                pooled = INNER_ACTIVATIONS[self.shape.inner_activation](self.pooler(pooled))
                if self.shape.inner_norm:
                    pooled = self.inner_norm(pooled)
            scores: Tensor = self.classifier(pooled)
            return scores
        if self.shape.projected:
            pooled = self.projection(pooled)
        if self.shape.normalised:
            return pooled * torch.rsqrt((pooled * pooled).sum(dim=-1, keepdim=True) + 1e-12)
        return pooled

    def pooled(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """What the first matrix reads."""
        if self.shape.pooling == "each":
            return hidden
        if self.shape.pooling == "first":
            return hidden[..., 0, :]
        if self.shape.pooling == "first-two":
            return hidden[..., :2, :].flatten(-2)
        return mean_over_tokens(hidden, mask)

    def sliced(self, kept: Sequence[int], width: int) -> Head:
        """The same head for an encoder that keeps these of its `width` dimensions.

        An embedding keeps its size: a projection puts each kept dimension back into its place.
        """
        shape = self.shape
        pooled = 2 * width if shape.pooling == "first-two" else width
        if not shape.classes and not shape.projected:
            shape = replace(shape, projected=pooled)
        smaller = Head(shape, len(kept))
        columns = torch.as_tensor(list(kept), dtype=torch.long)
        if shape.pooling == "first-two":
            columns = torch.cat([columns, columns + width])
        with torch.no_grad():
            state = dict(self.state_dict())
            if shape.projected and not self.shape.projected:
                state = {"projection.weight": torch.eye(pooled), "projection.bias": torch.zeros(pooled)}
            first = "pooler" if shape.inner else "classifier" if shape.classes else "projection"
            state[f"{first}.weight"] = state[f"{first}.weight"][:, columns]
            smaller.load_state_dict(state)
        return smaller.train(self.training)


class TransformerModel(nn.Module):
    """An encoder of any family and a head."""

    def __init__(self, encoder: Transformer, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    @property
    def family(self) -> str:
        """The name of the encoder's family in the table of `families`."""
        return self.encoder.family

    @property
    def shape(self) -> TransformerShape:
        """The encoder's sizes."""
        return self.encoder.shape

    def forward(self, *inputs: Tensor | None) -> Tensor:
        """A batch of the family's inputs, or one text alone (length) → (batch, outputs), or (outputs)."""
        output: Tensor = self.head(self.encoder(*inputs), self.encoder.mask(*inputs))
        return output

    @property
    def parameters_count(self) -> int:
        """How many numbers the model holds."""
        return sum(parameter.numel() for parameter in self.parameters())


def projected(model: TransformerModel) -> TransformerModel:
    """The same embedding through a square matrix that changes nothing yet, for training to use.

    What is left of a teacher puts its outputs nearly where the teacher has them, and often a matrix is all that lies
    between. A model that has such a matrix comes back as it is. Raises `UnsupportedModelError` for a model of classes,
    which has a matrix there.
    """
    shape = model.head.shape
    if shape.classes:
        raise UnsupportedModelError("a projection before classes", supported=("embeddings",))
    if shape.projected:
        return model
    width = model.encoder.shape.width
    return TransformerModel(model.encoder, model.head.sliced(range(width), width)).train(model.training)


def reading(model: TransformerModel) -> TransformerModel:
    """A copy to be run: where the head reads the first tokens alone, the last layer computes no others.

    Its outputs are the model's; such a copy cannot be cut, trained or saved.
    """
    ready = copy.deepcopy(model)
    read = POOLED_TOKENS.get(model.head.shape.pooling)
    layers = ready.encoder.layers
    if read and len(layers):
        layers[-1] = ReadingLayer(ready.encoder.layer(-1), read)
    return ready


def fresh(model: TransformerModel, *, seed: int) -> TransformerModel:
    """A model of the same sizes that has learned nothing: random weights as BERT's are drawn (Devlin et al. 2019)."""
    generator = torch.Generator().manual_seed(seed)
    new = copy.deepcopy(model)
    with torch.no_grad():
        for module in new.modules():
            for name, values in module.named_parameters(recurse=False):
                if isinstance(module, nn.LayerNorm):
                    values.fill_(1.0 if name == "weight" else 0.0)
                elif name == "bias":
                    values.zero_()
                else:
                    values.copy_(INITIAL_DEVIATION * torch.randn(values.shape, generator=generator))
    return new


def mean_over_tokens(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """The mean of the vectors that are not padding."""
    if mask is None:
        return hidden.mean(dim=-2)
    weights = mask.to(hidden.dtype)[..., None]
    return (hidden * weights).sum(dim=-2) / weights.sum(dim=-2)


def save(model: TransformerModel, folder: Path) -> None:
    """Write `shape.json`, `head.json` and the weights beside them into an existing folder.

    Raises `UnsupportedModelError` for an encoder of no known family.
    """
    family = next((name for name, (kind, _) in ENCODERS.items() if type(model.encoder) is kind), None)
    if family is None:
        raise UnsupportedModelError(f"saving an encoder of type {type(model.encoder).__name__}", supported=ENCODERS)
    shape = {"family": family, **asdict(model.encoder.shape)}
    (folder / "shape.json").write_text(json.dumps(shape, indent=2) + "\n", encoding="utf-8")
    (folder / "head.json").write_text(json.dumps(asdict(model.head.shape)) + "\n", encoding="utf-8")
    for part, name in ((model.encoder, "encoder"), (model.head, "head")):
        state = {key: tensor.contiguous() for key, tensor in part.state_dict().items()}
        save_file(state, folder / f"{name}.safetensors")
    mark(folder, family)


def load(folder: Path, *, factory: str = "") -> TransformerModel:
    """Read what `save` wrote, whatever `factory` it came from. Raises `BadModelError` for a missing or damaged file."""
    try:
        described = json.loads((folder / "shape.json").read_text(encoding="utf-8"))
        family = described.pop("family", None)
        if family not in ENCODERS:
            raise BadModelError(str(folder), f"shape.json names family {family!r}, not {' or '.join(ENCODERS)}")
        kind, shape = ENCODERS[family]
        encoder = kind(shape.from_mapping(described))
        encoder.load_state_dict(load_file(folder / "encoder.safetensors"))
        head = Head(HeadShape(**json.loads((folder / "head.json").read_text(encoding="utf-8"))), encoder.shape.width)
        head.load_state_dict(load_file(folder / "head.safetensors"))
    except BadModelError:
        raise
    except Exception as error:  # safetensors, json and torch each raise their own; all mean the same here
        raise BadModelError(str(folder), " ".join(str(error).split())[:300]) from error
    return TransformerModel(encoder, head).eval()
