"""A shape is written as a mapping and comes back."""

from dataclasses import asdict, replace

from edgewright.models.encoder import EncoderShape
from tests import tiny


def test_a_shape_comes_back_from_its_mapping() -> None:

    whole = tiny.encoder().shape
    shape = replace(whole, layers=tuple(replace(layer, ranks={"up": 3}) for layer in whole.layers))
    assert EncoderShape.from_mapping(asdict(shape)) == shape
