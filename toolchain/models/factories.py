"""Small untrained nets for the built-in recipes: what `model.factory` of a recipe may look like.

In:  nothing.
Out: a model, and the size of the images it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

NATIVE_SIDE = 8  # of a digit, in pixels
SIDE = 2 * NATIVE_SIDE  # a net of convolutions has more to look at


def digit_resnet(**changes: object) -> tuple[nn.Module, tuple[int, int, int]]:
    """A ResNet of three stages for ten classes of grey images of 16 × 16.

    `changes` are of transformers' config; the size that is returned has as many channels as it says.
    """
    import transformers

    stated = {"embedding_size": 32, "hidden_sizes": [32, 64, 128], "depths": [2, 2, 2], "layer_type": "basic"}
    images = {"num_channels": 1, "num_labels": 10}
    config = transformers.ResNetConfig(**{**stated, **images, **changes})
    return transformers.ResNetForImageClassification(config), (config.num_channels, SIDE, SIDE)


def digit_vit(**changes: object) -> nn.Module:
    """A vision transformer of four layers for ten classes of grey images of 8 × 8 in patches of 2 × 2.

    Weights are drawn wider than transformers' 0.02, which is meant for a width of 768; `changes` are of its config.
    """
    import transformers

    stated = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 256}
    images = {"image_size": NATIVE_SIDE, "patch_size": 2, "num_channels": 1, "num_labels": 10}
    config = transformers.ViTConfig(**{"initializer_range": 0.1, **stated, **images, **changes})
    model: nn.Module = transformers.ViTForImageClassification(config)
    return model
