"""Structures of students that are not there agree with those of students that are."""

import pytest

from edgewright.cost.exported import structure_for
from edgewright.cost.smaller import around_layers, layers_of, with_fewer_neurons
from edgewright.devices.timed_models import Filters, Shape
from edgewright.modality.text_spec import TextInputSpec
from edgewright.specs.structure import Structure


def structure(*layers: tuple[int, int, int], **rest: object) -> Structure:
    shape = Shape(width=96, layers=layers, **rest)  # type: ignore[arg-type]
    return structure_for(shape.module(padded=False), TextInputSpec(max_length=64))


def work(found: Structure) -> list[tuple[str, tuple[int, ...], int]]:
    return sorted((each.kind, each.at(20), each.count) for each in found.operators)


@pytest.mark.parametrize("rest", [{}, {"pooling": "first"}, {"token_rank": 32}])
def test_half_the_neurons_are_those_of_a_student_with_half_of_them(rest: dict[str, object]) -> None:
    found = with_fewer_neurons(structure((2, 16, 256), (3, 16, 128), **rest))
    really = structure((2, 16, 128), (3, 16, 64), **rest)
    assert found is not None
    assert work(found) == work(really)
    assert found.matrix_weights == really.matrix_weights


def test_a_net_without_activations_of_its_own_has_no_fewer_neurons() -> None:
    from edgewright.modality.image_spec import ImageInputSpec

    filters = structure_for(
        Filters(side=8, channels=16, repeats=1).module(padded=False), ImageInputSpec(height=8, width=8, channels=3)
    )
    assert with_fewer_neurons(filters) is None
    assert layers_of(filters) == 0


def test_what_is_around_layers_is_there_without_them() -> None:
    whole = structure((2, 16, 256), (3, 16, 128))
    assert layers_of(whole) == 2
    kinds = {each.kind for each in around_layers(whole).operators}
    assert {"embedding", "reduction"} <= kinds
    assert not {"matmul", "softmax", "activation"} & kinds
