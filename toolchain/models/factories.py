"""Small untrained nets for the built-in recipes: what `model.factory` of a recipe may look like.

In:  nothing.
Out: a model, and the size of the images it takes.
"""

from typing import Any

SIDE = 16  # a digit of 8 × 8 pixels, twice as large
PATCH_SIDE = 8  # as it is


def digit_resnet() -> tuple[Any, tuple[int, int, int]]:
    """A ResNet of three stages for ten classes of grey images of 16 × 16, as transformers makes one."""
    import transformers

    config = transformers.ResNetConfig(
        num_channels=1,
        num_labels=10,
        embedding_size=32,
        hidden_sizes=[32, 64, 128],
        depths=[2, 2, 2],
        layer_type="basic",
    )
    return transformers.ResNetForImageClassification(config), (1, SIDE, SIDE)


def digit_vit() -> Any:
    """A vision transformer of four layers for ten classes of grey images of 8 × 8 in patches of 2 × 2.

    Weights are drawn wider than transformers' 0.02, which is meant for a width of 768.
    """
    import transformers

    config = transformers.ViTConfig(
        image_size=PATCH_SIDE,
        patch_size=2,
        num_channels=1,
        num_labels=10,
        hidden_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=256,
        initializer_range=0.1,
    )
    return transformers.ViTForImageClassification(config)
