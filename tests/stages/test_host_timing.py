"""The timing of a build's artifacts, as a manifest has it."""

from dataclasses import asdict

from edgewright.devices.host_latency import HostLatency
from edgewright.stages.host_timing import ROLES, TimeFindings


def latency(p50_ms: float) -> HostLatency:
    return HostLatency(
        runtime_version="1.5.1",
        p50_ms=p50_ms,
        mean_ms=p50_ms,
        samples=64,
        peak_rss_bytes=9_000_000,
        processor_ms=p50_ms,
        processor_spread=1.01,
        processor="Cortex-A72",
        marks=("a program beside it",),
    )


def test_latencies_are_told_by_runtime_and_role_and_read_back_the_same() -> None:
    meant = {f"executorch {role}": latency(place + 1.0) for place, role in enumerate(ROLES)}
    found = TimeFindings.model_validate({name: asdict(each) for name, each in meant.items()})
    assert found.latencies("executorch") == tuple(meant.values())
    assert list(found.document()) == list(meant)
    assert TimeFindings.model_validate(found.document()) == found
