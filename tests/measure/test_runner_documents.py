import base64
import json
from typing import Any

import numpy as np
import pytest

from edgewright.errors import RunnerError
from edgewright.measure.results import parse_result
from edgewright.measure.runner_documents import NamedOutput, RunnerResult, by_name
from edgewright.targets.base import Completed
from tests.measure.examples import asked, completed, output, result_document


def parse(ended: Completed, *, sampled: bool = True) -> RunnerResult:
    return parse_result(ended, asked(sampled=sampled))


def test_fields_that_a_later_runner_adds_do_no_harm() -> None:
    assert parse(completed(result_document(kernel_ms=[1]))).threads == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latency_ms": [5e-324, 1.0, 1.0, 1.0]}, "latency_ms.0: .*ms is no time that a device can measure"),
        ({"latency_ms": [1.0, 1e-9]}, "latency_ms.1: .*1e-09 ms is no time"),
        ({"latency_ms": [1.0, 1e300]}, "1e\\+300 ms is no time"),
        ({"load_ms": 1e9}, "load_ms: .*no time"),
        ({"first_inference_ms": 3e-310}, "first_inference_ms: .*no time"),
        ({"peak_rss_bytes": 12}, "peak_rss_bytes: .*no process has 12 bytes"),
        ({"peak_rss_bytes": 1 << 62}, "no process has 4.61e\\+18 bytes"),
        ({"threads": 0}, "threads"),
        ({"sampling": {"seconds": 1e12, "own_cpu_s": 1.0}}, "sampling.seconds"),
        ({"operators": [{"name": "x", "delegated": False, "calls": 1 << 60, "ms": 1.0}]}, "operators.0.calls"),
        (
            {"memory": [{"phase": "start", "rss_bytes": 1 << 60, "anonymous_bytes": 1, "file_bytes": 1}]},
            "memory.0.rss_bytes",
        ),
    ],
)
def test_what_no_device_can_have_measured_is_refused_with_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RunnerError, match=said) as caught:
        parse(completed(result_document(**changes)))
    assert caught.value.exit_code == 3


def test_a_clock_too_coarse_for_an_inference_says_0_and_is_believed() -> None:
    assert parse(completed(result_document(latency_ms=[0.0, 1.0]))).latency_ms == (0.0, 1.0)


def test_a_broken_sensor_is_one_that_tells_nothing_and_hinders_no_measurement() -> None:
    states = [
        {"s": 0.0, "clock_khz": 1e12, "temperature_mc": -273_150.0},
        {"s": 0.5, "clock_khz": 1_500_000.0, "temperature_mc": 45_000.0},
        {"s": 0.7, "clock_khz": 0.0, "temperature_mc": 2.0**31 - 1},
    ]
    energy = [{"source": "in", "joules": -4.0}, {"source": "core", "joules": 2.5}, {"source": "odd", "joules": 1e30}]
    told = {"seconds": 1.0, "own_cpu_s": 1.0, "states": states, "energy": energy}
    sampling = parse(completed(result_document(sampling=told))).sampling
    assert sampling is not None
    assert [each.clock_khz for each in sampling.states] == [None, 1_500_000.0, None]
    assert [each.temperature_mc for each in sampling.states] == [None, 45_000.0, None]
    assert [(each.source, each.joules) for each in sampling.energy] == [("core", 2.5)]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int16", "int32", "int64", "float16", "float32", "float64"])
def test_an_output_of_any_dtype_and_rank_comes_back_as_an_array(dtype: str) -> None:
    array = np.arange(6).reshape(1, 2, 3).astype(dtype)
    data = base64.b64encode(array.tobytes()).decode()
    found = NamedOutput.model_validate_json(json.dumps({"name": "x", "dtype": dtype, "shape": [1, 2, 3], "data": data}))
    assert found.array.dtype == np.dtype(dtype)
    assert np.array_equal(found.array, array)


def test_the_outputs_of_each_call_are_found_by_their_names() -> None:
    calls = [[output([1.0], name="a"), output([2.0], name="b")], [output([3.0], name="a")]]
    read = tuple(tuple(NamedOutput.model_validate_json(json.dumps(each)) for each in call) for call in calls)
    assert [{name: array.tolist() for name, array in call.items()} for call in by_name(read)] == [
        {"a": [1.0], "b": [2.0]},
        {"a": [3.0]},
    ]
