import json
from typing import Any

import numpy as np
import pytest

from edgewright.errors import RunnerError, TransferError
from edgewright.measure import results
from edgewright.measure.results import parse_bandwidth, parse_result
from edgewright.measure.runner_documents import RunnerResult
from edgewright.targets.base import Completed
from tests.measure.examples import asked, completed, output, result_document


def parse(ended: Completed, *, sampled: bool = True) -> RunnerResult:
    return parse_result(ended, asked(sampled=sampled))


def test_a_whole_result_is_read() -> None:
    result = parse(completed(result_document()))
    assert result.latency_ms == (1.0, 5.0, 1.0, 5.0)
    assert result.arrays[1]["output"].tolist() == [0.25, 0.75]
    assert result.arrays[1]["output"].dtype == np.float32


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


def test_a_result_of_absurd_size_is_refused_without_reading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LARGEST_RESULT", 100)
    with pytest.raises(RunnerError, match="more than a result can be"):
        parse(completed(result_document()))


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
