"""The pytest plugin as a user's tests meet it: another pytest, which finds it by its entry point."""

import platform
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TESTS = """
import pytest

BUNDLE = {bundle!r}


@pytest.mark.edge_budget({kept})
def test_within_its_budget(edge_bench):
    result = edge_bench(BUNDLE)
    assert result.parity.passed
    assert result.measurement.latency.p50 > 0


@pytest.mark.edge_budget(p50_ms=1e-6, artifact_mb=1e-6)
def test_beyond_its_budget(edge_bench):
    edge_bench(BUNDLE, runtime="litert")


@pytest.mark.edge_budget(p99=3)
def test_with_a_limit_that_is_none(edge_bench):
    edge_bench(BUNDLE)


def test_of_the_machine_itself(edge_target):
    assert edge_target.run(["uname", "-m"], timeout_s=30).stdout.strip() == {machine!r}
"""


def test_a_budget_passes_fails_and_is_refused(pytester: pytest.Pytester, bundle: Path) -> None:
    pytester.makepyfile(
        TESTS.format(bundle=str(bundle), kept="peak_rss_mb=900, artifact_mb=50", machine=platform.machine())
    )
    ran = pytester.runpytest_subprocess("--edge-target", "local:", "--strict-markers", timeout=300)
    ran.assert_outcomes(passed=2, failed=1, errors=1)
    shown = ran.stdout.str()
    assert f"{bundle} (litert) on local:" in shown
    assert "latency_ms is" in shown
    assert "artifact_mb is" in shown
    limits = "p50_ms, peak_rss_mb, artifact_mb, first_token_ms, tokens_per_second, context"
    assert f"edge_budget takes {limits}, not p99" in shown
    assert "Traceback" not in shown


@pytest.mark.emulated
def test_by_default_tests_run_on_an_emulated_board_whose_clock_is_named(
    pytester: pytest.Pytester, bundle: Path
) -> None:
    pytester.makepyfile(TESTS.format(bundle=str(bundle), kept="p50_ms=1000, peak_rss_mb=200", machine="aarch64"))
    ran = pytester.runpytest_subprocess("-k", "within or beyond or itself", timeout=300)
    ran.assert_outcomes(passed=2, failed=1, deselected=1)
    assert "on emulated://raspberry-pi-4, by a clock that counts instructions:" in ran.stdout.str()


def test_a_run_that_asks_for_nothing_of_it_imports_nothing_heavy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        "import sys\ndef test_nothing(): assert not {'torch', 'paramiko', 'pydantic'} & set(sys.modules)"
    )
    pytester.runpytest_subprocess("-p", "no:hypothesispytest", timeout=60).assert_outcomes(passed=1)
