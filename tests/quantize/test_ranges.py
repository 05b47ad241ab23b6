"""Which range a fixed scale covers, by each method, and that every runtime's quantiser goes by it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgewright.errors import UnknownNameError
from edgewright.quantize.ranges import Calibration, ObservedValues, Range
from edgewright.quantize.simulated import rounded_between
from edgewright.runtimes.executorch import int8 as xnnpack
from edgewright.runtimes.litert import int8 as flatbuffer
from edgewright.runtimes.onnx import int8 as onnx_int8
from edgewright.specs.recipe import Quantize

METHODS: tuple[Calibration, ...] = get_args(Calibration)
FAR = 100.0


def seen(*batches: Tensor) -> ObservedValues:
    found = ObservedValues()
    for batch in batches:
        found.add(batch)
    return found


def normal(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def error(values: Tensor, range_: Range) -> float:
    low, high = torch.tensor(range_.low), torch.tensor(range_.high)
    return float((rounded_between(values, low, high) - values).square().mean())


def test_a_recipe_may_ask_for_every_method() -> None:
    assert get_args(Quantize.model_fields["calibration"].annotation) == METHODS


def test_all_that_was_seen_is_covered_and_zero_with_it() -> None:
    found = seen(torch.tensor([[2.0, 5.0]]), torch.tensor([3.0, 9.0]))
    assert found.range("minmax") == Range(0.0, 9.0)
    assert seen(torch.tensor([-3.0, -1.0])).range("minmax") == Range(-3.0, 0.0)


def test_a_histogram_that_grows_loses_no_value() -> None:
    small, large = normal(10_000), 9 * normal(10_000, seed=1)
    found, at_once = seen(small, large), seen(torch.cat([large, small]))
    assert found.counts.sum() == at_once.counts.sum() == 20_000
    assert found.reach >= large.abs().max()
    for method in METHODS[:3]:
        assert tuple(found.range(method)) == pytest.approx(tuple(at_once.range(method)), rel=0.05)


@pytest.mark.parametrize("method", ["percentile", "kl"])
def test_a_far_value_does_not_cost_all_others_their_precision(method: Calibration) -> None:
    near = normal(100_000)
    found = seen(near, torch.tensor([FAR])).range(method)
    assert 2.0 < found.high < FAR / 4
    assert error(near, found) < error(near, Range(float(near.min()), FAR)) / 10


def test_the_least_squared_error_counts_what_is_cut_off_too() -> None:
    many, few = (torch.cat([normal(count), torch.tensor([20.0])]) for count in (1_000_000, 10_000))
    assert seen(few).range("mse").high > 18.0
    assert 4.0 < seen(many).range("mse").high < 12.0
    for values in (many, few):
        errors = {method: error(values, seen(values).range(method)) for method in METHODS}
        assert errors["mse"] <= 1.01 * min(errors.values())


@pytest.mark.parametrize("method", METHODS)
def test_values_that_are_all_alike_likely_are_all_kept(method: Calibration) -> None:
    found = seen(torch.rand(50_000, generator=torch.Generator().manual_seed(0)) - 0.25).range(method)
    assert tuple(found) == pytest.approx((-0.25, 0.75), abs=0.05)


def test_what_a_maximum_is_padded_with_is_no_value() -> None:
    padding = torch.tensor([-torch.inf, torch.finfo(torch.float32).min, torch.inf])
    assert seen(torch.tensor([1.0, -2.0]), padding).range("minmax") == Range(-2.0, 1.0)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_but_zeros_and_nothing_at_all_have_no_range(method: Calibration) -> None:
    assert seen(torch.zeros(7)).range(method) == Range(0.0, 0.0)
    assert seen(torch.empty(0)).range(method) == Range(0.0, 0.0)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(UnknownNameError, match="did you mean minmax"):
        seen(normal(9)).range("minmx")  # type: ignore[arg-type]


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)).eval()


def examples() -> list[Tensor]:
    """Two hundred, one number of which is far from all others."""
    found = list(normal(200 * 32 * 8).view(200, 32, 8))
    found[7][3, 2] = FAR
    return found


def by_xnnpack(model: nn.Module, place: Path, calibration: Calibration) -> Callable[[Tensor], Any]:
    graph = torch.export.export(model, (examples()[0],)).module()
    return xnnpack.with_int8(graph, [(each,) for each in examples()], static=True, calibration=calibration)


def by_litert(model: nn.Module, place: Path, calibration: Calibration) -> Callable[[Tensor], Any]:
    import litert_torch
    from ai_edge_litert.interpreter import Interpreter

    source, file = place / "float.tflite", place / f"{calibration}.tflite"
    converter: Any = litert_torch
    converter.convert(model, (examples()[0],)).export(str(source))
    given = {"serving_default": [{"args_0": each.numpy()} for each in examples()]}
    flatbuffer.with_int8(source, file, examples=given, calibration=calibration)
    run = Interpreter(model_path=str(file)).get_signature_runner()
    return lambda values: torch.from_numpy(run(args_0=values.numpy())["output_0"])


def by_onnx(model: nn.Module, place: Path, calibration: Calibration) -> Callable[[Tensor], Any]:
    runtime = pytest.importorskip("onnxruntime")
    source, file = place / "float.onnx", place / f"{calibration}.onnx"
    torch.onnx.export(model, (examples()[0],), source, dynamo=True, input_names=["x"], verbose=False)
    onnx_int8.with_int8(source, file, examples=[{"x": each.numpy()} for each in examples()], calibration=calibration)
    session = runtime.InferenceSession(file)
    return lambda values: torch.from_numpy(np.asarray(session.run(None, {"x": values.numpy()})[0]))


@pytest.mark.slow
@pytest.mark.parametrize("quantised", [by_xnnpack, by_litert, by_onnx])
def test_every_runtimes_quantiser_goes_by_the_method(tmp_path: Path, quantised: Any) -> None:
    model = network()
    asked = normal(32 * 8, seed=5).view(32, 8)
    with torch.no_grad():
        wanted = model(asked)
    errors = {
        method: float((quantised(model, tmp_path, method)(asked) - wanted).square().mean().sqrt())
        for method in ("minmax", "percentile")
    }
    assert errors["percentile"] < errors["minmax"] / 2
