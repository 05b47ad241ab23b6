"""Heads pool and project as their shapes say, also cut; a model comes back from disk as it was or not at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from edgewright.errors import BadModelError, UnsupportedModelError
from edgewright.models import model as models
from edgewright.models.encoder import Encoder
from edgewright.models.loading import from_transformers as encoder_from_transformers
from edgewright.models.macs import sizes
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import padded
from edgewright.models.transformer_layer import TransformerLayer
from edgewright.models.transformer_shape import LINEARS, LayerCut
from edgewright.models.vision import from_transformers
from tests import tiny

WIDTH = 32
HEADS = [
    HeadShape(pooling="mean"),
    HeadShape(pooling="first", normalised=False),
    HeadShape(pooling="mean", projected=5),
    HeadShape(pooling="first-two"),
    HeadShape(pooling="first-two", classes=3),
    HeadShape(pooling="first", classes=3, inner=WIDTH),
    HeadShape(pooling="first", classes=1, inner=7, inner_activation="gelu"),
    HeadShape(pooling="each", classes=3),
    HeadShape(pooling="each", normalised=False),
]


def head(shape: HeadShape, width: int = WIDTH) -> Head:
    torch.manual_seed(0)
    return Head(shape, width).eval()


def hidden() -> tuple[torch.Tensor, torch.Tensor]:
    """Two texts of 5 and 3 tokens."""
    values = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))
    return values, torch.tensor([[1.0] * 5, [1.0] * 3 + [0.0] * 2])


def test_the_mean_is_over_tokens_only_and_has_length_one() -> None:
    values, mask = hidden()
    found = head(HeadShape(pooling="mean"))(values, mask)
    expected = functional.normalize(torch.stack([values[0].mean(0), values[1, :3].mean(0)]), dim=-1)
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_an_inner_layer_stands_between_the_first_token_and_the_scores(activation: str) -> None:
    made = head(HeadShape(pooling="first", classes=3, inner=7, inner_activation=activation))
    values, mask = hidden()
    function = {"tanh": torch.tanh, "relu": functional.relu, "gelu": functional.gelu}[activation]
    assert torch.equal(made(values, mask), made.classifier(function(made.pooler(values[:, 0]))))


@pytest.mark.parametrize("shape", HEADS)
def test_one_example_alone_gives_what_it_gives_in_a_batch(shape: HeadShape) -> None:
    values, mask = hidden()
    made = head(shape)
    assert torch.allclose(made(values, mask)[0], made(values[0]), atol=1e-6)


@pytest.mark.parametrize("shape", HEADS)
def test_a_head_for_fewer_dimensions_is_the_whole_head_with_the_others_at_zero(shape: HeadShape) -> None:
    values, mask = hidden()
    kept = [0, 3, 4, 17, 31]
    silenced = torch.zeros_like(values)
    silenced[..., kept] = values[..., kept]
    whole = head(shape)
    small = whole.sliced(kept, WIDTH)
    assert torch.allclose(small(values[..., kept], mask), whole(silenced, mask), atol=1e-6)
    assert not small.training


def test_heads_are_cut_twice_as_well() -> None:
    values, mask = hidden()
    whole = head(HeadShape(pooling="mean"))
    twice = whole.sliced(range(10), WIDTH).sliced([2, 5], 10)
    assert torch.allclose(twice(values[..., [2, 5]], mask), whole.sliced([2, 5], WIDTH)(values[..., [2, 5]], mask))


def cut_model(shape: HeadShape) -> TransformerModel:
    kept = ((0, 1, 2), (3, 4, 5))
    cuts = [
        LayerCut(layer=0, heads=(0, 3), neurons=tuple(range(10)), query_key=kept, value=kept),
        LayerCut(layer=2, heads=(), neurons=()),
    ]
    return TransformerModel(tiny.encoder().sliced(cuts, width=range(20)), head(shape).sliced(range(20), WIDTH)).eval()


@torch.inference_mode()
@pytest.mark.parametrize("shape", HEADS)
def test_a_model_comes_back_from_disk_as_it_was(tmp_path: Path, shape: HeadShape) -> None:
    small = cut_model(shape)
    models.save(small, tmp_path)
    back = models.load(tmp_path)
    assert back.encoder.shape == small.encoder.shape
    assert back.head.shape == small.head.shape
    assert not back.training
    assert back.parameters_count == small.parameters_count
    assert torch.equal(back(*padded(tiny.rows(4))), small(*padded(tiny.rows(4))))


@torch.inference_mode()
def test_low_rank_and_a_factorised_table_come_back_as_well(tmp_path: Path) -> None:
    shape = tiny.encoder().shape
    layers = tuple(replace(layer, ranks={"up": 3, "query_key_value": 4}) for layer in shape.layers)
    made = TransformerModel(
        Encoder(replace(shape, layers=layers, token_rank=6, embedding_width=12)), head(HEADS[0])
    ).eval()
    models.save(made, tmp_path)
    assert torch.equal(models.load(tmp_path)(*padded(tiny.rows(2))), made(*padded(tiny.rows(2))))


@torch.inference_mode()
@pytest.mark.parametrize("family", ["vit", "deit"])
def test_a_model_of_images_comes_back_as_its_own_family(tmp_path: Path, family: str) -> None:
    made = TransformerModel(from_transformers(tiny.family_model(family)), head(HEADS[4])).eval()
    models.save(made, tmp_path)
    back = models.load(tmp_path)
    assert type(back.encoder) is type(made.encoder)
    assert back.encoder.shape == made.encoder.shape
    pixels = torch.randn(2, 3, 8, 12)
    assert torch.equal(back(pixels), made(pixels))


@torch.inference_mode()
@pytest.mark.parametrize("shape", [each for each in HEADS if not each.classes])
def test_a_projection_of_an_embedding_changes_nothing_until_it_is_taught(shape: HeadShape) -> None:
    made = TransformerModel(tiny.encoder(), head(shape)).eval()
    through = models.projected(made)
    assert torch.allclose(through(*padded(tiny.rows(4))), made(*padded(tiny.rows(4))), atol=1e-6)
    pooled = 2 * WIDTH if shape.pooling == "first-two" else WIDTH
    assert through.head.projection.weight.shape == (shape.projected or pooled, pooled)
    assert models.projected(through) is through
    assert not through.training


def test_a_projection_before_classes_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="a projection before classes"):
        models.projected(TransformerModel(tiny.encoder(), head(HEADS[5])))


CUTS = {
    "whole": (),
    "no heads": (LayerCut(layer=2, heads=(), neurons=(1, 2, 3)),),
    "no neurons": (LayerCut(layer=0, heads=(0, 3), neurons=(4, 5)), LayerCut(layer=1, heads=(2,), neurons=())),
    "neither": (LayerCut(layer=1, heads=(), neurons=()),),
}


@torch.inference_mode()
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert", "deberta-v2", "deit"])
@pytest.mark.parametrize("shape", HEADS)
def test_a_copy_to_be_run_says_the_same_and_computes_what_the_head_reads(
    shape: HeadShape, family: str, cut: str
) -> None:
    images = family in tiny.IMAGE_CLASSES
    encoder = (from_transformers if images else encoder_from_transformers)(tiny.family_model(family))
    made = TransformerModel(encoder.sliced(CUTS[cut]) if CUTS[cut] else encoder, head(shape)).eval()
    example = (torch.randn(2, 3, 8, 12),) if images else padded(tiny.rows(4))
    before = {name: values.clone() for name, values in made.state_dict().items()}
    ready = models.reading(made)
    assert torch.allclose(ready(*example), made(*example), atol=1e-5)
    assert type(made.encoder.layers[-1]) is TransformerLayer
    assert all(torch.equal(values, before[name]) for name, values in made.state_dict().items())
    spared = sizes(made, example).macs - sizes(ready, example).macs
    if shape.pooling in ("mean", "each") or cut == "neither":
        assert spared == 0
    else:
        assert spared > 0


@torch.inference_mode()
def test_a_copy_to_be_run_has_matrices_of_low_rank_where_the_model_has_them() -> None:
    shape = tiny.encoder().shape
    layers = tuple(replace(layer, ranks=dict.fromkeys(LINEARS, 4)) for layer in shape.layers)
    made = TransformerModel(Encoder(replace(shape, layers=layers)), head(HEADS[5])).eval()
    ready = models.reading(made)
    assert torch.allclose(ready(*padded(tiny.rows(4))), made(*padded(tiny.rows(4))), atol=1e-5)
    assert ready.parameters_count == made.parameters_count  # the matrix that all three come from is shared


@torch.inference_mode()
def test_a_copy_to_be_run_of_a_model_without_layers_is_the_model() -> None:
    made = TransformerModel(tiny.encoder().sliced([]), head(HEADS[5])).eval()
    assert torch.equal(models.reading(made)(*padded(tiny.rows(2))), made(*padded(tiny.rows(2))))


FILES = ["shape.json", "head.json", "encoder.safetensors", "head.safetensors"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["missing", "empty", "cut in half", "other bytes"])
def test_a_damaged_file_is_a_bad_model_whose_folder_is_told_on_one_line(tmp_path: Path, file: str, damage: str) -> None:
    models.save(cut_model(HEADS[5]), tmp_path)
    path = tmp_path / file
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut in half": data[: len(data) // 2], "other bytes": b"[]"}[damage])
    with pytest.raises(BadModelError) as caught:
        models.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_other_sizes_than_the_shape_says_are_a_bad_model(tmp_path: Path) -> None:
    models.save(cut_model(HEADS[0]), tmp_path)
    path = tmp_path / "shape.json"
    path.write_text(path.read_text().replace('"neurons": 10', '"neurons": 12'))
    with pytest.raises(BadModelError, match="size mismatch"):
        models.load(tmp_path)


def test_a_family_that_is_not_known_is_told_by_its_name(tmp_path: Path) -> None:
    models.save(cut_model(HEADS[0]), tmp_path)
    path = tmp_path / "shape.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "family": "speech"}))
    with pytest.raises(BadModelError, match=r"shape\.json names family 'speech', not encoder or vision"):
        models.load(tmp_path)


def test_an_encoder_of_no_known_family_is_not_saved(tmp_path: Path) -> None:
    class Other(Encoder):
        """A class that loading would not know."""

    with pytest.raises(UnsupportedModelError, match="saving an encoder of type Other"):
        models.save(TransformerModel(Other(tiny.encoder().shape), head(HEADS[0])), tmp_path)
    assert list(tmp_path.iterdir()) == []
