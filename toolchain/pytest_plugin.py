"""The pytest plugin: test your own bundles on an emulated ARM board, or on any target, with budgets as markers.

In:  `--edge-target ADDRESS`, the fixtures `edge_target` and `edge_bench`, the marker `edge_budget`.
Out: tests that fail with what was measured and by how much it is too much.

    @pytest.mark.edge_budget(p50_ms=40, peak_rss_mb=32)
    def test_the_tickets_are_quick_enough(edge_bench):
        edge_bench("build/tickets")

Of a model that writes text `first_token_ms` is the most after a typical prompt, `tokens_per_second` and `context` are
the least, and `p50_ms` is of one token, which alone of these times a clock that counts instructions tells.

A test takes part where it asks for a fixture; nothing heavy is imported before one does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from edgewright.devices.benchmark import BenchOptions, BenchResult
    from edgewright.targets.base import Target

DEFAULT_TARGET = "emulated://raspberry-pi-4"
MARKER = "edge_budget"
LIMITS = {
    "p50_ms": "latency_ms",
    "peak_rss_mb": "peak_memory_mb",
    "artifact_mb": "artifact_mb",
    "first_token_ms": "first_token_ms",
    "tokens_per_second": "tokens_per_second",
    "context": "context",
}
OF_TIME = ("p50_ms", "first_token_ms", "tokens_per_second")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The address that all tests of a run share."""
    group = parser.getgroup("edgewright")
    group.addoption(
        "--edge-target",
        metavar="ADDRESS",
        default=DEFAULT_TARGET,
        help="where edge_bench measures: local:, ssh://user@host, emulated://PROFILE or a name of your targets.toml "
        "(default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker, for --strict-markers and --markers."""
    limits = ", ".join(f"{name}=…" for name in LIMITS)
    config.addinivalue_line(
        "markers",
        f"{MARKER}({limits}): what a bundle that this test measures with edge_bench may take at most, "
        "or has to reach (tokens_per_second, context)",
    )


@pytest.fixture(scope="session")
def edge_target(request: pytest.FixtureRequest) -> Iterator[Target]:
    """The machine of `--edge-target`, opened once for all tests and closed after the last; it takes files and commands.

    A board is emulated by a clock that counts instructions: it repeats, and is no real board's.
    """
    from edgewright.measure.measurement import clock_of
    from edgewright.targets import open_target

    address = _address(request)
    target = open_target(address, instruction_clock=clock_of(address) == "instructions")
    try:
        yield target
    finally:
        target.close()


@pytest.fixture
def edge_bench(request: pytest.FixtureRequest, edge_target: Target) -> Callable[..., BenchResult]:
    """`edge_bench(bundle, runtime=None, threads=1, quick=True)` measures a bundle and holds it to the test's budget.

    It is what `edgewright bench` does: hashes and outputs are checked on the machine before anything is timed. The
    result has every sample. A budget that is missed fails the test; so does a measurement that is not stable, where
    there is a budget of latency.
    """
    from edgewright.devices.benchmark import bench

    address = _address(request)
    limits = _limits(request.node)

    def measure(bundle: str | Path, **how: Unpack[BenchOptions]) -> BenchResult:
        options: BenchOptions = {"quick": True, **how}
        result = bench(bundle, address, target=edge_target, **options)
        if faults := _faults(result, limits):
            pytest.fail("\n".join([_headline(result, address), *(f"  {each}" for each in faults)]), pytrace=False)
        return result

    return measure


def _address(request: pytest.FixtureRequest) -> str:
    from edgewright.devices.inventory import find_target

    return find_target(request.config.getoption("--edge-target")).only.address


def _limits(node: pytest.Item) -> dict[str, float]:
    """The nearest marker's, over those of the class and module. Fails on what is no limit."""
    limits: dict[str, float] = {}
    for marker in reversed(list(node.iter_markers(MARKER))):
        unknown = [str(each) for each in marker.args] + [name for name in marker.kwargs if name not in LIMITS]
        if unknown:
            pytest.fail(f"{MARKER} takes {', '.join(LIMITS)}, not {', '.join(unknown)}", pytrace=False)
        limits.update(marker.kwargs)
    return limits


def _faults(result: BenchResult, limits: dict[str, float]) -> list[str]:
    from edgewright.measure.generation_measurement import GenerationMeasurement
    from edgewright.specs.budget import Budget, judge

    measured = result.measurement
    latency = measured.latency
    writes = measured if isinstance(measured, GenerationMeasurement) else None
    verdict = judge(
        Budget.model_validate({LIMITS[name]: value for name, value in limits.items()}),
        latency_ms=latency.p50 if latency else None,
        first_token_ms=writes.first_token_ms if writes else None,
        tokens_per_second=writes.tokens_per_second if writes else None,
        context=writes.context if writes else None,
        artifact_bytes=measured.artifact_bytes,
        peak_rss_bytes=measured.peak_rss_bytes,
    )
    faults = [miss.sentence for miss in verdict.missed]
    faults += [_unknown(name, result) for name in verdict.undecided]
    if not measured.stable and not set(OF_TIME).isdisjoint(limits):
        faults.append(f"the measurement is not stable: {'; '.join(measured.stability.reasons)}")
    return faults


def _unknown(name: str, result: BenchResult) -> str:
    """Why a limit cannot be judged, so that it is not taken to be kept."""
    from edgewright.measure.generation_measurement import GenerationMeasurement

    if name == "latency_ms":
        return "latency_ms was not measured"
    if not isinstance(result.measurement, GenerationMeasurement):
        return f"{name} is of models that generate text, which {result.bundle.path} does not; take it out of {MARKER}"
    return f"{name} is not known by a clock that counts instructions; limit p50_ms, which is of one token there"


def _headline(result: BenchResult, address: str) -> str:
    measured = result.measurement
    clock = ", by a clock that counts instructions" if measured.clock == "instructions" else ""
    return f"{result.bundle.path} ({measured.runtime}) on {address}{clock}:"
