"""Tables in int8 are near the float ones, and go to the kernels that are made for them."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgewright.runtimes.executorch import int8 as xnnpack


def test_an_int8_table_is_within_half_a_step_of_the_float_one() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(50, 16)
    table.weight.data[7] = 0
    small = xnnpack.QuantizedEmbedding(table)
    ids = torch.arange(50)[None]
    error = (small(ids) - table(ids)).abs().amax(dim=-1)[0]
    steps = table.weight.abs().amax(dim=1) / 127
    assert (error <= 0.51 * steps + 1e-7).all()
    assert small.rows.dtype == torch.int8
    assert not small(torch.tensor([7])).any()


def test_a_large_int8_table_has_the_rows_that_the_quantiser_makes_of_it_as_a_matrix() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(20_000, 64)
    small = xnnpack.QuantizedEmbedding(table)
    zeros = torch.zeros(len(small.scales), dtype=torch.int64)
    matrix = torch.ops.quantized_decomposed.quantize_per_channel(
        table.weight.detach(), small.scales, zeros, 0, -127, 127, torch.int8
    )
    assert torch.equal(small.rows, matrix)
    assert not torch.equal(small.rows, (table.weight.detach() / small.scales[:, None]).round().to(torch.int8))


def test_making_embeddings_int8_leaves_the_original_alone() -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(4, 8)

    model = Model()
    small = xnnpack.with_quantized_embeddings(model)
    assert isinstance(model.tokens, nn.Embedding)
    assert isinstance(small.tokens, xnnpack.QuantizedEmbedding)


def test_tables_that_are_to_stay_float_stay() -> None:
    model = nn.ModuleDict({"tokens": nn.Embedding(4, 8), "inner": nn.ModuleDict({"places": nn.Embedding(4, 8)})})
    small: Any = xnnpack.with_quantized_embeddings(model, excluded=["inner.places"])
    assert isinstance(small["tokens"], xnnpack.QuantizedEmbedding)
    assert isinstance(small["inner"]["places"], nn.Embedding)


def network() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval(), torch.randn(32, 8)


@pytest.mark.parametrize("static", [False, True])
def test_a_graph_in_int8_says_nearly_what_it_said(static: bool) -> None:
    model, given = network()
    graph = torch.export.export(model, (given,)).module()
    with torch.no_grad():
        wanted, found = model(given), xnnpack.with_int8(graph, [(given,)], static=static)(given)
    apart = float((found - wanted).square().mean() / wanted.square().mean())
    assert 0 < apart < 0.001


def test_parts_that_are_named_stay_float() -> None:
    model, given = network()
    graph = torch.export.export(model, (given,)).module()
    with torch.no_grad():
        found = xnnpack.with_int8(graph, [(given,)], static=True, excluded=["0", "2"])(given)
        torch.testing.assert_close(found, model(given))
