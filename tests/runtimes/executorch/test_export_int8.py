"""An int8 .pte says what the float model says, and its products go to the delegate."""

import pytest
import torch

from tests import artifacts
from tests.calls import compared

pytestmark = pytest.mark.slow


def test_an_int8_pte_says_what_the_float_model_says_at_every_length() -> None:
    session = artifacts.session("executorch", artifacts.int8_pte()[0])
    found = torch.stack([session(row.ids) for row in artifacts.rows_of_every_length()])
    parity = compared(found, artifacts.expected())
    assert 0.99 < parity.cosine_min < 1
    assert parity.passed


def test_every_linear_layer_goes_to_the_delegate_and_embeddings_to_their_own_kernel() -> None:
    found = artifacts.int8_pte()[1]
    assert found.delegated > 0
    assert any("embedding_byte" in name for name in found.fallbacks)
    assert not [name for name in found.fallbacks if "linear" in name or "addmm" in name or "quantize_per" in name]
