"""A process's times are told by length of prompt and by context, and a text that is too short is refused."""

import pytest

from edgewright.errors import RunnerError
from edgewright.measure.generation_process import GenerationProcess
from tests.measure.generation_examples import WORKLOAD, one_pass, process, run, text


def test_times_are_told_by_rising_length_and_context() -> None:
    found = process(1.0, 2.0)
    assert found.first_token_ms == [[10.0, 20.0], [80.0, 160.0]]
    assert found.prefill_ms == [[8.0, 16.0], [64.0, 128.0]]
    assert found.token_ms == [[10.0] * 3 + [20.0] * 3, [20.0] * 3 + [40.0] * 3]
    assert found.latency_ms[:4] == (10.0, 20.0, 10.0, 20.0)  # one context after the other
    assert found.first_inference_ms == 9.0  # the text that warmed up
    assert found.pass_s == pytest.approx(1.5 * (80 + 10 + 160 + 60 + 40 + 30) / 1e3)


def test_a_text_that_ended_early_is_refused() -> None:
    texts = one_pass()
    with pytest.raises(RunnerError, match="fewer tokens than it was asked for"):
        GenerationProcess.of(run(*texts[:-1]), WORKLOAD, uncounted=0)
    with pytest.raises(RunnerError, match="fewer tokens than it was asked for"):
        GenerationProcess.of(run(*texts[:-1], text(17, 40.0, 10.0)), WORKLOAD, uncounted=0)
