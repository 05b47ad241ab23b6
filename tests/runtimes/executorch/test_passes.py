"""Passes of XNNPACK that find nothing are left out, and files are the same bytes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.executorch import passes
from edgewright.runtimes.export_input import ExportInput
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Method, Signature
from edgewright.specs.signature import Tensor as TensorSpec
from tests import tiny_decoders

EXECUTORCH = RUNTIMES["executorch"]


class Everything(nn.Module):
    """Something for most of the passes: what they fuse, spell out, widen and take apart."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.along, self.activation, self.closing = nn.Conv1d(8, 8, 3, padding=1), nn.PReLU(), nn.Linear(8, 4)

    def forward(self, image: Tensor) -> Tensor:
        """(1, 3, 8, 8) → (1, 4, 4)."""
        seen = torch.relu(self.norm(self.convolution(image)))
        seen = self.activation(nn.functional.max_pool2d(seen, 2))
        seen = nn.functional.interpolate(seen, scale_factor=2, mode="bilinear")
        rows = torch.relu(self.along(seen.mean(dim=-1)))
        halves = torch.cat([rows * each for each in (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)], dim=-1)
        scores = self.closing(halves.transpose(1, 2)).softmax(dim=-1)
        return nn.functional.pad(scores, (0, 0, 1, 1))[:, :4]


@contextmanager
def every_pass() -> Iterator[None]:
    """Nothing is left out."""
    yield


def test_a_pass_is_left_out_where_a_graph_has_none_of_its_operators() -> None:
    graph = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4))).graph
    assert not passes.changes("FuseBatchNormPass", graph)
    assert not passes.changes("ConstPropPass", graph)
    assert passes.changes("ConvertToLinearPass", graph)
    assert passes.changes("A pass of a later version", graph)
    graph.call_function(torch.ops.aten._softmax.default, (next(iter(graph.nodes)), -1, False))
    assert passes.changes("ConvertToSDPAPass", graph)
    graph.call_function(torch.ops.aten.full.default, ([2], 1.0))
    assert passes.changes("ConstPropPass", graph)


def test_the_passes_are_those_of_the_installed_library() -> None:
    from executorch.backends.xnnpack import xnnpack_preprocess

    found = {each.__name__ for each in xnnpack_preprocess.XNNPACKPassManager(None).passes}
    assert {*passes.OPERATORS, "PropagateCustomMetaPass", "ConstPropPass"} <= found


def test_the_librarys_own_list_is_back_afterwards() -> None:
    from executorch.backends.xnnpack import xnnpack_preprocess

    before = xnnpack_preprocess.XNNPACKPassManager
    with passes.only_needed_passes():
        assert xnnpack_preprocess.XNNPACKPassManager is not before
    assert xnnpack_preprocess.XNNPACKPassManager is before


@pytest.mark.slow
def test_a_net_with_much_to_change_is_the_same_file_with_every_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    image = TensorSpec(name="image", dtype="float32", shape=(1, 3, 8, 8))
    method = Method(name="forward", inputs=(image,), outputs=(TensorSpec(name="rows", dtype="float32"),))
    source = ExportInput(module=Everything().eval(), signature=Signature(methods=(method,)))
    executorch.export(source, tmp_path / "needed.pte")
    monkeypatch.setattr(executorch, "only_needed_passes", every_pass)
    executorch.export(source, tmp_path / "every.pte")
    assert (tmp_path / "needed.pte").read_bytes() == (tmp_path / "every.pte").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama with one table", "gpt2"])
def test_a_decoder_is_the_same_file_with_every_pass(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = generating_input(tiny_decoders.decoder(kind), EXECUTORCH, context=40)
    EXECUTORCH.write_int8(source, tmp_path / "none.pte", tmp_path / "needed.pte", Int8())
    monkeypatch.setattr(executorch, "only_needed_passes", every_pass)
    EXECUTORCH.write_int8(source, tmp_path / "none.pte", tmp_path / "every.pte", Int8())
    assert (tmp_path / "needed.pte").read_bytes() == (tmp_path / "every.pte").read_bytes()
