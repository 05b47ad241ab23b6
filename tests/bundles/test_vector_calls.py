"""All methods of an artifact are asked in the vectors' order, and every output of each is compared by name."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgewright.bundles.vector_calls import VectorCalls
from edgewright.bundles.vectors import Vector, Vectors
from edgewright.devices.benchmark import bench
from edgewright.errors import ParityError
from edgewright.measure.outputs import outputs_of
from edgewright.measure.parity import compare
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Axis, Method, Signature, Tensor
from tests.bundles.two_outputs import OUTPUTS, bundle, methods_of, source, vectors

ABLE = ("executorch", "litert", "onnx")


def method(name: str, batch: int = 1) -> Method:
    ids = Tensor(name="ids", dtype="int64", shape=(batch, Axis(name="length", most=9)))
    return Method(name=name, inputs=(ids,), outputs=(Tensor(name="output", dtype="float32", shape=(batch, 2)),))


def vector(name: str, *ids: int) -> Vector:
    return Vector(method=name, inputs={"ids": np.array([ids])}, outputs={"output": np.array([[1.0, 2.0]])})


def test_calls_are_in_the_vectors_order_and_of_their_methods() -> None:
    signature = Signature(methods=(method("forward"), method("decode")))
    given = Vectors(calls=(vector("forward", 1), vector("decode", 2), vector("decode", 3), vector("forward", 4)))
    asked = VectorCalls.of(given, signature)
    assert [(call.entry, call.inputs["ids"].tolist()) for call in asked.calls()] == [
        ("forward", [[1]]), ("decode", [[2]]), ("decode", [[3]]), ("forward", [[4]]),
    ]  # fmt: skip
    found = [{"output": np.array([[1.0, 2.0]], dtype=np.float32)} for _ in range(4)]
    assert asked.parity(found).passed
    found[2] = {"output": np.array([[2.0, -1.0]], dtype=np.float32)}
    assert asked.parity(found).worst_output == "decode.output"
    assert not asked.parity(found[:3]).passed


def test_several_at_once_are_the_examples_of_the_usual_method() -> None:
    signature = Signature(methods=(method("forward"), method("batch", 2)))
    given = Vectors(calls=(vector("forward", 1), vector("forward", 2, 3), vector("forward", 4)))
    asked = VectorCalls.of(given, signature, batched=True)
    assert [(call.entry, call.inputs["ids"].tolist()) for call in asked.calls()] == [
        ("batch", [[1, 0], [2, 3]]), ("batch", [[4], [4]]),
    ]  # fmt: skip
    parity = asked.parity([{"output": np.array([[1.0, 2.0]] * 2)}, {"output": np.array([[1.0, 2.0], [9.0, 9.0]])}])
    assert parity.passed  # what fills up the last call is not compared
    assert list(parity.outputs) == ["output"]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ABLE)
def test_every_output_of_every_method_is_that_of_the_module(tmp_path: Path, runtime: str) -> None:
    exported, file = source(runtime), tmp_path / RUNTIMES[runtime].file_name
    RUNTIMES[runtime].write_float(exported, file)
    for each in exported.signature.methods:
        asked = vectors(runtime).of_method(each.name)
        inputs = [vector.inputs for vector in asked]
        parity = compare(outputs_of(runtime, file, each, inputs, lambda _: None), [vector.outputs for vector in asked])
        assert parity.outputs.keys() == set(OUTPUTS)
        assert parity.max_abs_error is not None
        assert parity.max_abs_error < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ABLE)
def test_a_bundle_is_measured_with_all_of_them_and_the_document_has_each(tmp_path: Path, runtime: str) -> None:
    parity = bench(bundle(tmp_path, runtime), "local:", quick=True).summary()["parity"]
    assert parity["passed"]
    named = {"forward": OUTPUTS, "sequence": tuple(f"sequence.{name}" for name in OUTPUTS)}
    assert set(parity["outputs"]) == {name for each in methods_of(runtime) for name in named[each]}
    assert parity["worst_output"] in parity["outputs"]
    assert all(each["max_abs_error"] < 1e-5 for each in parity["outputs"].values())
    json.dumps(parity, allow_nan=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "wrong"),
    [("executorch", "sequence.energy"), ("litert", "sequence.hidden"), ("onnx", "forward.energy")],
)
def test_one_wrong_output_fails_the_whole_and_is_named(tmp_path: Path, runtime: str, wrong: str) -> None:
    said = wrong.removeprefix("forward.")
    with pytest.raises(ParityError, match=rf"the worst cosine, of {said}, is "):
        bench(bundle(tmp_path, runtime, wrong=wrong), "local:", quick=True)
