"""Vision transformers: how one is read, fed, sliced and written.

In:  a Hugging Face ViT or DeiT.
Out: a `VisionEncoder`: the same network in plain PyTorch. Patches are cut by a reshape and embedded by one matrix, so
     that every product is one the int8 kernels have; class tokens already carry their positions.
Which parts to keep is `compress`'s decision; class heads are `model`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from edgewright.errors import UnsupportedModelError
from edgewright.models.layouts import image_family
from edgewright.models.linear_maps import copy_linear, copy_norm, taken
from edgewright.models.transformer import Transformer
from edgewright.models.transformer_shape import ACTIVATIONS, LayerShape, TransformerShape
from edgewright.models.transformers_types import config_of


@dataclass(frozen=True, kw_only=True)
class VisionShape(TransformerShape):
    """Every size of a `VisionEncoder`; lengths are in pixels. `starts` is the number of class tokens (DeiT has 2)."""

    image_height: int
    image_width: int
    patch: int
    channels: int = 3
    starts: int = 1
    norm_first: bool = True

    @property
    def patches(self) -> int:
        """How many patches an image has."""
        return (self.image_height // self.patch) * (self.image_width // self.patch)


class VisionEncoder(Transformer):
    """Images to one hidden vector a class token and a patch."""

    shape: VisionShape
    family = "vision"

    def __init__(self, shape: VisionShape) -> None:
        super().__init__(shape)
        self.patch_projection = nn.Linear(shape.channels * shape.patch**2, shape.width)
        self.starts = nn.Parameter(torch.zeros(shape.starts, shape.width))
        self.positions = nn.Parameter(torch.zeros(shape.patches, shape.width))
        self.norm = nn.LayerNorm(shape.width, eps=shape.norm_epsilon)

    def embedded(self, *inputs: Tensor | None) -> Tensor:
        """Pixels (batch, channels, height, width), or one image → (batch, starts + patches, width), or one's."""
        pixels = inputs[0]
        assert pixels is not None
        shape = self.shape
        rows, columns = shape.image_height // shape.patch, shape.image_width // shape.patch
        batch = pixels.shape[:-3]
        parts = pixels.reshape(*batch, shape.channels, rows, shape.patch, columns, shape.patch)
        order = (*range(len(batch)), *(place - 5 for place in (1, 3, 0, 2, 4)))
        cut = parts.permute(order).reshape(*batch, shape.patches, shape.channels * shape.patch**2)
        patches = self.patch_projection(cut)
        starts = self.starts.expand(*batch, -1, -1)
        return torch.cat([starts, patches + self.positions], dim=-2)

    def bias(self, *inputs: Tensor | None) -> None:
        """Every patch counts."""

    def mask(self, *inputs: Tensor | None) -> None:
        """No patch is padding."""

    @property
    def tokens_each(self) -> int:
        """An image has size 1, and a token for each patch and class token."""
        return self.shape.starts + self.shape.patches

    def closed(self, hidden: Tensor) -> Tensor:
        """The norm that a stack with norms before its parts ends with."""
        normed: Tensor = self.norm(hidden)
        return normed

    def copy_around(self, smaller: Self, kept: Tensor | None) -> None:
        """Patch embedding, tokens, positions and the last norm."""
        copy_linear(self.patch_projection, smaller.patch_projection, outputs=kept)
        smaller.starts.copy_(taken(self.starts.T, kept).T)
        smaller.positions.copy_(taken(self.positions.T, kept).T)
        copy_norm(self.norm, smaller.norm, kept)


def example_inputs(shape: VisionShape) -> tuple[Tensor, ...]:
    """One black image, (1, channels, height, width)."""
    return (torch.zeros(1, shape.channels, shape.image_height, shape.image_width),)


def from_transformers(model: nn.Module) -> VisionEncoder:
    """A `VisionEncoder` with the weights of a Hugging Face `ViTModel`, `DeiTModel` or a classifier that wraps one.

    Raises `UnsupportedModelError` for another family or activation.
    """
    config = config_of(model)
    wrapped = image_family(config.model_type)
    activation = config.text("hidden_act")
    if activation not in ACTIVATIONS:
        raise UnsupportedModelError(f"activation {activation!r}", supported=tuple(ACTIVATIONS))
    source = getattr(model, wrapped, model)
    height, width = config.pair("image_size")
    patch = config.pair("patch_size")
    if patch[0] != patch[1] or height % patch[0] or width % patch[0]:
        raise UnsupportedModelError(
            f"an image of {height} × {width} in patches of {patch[0]} × {patch[1]}", supported=("square patches",)
        )
    hidden, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    layer = LayerShape(heads=heads, head_width=hidden // heads, neurons=config.integer("intermediate_size"))
    shape = VisionShape(
        width=hidden,
        layers=(layer,) * config.integer("num_hidden_layers"),
        activation=activation,
        norm_epsilon=config.number("layer_norm_eps"),
        image_height=height,
        image_width=width,
        patch=patch[0],
        channels=config.integer("num_channels"),
        starts=2 if config.model_type == "deit" else 1,
    )
    encoder = VisionEncoder(shape)
    encoder.load_state_dict(_renamed(source.state_dict(), shape))
    return encoder.eval()


def _renamed(state: dict[str, Tensor], shape: VisionShape) -> dict[str, Tensor]:
    """ViTModel's parameter names and layout → ours."""
    embeddings = "embeddings."
    tokens = [state[embeddings + "cls_token"][0]]
    if shape.starts == 2:
        tokens.append(state[embeddings + "distillation_token"][0])
    positions = state[embeddings + "position_embeddings"][0]
    # A convolution whose stride is its kernel is one matrix over a patch's channels, rows and columns.
    renamed = {
        "patch_projection.weight": state[embeddings + "patch_embeddings.projection.weight"].flatten(1),
        "patch_projection.bias": state[embeddings + "patch_embeddings.projection.bias"],
        "starts": torch.cat(tokens) + positions[: shape.starts],
        "positions": positions[shape.starts :],
        "norm.weight": state["layernorm.weight"],
        "norm.bias": state["layernorm.bias"],
    }
    places = {
        "attention_output": "attention.o_proj",
        "attention_norm": "layernorm_before",
        "up": "mlp.fc1",
        "down": "mlp.fc2",
        "feed_forward_norm": "layernorm_after",
    }
    for index in range(len(shape.layers)):
        prefix = f"layers.{index}."
        for kind in ("weight", "bias"):
            # A model may have no biases of queries, keys and values.
            parts = [state.get(f"{prefix}attention.{part}_proj.{kind}", torch.zeros(shape.width)) for part in "qkv"]
            renamed[f"{prefix}query_key_value.{kind}"] = torch.cat(parts)
            for name, place in places.items():
                renamed[f"{prefix}{name}.{kind}"] = state[f"{prefix}{place}.{kind}"]
    return renamed
