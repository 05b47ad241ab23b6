"""Quotas of the processor, on texts as the kernel writes them, on folders like its own, and on a real control group."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgewright.targets.facts import MACHINE, read_facts
from edgewright.targets.quota import GROUPS, held_back, quota_cores, threads_within
from edgewright.targets.transports.local import LocalTarget

V2 = """\
50000 100000
usage_usec 2411234
user_usec 2301122
system_usec 110112
nr_periods 49
nr_throttled 37
throttled_usec 1812345
nr_bursts 0
burst_usec 0
max 100000
nr_periods 0
nr_throttled 0
throttled_usec 0
"""
V1 = (
    "150000 100000\nnr_periods 20\nnr_throttled 14\nthrottled_time 292276036\n-1 100000\nnr_periods 0\nnr_throttled 0\n"
)


def test_both_versions_tell_the_quota_and_how_often_it_was_used_up() -> None:
    assert (quota_cores(V2), held_back(V2)) == (0.5, {"periods": 49, "throttled": 37})
    assert (quota_cores(V1), held_back(V1)) == (1.5, {"periods": 20, "throttled": 14})


def test_the_least_quota_on_the_way_up_binds() -> None:
    assert quota_cores("max 100000\n400000 100000\n30000 20000\n") == 1.5


@pytest.mark.parametrize("printed", ["", "max 100000\n", "-1 100000\nnr_periods 0\n", "50000 0\n", f"{'9' * 400} 1\n"])
def test_where_there_is_no_quota_none_is_reported(printed: str) -> None:
    assert quota_cores(printed) is None
    assert held_back(printed) is None


@pytest.mark.parametrize(("quota", "cores", "threads"), [(None, 4, 4), (0.5, 4, 1), (2.7, 4, 2), (9.0, 4, 4)])
def test_a_quota_feeds_so_many_threads(quota: float | None, cores: int, threads: int) -> None:
    assert threads_within(quota, cores) == threads


def printed_in(tree: Path, own: str) -> str:
    """What the script prints where the kernel's folders are those of `tree`."""
    groups = tree / "own"
    groups.write_text(own)
    script = GROUPS.replace("/sys/fs/cgroup", str(tree)).replace("/proc/self/cgroup", str(groups))
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=20, check=False).stdout


def test_the_groups_of_version_2_are_read_from_the_own_one_up(tmp_path: Path) -> None:
    slice_, scope = tmp_path / "user.slice", tmp_path / "user.slice" / "a job.scope"
    scope.mkdir(parents=True)
    for folder, quota in ((slice_, "200000 100000"), (scope, "max 100000")):
        (folder / "cpu.max").write_text(f"{quota}\n")
        (folder / "cpu.stat").write_text("usage_usec 1\nnr_periods 10\nnr_throttled 4\n")
    printed = printed_in(tmp_path, "0::/user.slice/a job.scope\n")
    assert (quota_cores(printed), held_back(printed)) == (2.0, {"periods": 20, "throttled": 8})
    assert quota_cores(printed_in(tmp_path, "0::/\n")) is None


def test_within_a_container_the_root_is_the_own_group(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "cpu.stat").write_text("nr_periods 49\nnr_throttled 37\n")
    for own in ("0::/\n", "0::/docker/a-path-that-is-not-here\n", "", "0::odd\n"):
        printed = printed_in(tmp_path, own)
        assert (quota_cores(printed), held_back(printed)) == (0.5, {"periods": 49, "throttled": 37})


def test_the_groups_of_version_1_are_read_wherever_the_controller_stands_in_the_list(tmp_path: Path) -> None:
    folder = tmp_path / "cpu" / "docker"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text("150000\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    (folder / "cpu.stat").write_text("nr_periods 20\nnr_throttled 14\n")
    for names in ("cpu", "cpu,cpuacct", "cpuacct,cpu"):
        own = f"5:cpuset:/other\n4:{names}:/docker\n"
        assert quota_cores(printed_in(tmp_path, own)) == 1.5
    assert quota_cores(printed_in(tmp_path, "4:cpuacct:/docker\n3:cpuset:/docker\n")) is None


@pytest.fixture
def half_a_core() -> Iterator[Path]:
    """A control group of version 1 or 2 with a quota; skipped where this machine lets us make none."""
    root = next((each for each in map(Path, ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup")) if each.is_dir()), None)
    group = root / f"edgewright-test-{uuid.uuid4().hex[:8]}" if root else Path()
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no control group can be made here")
    try:
        for name, quota in (("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000")):
            if (group / name).exists():
                (group / name).write_text(quota)
                break
        else:
            pytest.skip("there are no quotas of the processor here")
        yield group
    finally:
        group.rmdir()


BUSY = (
    "import json, os, sys, time; open(sys.argv[1] + '/cgroup.procs', 'w').write(str(os.getpid()))\n"
    "from edgewright.targets.facts import MACHINE, read_facts\n"
    "from edgewright.targets.transports.local import LocalTarget\n"
    "end = time.monotonic() + 1.5\n"
    "while time.monotonic() < end: pass\n"
    "print(json.dumps({n: read_facts(LocalTarget())[n] for n in ('cpu_quota_cores', 'cpu_held_back')}))"
)


def test_a_process_in_a_real_group_of_half_a_core_tells_its_quota_and_its_periods(half_a_core: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BUSY, str(half_a_core)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    told = json.loads(done.stdout)
    assert told["cpu_quota_cores"] == 0.5
    counted = told["cpu_held_back"]  # where others are busy, too, it may seldom have got as far as its quota
    assert 0 <= counted["throttled"] <= counted["periods"]
    assert counted["periods"] >= 3


def test_this_machine_tells_its_quota_or_none() -> None:
    quota = read_facts(LocalTarget(), {"quota": MACHINE["cpu_quota_cores"]})["quota"]
    assert quota is None or (isinstance(quota, float) and quota > 0)
