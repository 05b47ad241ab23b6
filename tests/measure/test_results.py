import json
from typing import Any

import numpy as np
import pytest

from edgewright.errors import RunnerError, TransferError
from edgewright.measure import results
from edgewright.measure.results import RunnerResult, parse_bandwidth, parse_result
from edgewright.targets.base import Completed
from tests.measure.examples import asked, completed, output, result_document


def parse(ended: Completed, *, sampled: bool = True) -> RunnerResult:
    return parse_result(ended, asked(sampled=sampled))


def test_a_whole_result_is_read() -> None:
    result = parse(completed(result_document()))
    assert result.latency_ms == (1.0, 5.0, 1.0, 5.0)
    assert result.arrays[1]["output"].tolist() == [0.25, 0.75]
    assert result.arrays[1]["output"].dtype == np.float32


def test_fields_that_a_later_runner_adds_do_no_harm() -> None:
    assert parse(completed(result_document(kernel_ms=[1]))).threads == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Segmentation fault",
        "[]",
        "null",
        "{",
        "{}",
        "[" * 100_000,
        json.dumps(result_document(load_ms=None)),
        json.dumps(result_document(load_ms="1")),
        json.dumps(result_document(load_ms=-1)),
        json.dumps(result_document(latency_ms=[float("nan")])),
        json.dumps(result_document(outputs=[[output([float("inf")])], [output([1.0])]])),
        json.dumps(result_document(outputs=[[output([float("nan")], dtype="float16")], [output([1.0])]])),
        json.dumps(result_document(outputs=[[output([1.0], shape=[2])], [output([1.0])]])),
        json.dumps(result_document(outputs=[[output([1.0], dtype="complex64")], [output([1.0])]])),
        json.dumps(result_document(outputs=[[output([1.0], data="A-")], [output([1.0])]])),
        json.dumps(result_document(outputs=[[output([1.0], data=7)], [output([1.0])]])),
        json.dumps(result_document(outputs=[[1.0], [1.0]])),
        json.dumps(result_document(peak_rss_bytes=0)),
        json.dumps(result_document(runtime="tensorrt")),
        json.dumps(result_document(schema=1)),
        json.dumps(result_document()) + "trailing",
        json.dumps(result_document())[:-40],
    ],
)
def test_what_is_no_result_is_a_runner_error_of_one_line(text: str) -> None:
    with pytest.raises(RunnerError) as caught:
        parse(completed(text))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_how_fast_memory_is_copied_is_read_or_refused() -> None:
    said = {"schema": 2, "copy_gb_s": [3.0, 4.0], "block_bytes": 1 << 26}
    assert parse_bandwidth(completed(said)).copy_gb_s == [3.0, 4.0]
    for wrong in ({**said, "copy_gb_s": []}, {**said, "copy_gb_s": [0.0]}, {**said, "copy_gb_s": [float("nan")]}, {}):
        with pytest.raises(RunnerError, match="cannot be read"):
            parse_bandwidth(completed(wrong))
    told = {"schema": 2, "error": {"kind": "out-of-memory", "message": "memory is too short"}}
    with pytest.raises(RunnerError, match="memory"):
        parse_bandwidth(completed(told, status=1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sha256": "cd" * 32}, "it ran cdcd"),
        ({"outputs": [[output([1.0])]]}, "outputs of 1 calls for 2 calls"),
        ({"outputs": [[output([1.0])], []]}, "call 1 has the outputs none, and output were asked for"),
        ({"outputs": [[output([1.0])], [output([1.0], name="x")]]}, "call 1 has the outputs x, and output were"),
        ({"outputs": [[output([1.0])], [output([])]]}, "the output output of call 1 is empty"),
        ({"latency_ms": []}, "0 latency samples"),
        ({"runtime": "litert"}, "it is of litert, and executorch was asked for"),
        ({"threads": 4}, "it is of 4 threads, and 1 were asked for"),
    ],
)
def test_a_result_of_another_job_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RunnerError, match=said):
        parse(completed(result_document(**changes)))


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


