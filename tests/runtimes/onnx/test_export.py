"""An `.onnx` of the tiny model, made by the real exporter and run by the real runtime."""

from pathlib import Path

import onnx as onnx_format
import pytest
from torch import nn

from edgewright.errors import EnvironmentFaultError
from edgewright.modality.text_spec import TextInputSpec
from edgewright.runtimes.onnx import export as onnx
from edgewright.runtimes.subject import export_input
from edgewright.runtimes.table import RUNTIMES
from tests import artifacts, tiny

pytestmark = pytest.mark.slow


def test_the_file_says_what_it_takes_and_how_long_a_text_may_be() -> None:
    model = onnx_format.load(artifacts.float_onnx())
    onnx_format.checker.check_model(model, full_check=True)
    (taken,), (given,) = model.graph.input, model.graph.output
    assert (taken.name, given.name) == ("ids", "output")
    first, second = taken.type.tensor_type.shape.dim
    assert (first.dim_value, bool(second.dim_param)) == (1, True)
    assert {entry.key: entry.value for entry in model.metadata_props}["max_length"] == str(tiny.MAX_LENGTH)


def test_layer_norm_and_gelu_stay_whole_for_runtimes_that_have_kernels_for_them() -> None:
    kinds = {node.op_type for node in onnx_format.load(artifacts.float_onnx()).graph.node}
    assert {"LayerNormalization", "Gelu", "Softmax"} <= kinds
    assert "Erf" not in kinds


def test_weights_are_in_the_file_itself(tmp_path: Path) -> None:
    alone = tmp_path / "model.onnx"
    alone.write_bytes(artifacts.float_onnx().read_bytes())
    artifacts.session("onnx", alone)([2, 3])
    assert not list(artifacts.float_onnx().parent.glob("*.onnx.data"))


def test_without_its_packages_the_extra_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "ONNX_PACKAGES", ("onnx", "a_package_nobody_has"))
    with pytest.raises(EnvironmentFaultError, match=r"a_package_nobody_has .*pip install 'edgewright\[onnx\]'"):
        onnx.export(export_input(nn.Identity(), TextInputSpec(max_length=8), RUNTIMES["onnx"]), tmp_path / "model.onnx")
