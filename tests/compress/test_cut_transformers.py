"""A transformer is cut to the sizes of a recipe, step by step or by a search, and refitted on request."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from edgewright.compress import prune
from edgewright.compress.cost_limits import MacCosts
from edgewright.compress.cut_transformers import OF_IMAGES, OF_TEXTS, everything, prune_sizes
from edgewright.compress.cutting import Goal
from edgewright.compress.importance import importance
from edgewright.compress.reconstruct import reconstructed
from edgewright.compress.shrink import to_share
from edgewright.errors import InputError
from edgewright.models.image_teacher import load_images
from edgewright.models.inputs import ImageInputs, TextInputs
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import TransformerShape
from edgewright.specs.recipe import ModelSource, Prune
from tests import tiny

ROWS = TextInputs(tiny.rows(100))


@dataclass(frozen=True, kw_only=True)
class Priced(MacCosts):
    """Products as if they were milliseconds."""

    source: str = "reckoned"


def same(found: nn.Module, expected: nn.Module) -> bool:
    pairs = zip(found.state_dict().values(), expected.state_dict().values(), strict=True)
    return all(torch.equal(ours, theirs) for ours, theirs in pairs)


def vision(place: Path) -> tuple[TransformerModel, ImageInputs]:
    folder, _ = tiny.family_folder(place, "vit", "ForImageClassification", num_labels=3)
    teacher = load_images(ModelSource(folder=folder), labels=["0", "1", "2"])
    assert isinstance(teacher.model, TransformerModel)
    size = teacher.scaling
    pixels = torch.rand(24, size.height, size.width, size.channels, generator=torch.Generator().manual_seed(0))
    return teacher.model, ImageInputs(pixels)


def test_the_importance_that_was_measured_is_gone_by() -> None:
    model, settings = tiny.model_copy(), Prune(heads=2, neurons=24)
    scores = importance(model, ROWS, kind="magnitude")
    made = OF_TEXTS.cut(model, ROWS, Goal(settings=settings, importance=scores))
    wanted = prune.prune(model, scores, prune_sizes(settings, 1))
    assert made.layers == wanted.cuts
    assert same(made.model, wanted.model)
    assert made.refitted is not None
    assert same(made.refitted(), reconstructed(wanted.model, model, wanted.cuts, ROWS, width=None))


def test_a_step_of_a_gradual_cut_goes_part_of_the_way_from_the_teacher() -> None:
    model, settings = tiny.model_copy(), Prune(neurons=16, steps=2)
    sizes = []
    for step in range(2):
        goal = Goal(settings=settings, step=step, teacher=tiny.model_copy)
        made = OF_TEXTS.cut(model, ROWS, goal)
        assert isinstance(made.model, TransformerModel)
        sizes.append(made.model.encoder.shape.layers[0].neurons)
    assert sizes == [32, 16]


def test_a_search_keeps_within_the_time_that_a_speedup_leaves() -> None:
    def prices(shape: TransformerShape, length: int) -> Priced:
        return Priced(width=shape.width, head_width=shape.layers[0].head_width, length=length)

    made = OF_TEXTS.cut(tiny.model_copy(), ROWS, Goal(settings=Prune(speedup=2.0), multiple=8, prices=prices))
    assert made.findings["prices"] == "reckoned"
    taken, of = made.findings["searched_ms"], made.findings["of_ms"]
    assert isinstance(taken, float)
    assert isinstance(of, float)
    assert taken <= of / 2


def test_images_are_cut_to_a_share_of_their_products_or_to_named_sizes(tmp_path: Path) -> None:
    model, sample = vision(tmp_path)
    by_share = OF_IMAGES.cut(model, sample, Goal(settings=Prune(keep_macs=0.5), multiple=4, share=lambda: 0.5))
    assert same(by_share.model, to_share(model, sample, 0.5, multiple=4).model)
    assert by_share.refitted is None  # it has been
    named = OF_IMAGES.cut(model, sample, Goal(settings=Prune(neurons=8)))
    assert isinstance(named.model, TransformerModel)
    assert {layer.neurons for layer in named.model.encoder.shape.layers} == {8}
    assert named.layers == ()
    with pytest.raises(InputError, match=r"prune\.steps of a model of images goes with prune\.keep_macs"):
        OF_IMAGES.cut(model, sample, Goal(settings=Prune(neurons=8, steps=2)))
    with pytest.raises(InputError, match=r"prune\.ranking is not read beside prune\.keep_macs"):
        OF_IMAGES.cut(model, sample, Goal(settings=Prune(keep_macs=0.5, ranking="global"), share=lambda: 0.5))


def test_all_that_there_is_stays_where_nothing_is_cut() -> None:
    model = tiny.model_copy()
    assert same(model.encoder.sliced(everything(model)), model.encoder)
