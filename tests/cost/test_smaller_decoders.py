"""Structures of decoders that are not there have the weights of models of that size."""

import pytest
import torch

from edgewright.cost.decoding_structures import generating_structures
from edgewright.cost.smaller_decoders import with_sizes
from edgewright.cost.writing import WritingArtifact
from tests import tiny_decoders


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize(("changed", "sizes"), [("layers", {"layers": 2}), ("neurons", {"neurons": 24})])
def test_a_structure_made_smaller_has_the_weights_of_a_model_of_that_size(
    kind: str, changed: str, sizes: dict[str, int]
) -> None:
    torch.manual_seed(0)
    whole = tiny_decoders.decoder(kind)
    structures = generating_structures(whole, context=16)
    writing = WritingArtifact(
        prefill=structures.prefill, decode=structures.decode, context=16, entries=((1, 8),), row_bytes=100.0
    )
    made = with_sizes(writing, **sizes)
    shape = whole.shape
    each = (writing.decode.matrix_weights - shape.vocabulary * shape.width) / len(shape.layers)
    if changed == "layers":
        assert made.decode.matrix_weights == writing.decode.matrix_weights - each * (len(shape.layers) - 2)
        assert made.row_bytes == pytest.approx(100.0 * 2 / len(shape.layers))
    else:
        neurons = shape.layers[0].neurons
        gates = 3 if kind == "llama" else 2
        fewer = len(shape.layers) * gates * shape.width * (neurons - 24)
        assert made.decode.matrix_weights == writing.decode.matrix_weights - fewer
