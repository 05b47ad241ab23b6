import pytest
from pydantic import ValidationError

from edgewright.measure.generation_documents import GenerationMemory
from edgewright.measure.phase_memory import highest
from edgewright.measure.runner_documents import PhaseMemory

FIRST = {"rss_bytes": 10, "anonymous_bytes": 4, "file_bytes": 6, "peak_bytes": 12}


def test_of_several_processes_the_highest_of_each_kind_is_told_in_the_order_of_the_phases() -> None:
    memory = [
        PhaseMemory(phase="start", **FIRST),
        PhaseMemory(phase="steady", **FIRST),
        PhaseMemory(phase="start", **{**FIRST, "rss_bytes": 9, "peak_bytes": 20}),
    ]
    assert list(highest(memory)) == ["start", "steady"]
    assert highest(memory)["start"] == {**FIRST, "peak_bytes": 20}


def test_what_the_kernel_did_not_say_is_not_there() -> None:
    memory = [GenerationMemory(phase="decode", **{**FIRST, "anonymous_bytes": -1, "file_bytes": -1})]
    assert highest(memory) == {"decode": {"rss_bytes": 10, "peak_bytes": 12}}


def test_a_phase_of_another_kind_of_run_is_refused() -> None:
    with pytest.raises(ValidationError, match="phase"):
        PhaseMemory.model_validate({"phase": "decode", **FIRST})
