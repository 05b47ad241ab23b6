"""A structure read off a model: its operators, how they grow with a text, and the memory they need."""

import pytest
import torch
from torch import Tensor, nn

from edgewright.cost.exported import structure_for
from edgewright.cost.trace import structure_of
from edgewright.devices.timed_models import Filters, Shape
from edgewright.errors import UnsupportedModelError
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.macs import sizes
from edgewright.specs.structure import Structure

SPEC = TextInputSpec(max_length=64)
SHAPE = Shape(width=96, layers=((2, 32, 128), (3, 16, 64)), vocabulary=500, token_rank=48)


def macs(structure: Structure, length: int) -> int:
    total = 0
    for each in structure.operators:
        found = each.at(length)
        if each.kind in ("linear", "convolution", "depthwise"):
            total += each.count * found[0] * found[1] * found[2]
        elif each.kind == "matmul":
            total += each.count * found[0] * found[1] * found[2] * found[3]
    return total


@pytest.mark.parametrize("length", [5, 17, 40])
def test_an_encoders_products_are_all_counted_at_every_length(length: int) -> None:
    structure = structure_for(SHAPE.module(padded=False), SPEC)
    counted = sizes(SHAPE.module(padded=False), (torch.ones(1, length, dtype=torch.long),))
    assert macs(structure, length) == counted.macs
    assert structure.weights == counted.parameters
    assert structure.table_rows == 500 + 64


def test_a_norm_a_softmax_and_an_activation_are_told_apart_and_a_mask_is_seen() -> None:
    free, padded = (structure_for(SHAPE.module(padded=padded), SPEC) for padded in (False, True))
    counts = {kind: sum(each.count for each in free.operators if each.kind == kind) for kind in ("normalisation",)}
    assert counts == {"normalisation": 5}
    kinds = {each.kind for each in free.operators}
    assert kinds == {
        *("linear", "matmul", "normalisation", "softmax", "embedding", "activation", "elementwise", "reduction"),
        *("permute", "transpose", "slice"),
    }
    assert sum(each.count for each in padded.operators) > sum(each.count for each in free.operators)


def test_what_is_moved_is_told_apart_by_the_pieces_that_stay_whole() -> None:
    structure = structure_for(Shape(width=96, layers=((2, 16, 128),)).module(padded=False), SPEC)
    moved: dict[str, set[tuple[int, ...]]] = {
        each.kind: set() for each in structure.operators if each.kind in ("permute", "transpose", "slice")
    }
    for each in structure.operators:
        if each.kind in moved:
            moved[each.kind].add(each.at(10))
    assert moved["permute"] == {(60, 16), (20, 16)}  # three times two heads of ten tokens come to the front, and back
    assert moved["transpose"] == {(2, 16, 10)}
    assert (3, 960) in moved["slice"]


def test_one_head_stays_where_it_is() -> None:
    structure = structure_for(Shape(width=96, layers=((1, 16, 128),)).module(padded=False), SPEC)
    assert (1, 160) in {each.at(10) for each in structure.operators if each.kind == "permute"}


def test_attention_needs_memory_that_grows_with_the_square_of_a_text() -> None:
    structure = structure_for(Shape(width=32, layers=((8, 16, 32),)).module(padded=False), SPEC)
    assert structure.activation_bytes(400) > 50 * structure.activation_bytes(40)


def test_a_net_of_convolutions_is_read_with_its_depthwise_filters() -> None:
    filters = Filters(side=12, channels=16, repeats=2)
    structure = structure_for(filters.module(padded=False), ImageInputSpec(height=12, width=12, channels=3))
    found = [(each.kind, each.count, each.at(0)) for each in structure.operators]
    assert ("convolution", 1, (144, 9, 3, 16)) in found
    assert ("convolution", 2, (144, 9, 16, 16)) in found
    assert ("convolution", 2, (144, 1, 16, 16)) in found
    assert ("bytes", 2, (432,)) in found  # put in order, and made numbers
    assert ("depthwise", 2, (144, 16, 9)) in found


def test_a_model_that_does_other_things_with_longer_texts_is_refused() -> None:
    class Fickle(nn.Module):
        def forward(self, ids: Tensor) -> Tensor:
            hidden = ids.float()
            return hidden.exp() if ids.shape[-1] > 10 else hidden + 1

    with pytest.raises(UnsupportedModelError, match="operators depend on a text's length"):
        structure_of(Fickle(), [torch.ones(1, 4, dtype=torch.long), torch.ones(1, 12, dtype=torch.long)])
