"""Our vision encoder against the one it was read from, and its export."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from edgewright.errors import UnsupportedModelError
from edgewright.models.macs import sizes
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.transformer_shape import LayerCut
from edgewright.models.vision import VisionEncoder, example_inputs, from_transformers
from tests import tiny

FAMILIES = ["vit", "deit"]
ROWS, COLUMNS = 8, 12


def images(count: int = 3, channels: int = 3) -> torch.Tensor:
    return torch.randn(count, channels, ROWS, COLUMNS, generator=torch.Generator().manual_seed(0))


def encoder(family: str, **changes: Any) -> VisionEncoder:
    return from_transformers(tiny.family_model(family, **changes))


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("changes", [{}, {"qkv_bias": False}, {"hidden_act": "gelu_pytorch_tanh"}])
def test_images_give_what_transformers_gives(family: str, changes: dict[str, Any]) -> None:
    model = tiny.family_model(family, **changes)
    expected = model(pixel_values=images()).last_hidden_state
    found = from_transformers(model)(images())
    assert found.shape == expected.shape == (3, 6 + (2 if family == "deit" else 1), 32)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-4


@torch.inference_mode()
def test_grey_square_images_whose_sizes_are_single_numbers_give_what_transformers_gives() -> None:
    model = tiny.family_model("vit", image_size=8, patch_size=2, num_channels=1)
    pixels = images(channels=1)[..., :8]
    assert (from_transformers(model)(pixels) - model(pixel_values=pixels).last_hidden_state).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_all_hidden_states_are_those_of_transformers_but_the_last_which_is_normed(family: str) -> None:
    model = tiny.family_model(family)
    theirs = model(pixel_values=images(), output_hidden_states=True)
    found = from_transformers(model).all_hidden(images())
    assert len(found) == len(theirs.hidden_states) == 4
    for ours, expected in zip(found, [*theirs.hidden_states[:-1], theirs.last_hidden_state], strict=True):
        assert (ours - expected).abs().max() < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("family", FAMILIES)
def test_a_cut_encoder_keeps_its_tokens_and_gives_an_image_as_many_vectors(family: str) -> None:
    whole = encoder(family)
    cuts = [LayerCut(layer=layer, heads=(0, 2), neurons=tuple(range(16))) for layer in (0, 2)]
    small = whole.sliced(cuts, width=range(0, 32, 2))
    assert small(images()).shape == (3, 6 + whole.shape.starts, 16)
    assert torch.equal(small.starts, whole.starts[:, ::2])
    assert torch.equal(small.positions, whole.positions[:, ::2])
    assert torch.equal(small.patch_projection.weight, whole.patch_projection.weight[::2])


@pytest.mark.parametrize("family", FAMILIES)
def test_one_image_exports(family: str) -> None:
    whole = encoder(family)
    pooling = "first-two" if family == "deit" else "first"
    model = TransformerModel(whole, Head(HeadShape(pooling=pooling, classes=3), 32)).eval()
    program = torch.export.export(model, example_inputs(whole.shape), strict=False)
    assert torch.allclose(program.module()(images(1)), model(images(1)), atol=1e-5)


def test_the_example_is_one_image_and_counts_as_reckoned_by_hand() -> None:
    whole = encoder("vit")
    assert [each.shape for each in example_inputs(whole.shape)] == [(1, 3, ROWS, COLUMNS)]
    layer = 7 * (4 * 32 * 32 + 2 * 32 * 64) + 2 * 7 * 7 * 32
    assert sizes(whole, example_inputs(whole.shape)).macs == 3 * layer + 6 * 48 * 32


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden_act": "silu"}, "activation 'silu'"),
        ({"image_size": [9, 12]}, r"an image of 9 × 12 in patches of 4 × 4 is not supported; supported are square"),
        ({"patch_size": [4, 2]}, "patches of 4 × 2"),
    ],
)
def test_a_variant_that_cannot_be_read_is_told(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedModelError, match=said):
        from_transformers(SimpleNamespace(config=tiny.family_config("vit", **changes)))


def test_another_family_is_told_with_what_is_supported() -> None:
    with pytest.raises(UnsupportedModelError, match=r"a vision model of type swin is not supported; supported are vit"):
        from_transformers(SimpleNamespace(config=SimpleNamespace(model_type="swin")))
