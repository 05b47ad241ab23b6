"""What an artifact gives on this machine: by a session in this process, or by the runner that devices have."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgewright.measure import outputs as module
from edgewright.modality.text_spec import TextInputSpec
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Array, Call, Signature
from tests.calls import answered

TEXTS = [[2, 3], [4, 0], [5, 6, 7]]
SPEC = TextInputSpec(max_length=8, lengths=(4, 8))


def summing(file: Path, signature: Signature) -> Callable[[Call], dict[str, Array]]:
    """A session whose one output is the sum of the ids that it is given, and how many they are, filled up or not."""

    def run(call: Call) -> dict[str, Array]:
        (ids,) = call.inputs.values()
        return {"output": np.array([[ids.sum(), ids.shape[1]]], dtype=np.float32)}

    return run


@pytest.mark.parametrize(("fixed_shapes", "lengths"), [(True, [4, 4, 4]), (False, [2, 2, 3])])
def test_a_session_is_asked_for_one_example_after_another_as_its_runtime_takes_them(
    fixed_shapes: bool, lengths: list[int]
) -> None:
    descriptor = replace(RUNTIMES["onnx"], name="summing", session=summing, fixed_shapes=fixed_shapes)
    done: list[int] = []
    with RUNTIMES.registered("summing", descriptor):
        found = answered("summing", Path("model.sum"), SPEC, TEXTS, done.append)
    assert found[:, 0].tolist() == [5, 4, 18]
    assert found[:, 1].tolist() == lengths
    assert done == [1, 2, 3]


def test_several_at_once_go_to_the_runner_and_what_fills_up_the_last_batch_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    closed: list[str] = []
    target = SimpleNamespace(close=lambda: closed.append("closed"))
    asked: dict[str, Any] = {}

    def infer(_: object, artifact: object, runtime: object, calls: tuple[Call, ...]) -> tuple[dict[str, Array], ...]:
        asked["calls"] = calls
        return tuple({"output": next(iter(call.inputs.values())).sum(axis=1, keepdims=True)} for call in calls)

    monkeypatch.setattr(module, "open_target", lambda _: target)
    monkeypatch.setattr(module, "deploy", lambda *_, **__: SimpleNamespace(artifact=None, runtime=None))
    monkeypatch.setattr(module, "infer", infer)
    done: list[int] = []
    found = answered("onnx", Path("model.onnx"), replace(SPEC, batch=2), TEXTS, done.append)
    assert found.tolist() == [[5], [4], [18]]
    assert [call.entry for call in asked["calls"]] == ["batch"] * 2
    assert done == [3]
    assert closed == ["closed"]


def test_the_target_is_closed_also_where_the_runner_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    def deploy(*_: object, **__: object) -> None:
        raise RuntimeError("no runner")

    monkeypatch.setattr(module, "open_target", lambda _: SimpleNamespace(close=lambda: closed.append("closed")))
    monkeypatch.setattr(module, "deploy", deploy)
    descriptor = replace(RUNTIMES["onnx"], name="outside", session=None)
    with RUNTIMES.registered("outside", descriptor), pytest.raises(RuntimeError, match="no runner"):
        answered("outside", Path("model.onnx"), SPEC, TEXTS)
    assert closed == ["closed"]
