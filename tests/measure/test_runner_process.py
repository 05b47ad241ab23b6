"""What runners print of calls and of text is read by a measurement alike."""

import pytest

from edgewright.measure.runner_documents import RunnerResult
from edgewright.measure.runner_process import RunnerProcess
from tests.measure.examples import result_document
from tests.measure.generation_examples import process


@pytest.mark.parametrize("found", [process(1.0), RunnerResult.model_validate(result_document(), strict=False)])
def test_a_process_says_its_times_and_memory_whatever_it_was_asked(found: RunnerProcess) -> None:
    assert found.threads == 1
    assert found.runtime_version == "1.5.1"
    assert found.peak_rss_bytes == 9_000_000
    assert found.load_ms > 0
    assert found.first_inference_ms > 0
    assert len(found.latency_ms) > 1
    assert [each.phase for each in found.memory][:2] == ["start", "loaded"]
    assert found.profiled_ms is None
    assert found.operators == ()
