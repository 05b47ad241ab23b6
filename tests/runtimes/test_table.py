"""The table of runtimes: ours, and one that somebody adds; nothing heavy is imported to ask it."""

import subprocess
import sys
from dataclasses import replace

import pytest

from edgewright.errors import InputError, UnknownNameError
from edgewright.runtimes.table import RUNTIMES, priced_runtimes, runtimes_that


def test_a_descriptor_is_found_by_the_name_that_it_has() -> None:
    assert {name: runtime.name for name, runtime in RUNTIMES.items()} == {name: name for name in RUNTIMES}


def test_prices_are_measured_for_those_that_say_by_which_package() -> None:
    assert priced_runtimes() == ("executorch", "litert")
    assert runtimes_that(lambda runtime: runtime.fixed_shapes) == ("litert", "tflite")


def test_a_runtime_that_somebody_adds_is_one_among_the_others_while_it_is_there() -> None:
    added = replace(RUNTIMES["executorch"], name="mine", suffix=".mine", priced_by=None)
    with RUNTIMES.registered("mine", added):
        assert RUNTIMES["mine"].file_name == "model.mine"
        assert "mine" in runtimes_that(lambda runtime: not runtime.fixed_shapes)
    with pytest.raises(UnknownNameError, match="there is no runtime 'mine'"):
        _ = RUNTIMES["mine"]


def test_what_is_no_runtime_and_a_name_that_is_taken_are_refused() -> None:
    with pytest.raises(InputError, match="the runtime 'mine' is a str"), RUNTIMES.registered("mine", "descriptor"):
        pass
    taken = RUNTIMES["litert"]
    with pytest.raises(InputError, match="there is a runtime 'litert' already"), RUNTIMES.registered("litert", taken):
        pass


def test_no_descriptor_imports_torch_or_an_exporter() -> None:
    heavy = ["torch", "executorch", "litert_torch", "ai_edge_litert", "onnx", "onnxruntime", "transformers"]
    program = (
        "import sys; from edgewright.runtimes.table import RUNTIMES; "
        f"[runtime.provider.machines for runtime in RUNTIMES.values()]; print(*sorted(set({heavy}) & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