def test_a_result_of_absurd_size_is_refused_without_reading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LARGEST_RESULT", 100)
    with pytest.raises(RunnerError, match="more than a result can be"):
        parse(completed(result_document()))


HELD = "INFO: x\nedgewright-memory start 5000000\nedgewright-memory loaded 412000000\n"
BOARD = {"ram_bytes": 478_000_000, "ram_available_bytes": 430_000_000, "memory_limit_bytes": None}


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (BOARD, "(it held 412 MB once the model was loaded; the machine has 478 MB, of which 430 MB were free before)"),
        ({**BOARD, "memory_limit_bytes": 420_000_000}, "; it may have 420 MB, the limit of its control group)"),
        ({}, "(it held 412 MB once the model was loaded);"),
    ],
)
def test_what_a_killed_runner_held_is_told_with_what_there_was(machine: dict[str, Any], said: str) -> None:
    with pytest.raises(RunnerError) as caught:
        parse_result(completed("", status=137, stderr=HELD), asked(), machine)
    assert said in str(caught.value)


def test_a_runner_that_could_get_no_memory_says_what_it_held() -> None:
    told = {"schema": 2, "error": {"kind": "out-of-memory", "message": "memory ran out"}}
    with pytest.raises(RunnerError, match=r"more memory than the device gives it \(it held 412 MB"):
        parse(completed(told, status=1, stderr=HELD))


def test_an_instruction_that_the_core_does_not_know_is_named_with_the_core() -> None:
    crashed = completed("", status=132, stderr="edgewright-illegal 0x4e829420\n")
    machine = {"cpu_model": "Cortex-A72", "cpu_features": ["fp", "asimd"]}
    with pytest.raises(RunnerError, match=r"int8 dot product \(asimddp\), which Cortex-A72 does not have"):
        parse_result(crashed, asked(), machine)


@pytest.mark.parametrize("status", [-9, 137])
def test_a_killed_runner_is_told_as_memory_that_ran_out(status: int) -> None:
    with pytest.raises(RunnerError, match="killed on the device, most likely because its memory ran out"):
        parse(completed("", status=status))


@pytest.mark.parametrize(
    ("status", "stderr", "said"),
    [
        (-11, "", "SIGSEGV: it said nothing"),
        (134, "terminate called\nindex out of range", "SIGABRT: index out of range"),
        (132, "", "SIGILL"),
        (127, "sh: edgewright-runner: not found", "could not be started .* not found"),
        (1, "./edgewright-runner: /lib/libc.so.6: version `GLIBC_2.34' not found", "newer C library"),
        (3, "", "status 3 and no result"),
        (0, "nothing to print", "without a result: nothing to print"),
    ],
)
def test_an_early_end_is_told_in_words(status: int, stderr: str, said: str) -> None:
    with pytest.raises(RunnerError, match=said):
        parse(completed("", status=status, stderr=stderr))


def test_control_characters_of_a_device_never_reach_the_terminal() -> None:
    with pytest.raises(RunnerError) as caught:
        parse(completed("", status=1, stderr="\x1b[31mred\x07 " + "x" * 5000))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("hash-mismatch", TransferError, "is not the one in the bundle"),
        ("bad-artifact", RunnerError, "cannot be loaded on the device"),
        ("bad-job", RunnerError, "refused its job"),
        ("run-failed", RunnerError, "failed on the device"),
        ("of-a-later-runner", RunnerError, "the runner failed"),
    ],
)
def test_what_a_runner_says_of_its_failure_is_passed_on(kind: str, error: type[Exception], said: str) -> None:
    document = {"schema": 2, "error": {"kind": kind, "message": "because of this"}}
    with pytest.raises(error, match=f"{said}.*because of this"):
        parse(completed(document, status=1))


def test_an_error_without_a_message_is_still_one_line() -> None:
    with pytest.raises(RunnerError, match="unreadable message"):
        parse(completed('{"error": 7}', status=1))
