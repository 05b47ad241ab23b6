"""Parsers of facts, on text as machines print it."""

import pytest

from edgewright.targets import fact_parsers


def test_an_android_before_its_driver_tells_temperatures_has_those_it_was_reported() -> None:
    old = "Thermal Status: 0\nCached temperatures:\n\tTemperature{mValue=38.5, mType=0, mName=CPU0, mStatus=0}\n"
    assert fact_parsers.thermal_status(old) == {"status": "none", "by": [], "cpu_c": 38.5}
    assert fact_parsers.thermal_status("Thermal Status: 9\n") is None


def test_big_and_little_cores_are_both_named_and_only_common_instructions_are_counted() -> None:
    cpuinfo = (
        "processor\t: 0\nFeatures\t: fp asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd05\n\n"
        "processor\t: 1\nFeatures\t: fp asimd asimddp i8mm\nCPU implementer\t: 0x41\nCPU part\t: 0xd4e\n"
    )
    assert fact_parsers.cpu_model(cpuinfo) == "Cortex-A55 + Cortex-X3"
    assert fact_parsers.cpu_features(cpuinfo) == ["asimd", "asimddp", "fp"]


def test_a_fault_since_the_start_is_told_apart_from_one_now() -> None:
    assert fact_parsers.throttling("throttled=0x50000\n") == {
        "raw": "0x50000",
        "now": [],
        "since_start": ["under-voltage", "throttled"],
    }
    assert fact_parsers.throttling("throttled=0x0\n") == {"raw": "0x0", "now": [], "since_start": []}


STAT = "cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 50 10 15 2000 25 3 3 4 0 0\n"


PROCESSES = """1 (init) S 0 1 1 0 -1 4194560 100 200 3 4 150 50 0 0 20 0 1 0 5 100 200 1
812 (Web Content) (x) R 1 1 1 0 -1 4194560 100 200 3 4 3000 140 0 0 20 0 1 0 5 100 200 1
cat: /proc/900/stat: No such file or directory
"""


def test_whose_processor_time_it_was_is_read_from_what_linux_counts() -> None:
    assert fact_parsers.busy_s(STAT) == pytest.approx(1.63)
    assert fact_parsers.busy_s("") is None
    assert fact_parsers.uptime_s("3520.15 6921.02\n") == 3520.15
    assert fact_parsers.processes(PROCESSES) == {"1 init": 2.0, "812 Web Content) (x": 31.4}
    assert fact_parsers.processes("") is None


def test_the_least_limit_of_a_control_group_counts_and_none_is_no_limit() -> None:
    assert fact_parsers.memory_limit_bytes("536870912\n") == 536870912
    assert fact_parsers.memory_limit_bytes("max\n9223372036854771712\n") is None
    assert fact_parsers.memory_limit_bytes("") is None
