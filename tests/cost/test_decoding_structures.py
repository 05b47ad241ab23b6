"""What a decoder computes is read off it for every number of ids and every context, in sizes that are reckoned here."""

import pytest

from edgewright.cost.decoding_structures import generating_structures
from edgewright.errors import InputError
from edgewright.models.decoder import DecoderModel
from edgewright.specs.structure import Structure
from tests import tiny, tiny_decoders

KINDS = ["llama", "llama with one table", "mistral with a window", "qwen3", "gpt2"]


def products(structure: Structure, kind: str, length: int) -> list[tuple[int, ...]]:
    """The sizes of all products of a kind."""
    return [each.at(length) for each in structure.operators if each.kind == kind for _ in range(each.count)]


def macs(structure: Structure, length: int) -> int:
    linear = sum(rows * inputs * outputs for rows, inputs, outputs in products(structure, "linear", length))
    return linear + sum(
        batch * rows * inputs * outputs for batch, rows, inputs, outputs in products(structure, "matmul", length)
    )


def reckoned(model: DecoderModel, ids: int, context: int) -> int:
    """Every matrix for each id, the output table for the last, and attention to the cache and to one another."""
    shape, layer = model.shape, model.shape.layers[0]
    inner, keys = shape.heads * shape.head_width, shape.groups * shape.head_width
    matrices = shape.width * (2 * inner + 2 * keys) + (3 if shape.gated else 2) * shape.width * layer.neurons
    attention = 2 * inner * (context + ids)
    return len(shape.layers) * ids * (matrices + attention) + shape.width * shape.vocabulary


@pytest.mark.parametrize("variant", KINDS)
def test_products_are_those_of_the_matrices_and_of_the_whole_cache(variant: str) -> None:
    model = tiny_decoders.decoder(variant)
    found = generating_structures(model, context=48)
    for context in (10, 24, 48):
        assert macs(found.decode, context) == reckoned(model, 1, context)
    for ids in (2, 8, 40):
        assert macs(found.prefill, ids) == reckoned(model, ids, 48)


@pytest.mark.parametrize("variant", KINDS)
def test_weights_are_those_of_the_file_where_one_table_is_written_for_each_end(variant: str) -> None:
    model = tiny_decoders.decoder(variant)
    found = generating_structures(model, context=48)
    table = model.shape.vocabulary * model.shape.width
    rotations = 2 * model.shape.positions * len(model.shape.frequencies)
    assert found.decode.weights == model.parameters_count + rotations + (table if model.shape.tied else 0)
    assert found.prefill.weights == found.decode.weights
    assert model.shape.tied is (not hasattr(model, "output"))  # the model itself is as it was


def test_the_cache_is_no_activation_and_is_written_where_it_lies() -> None:
    model = tiny_decoders.decoder("llama")
    found = generating_structures(model, context=64)
    cache = 4 * sum(2 * layer.groups * 8 * 64 for layer in model.shape.layers)
    assert found.decode.activation_bytes(64) < cache / 2
    written = 3 * 2 * 8
    slices = products(found.decode, "slice", 64)
    assert [each for each in slices if each == (6, written)]
    assert not any(elements > 4 * 65 for _, elements in slices)


def test_what_cannot_generate_or_has_no_such_context_is_refused() -> None:
    with pytest.raises(InputError, match="at most 64; lower it"):
        generating_structures(tiny_decoders.decoder("llama"), context=65)
    with pytest.raises(InputError, match="no text to go on with"):
        generating_structures(tiny.model_copy(), context=16)
    assert macs(generating_structures(tiny_decoders.decoder("llama"), context=2).decode, 2)
