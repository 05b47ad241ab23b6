"""What runners tell of the machine around them: on this one, on one with meters of its own, and on one that is mute."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest

from edgewright.device_scripts import machine_watch
from edgewright.measure.instructions import missing_feature, unknown_instruction
from edgewright.runtimes.device import DeviceRuntime, runtime_for
from tests import artifacts
from tests.device_scripts import touching
from tests.device_scripts.artifacts import INPUTS, Artifact, Ran, lay_out, run_job, write_job
from tests.device_scripts.conftest import Run

CROSS = shutil.which("aarch64-linux-gnu-gcc") and shutil.which("qemu-aarch64-static")
native = pytest.mark.parametrize("artifact", ["executorch"], indirect=True)
both = pytest.mark.parametrize("artifact", ["executorch", "litert"], indirect=True)


def own_mounts(script: str, *words: Path) -> tuple[str, ...]:
    """Run what follows where a shell script has mounted something that nobody else sees."""
    return ("unshare", "--map-root-user", "--mount", "sh", "-c", f'{script} && shift {len(words)} && exec "$@"', "sh",
            *map(str, words))  # fmt: skip


needs_mounts = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*own_mounts("true"), "true"], check=False).returncode != 0,
    reason="this user may not make mounts of his own",
)


def long_job(folder: Path, runtime: str, seconds: float) -> Path:
    """So many seconds of samples, of a model that is too slow to have taken all that may be taken before."""
    file = artifacts.int8_pte()[0] if runtime == "executorch" else artifacts.int8_tflite()
    ids = [row.ids for row in artifacts.rows_of_every_length()]
    lengths = () if runtime == "executorch" else artifacts.LENGTHS
    made = Artifact(runtime=runtime, path=file, lengths=lengths)
    return write_job(folder, made, inputs=ids, samples=1, warmup_s=0.0, min_seconds=seconds, max_seconds=4 * seconds)


@pytest.fixture
def elsewhere(runtime: DeviceRuntime, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run a job through another command."""
    place = lay_out(runtime, tmp_path / "laid-out")

    def ran(job: Path, through: tuple[str, ...]) -> Ran:
        return run_job(runtime, place, job, through=through)

    return ran


def small_files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text}\n")


@needs_mounts
@both
def test_meters_heat_and_energy_are_told_where_a_machine_has_them(
    tmp_path: Path, artifact: Artifact, elsewhere
) -> None:  # type: ignore[no-untyped-def]
    there = tmp_path / "class"
    small_files(
        there,
        {
            "thermal/thermal_zone0/temp": "45000",
            "thermal/thermal_zone1/temp": "51500",
            "powercap/intel-rapl:0/name": "package-0",
            "powercap/intel-rapl:0/energy_uj": "7000000",
            "powercap/intel-rapl:0/max_energy_range_uj": "262143328850",
            "powercap/intel-rapl:0:0/name": "core",
            "powercap/intel-rapl:0:0/energy_uj": "1",
            "hwmon/hwmon3/name": "ina3221",
            "hwmon/hwmon3/in1_label": "VDD_IN",
            "hwmon/hwmon3/in1_input": "5000",
            "hwmon/hwmon3/curr1_input": "1200",
            "hwmon/hwmon3/curr4_input": "77",
            "hwmon/hwmon4/name": "tps",
            "hwmon/hwmon4/power1_input": "2500000",
        },
    )
    ran = elsewhere(long_job(tmp_path, artifact.runtime, 0.6), own_mounts('mount --bind "$1" /sys/class', there))
    spent = ran.document["sampling"]
    assert {state["temperature_mc"] for state in spent["states"]} == {51500}
    assert len(spent["states"]) >= 3
    joules = {each["source"]: each["joules"] for each in spent["energy"]}
    assert joules == {
        "package-0": 0,
        "VDD_IN": pytest.approx(6.0 * spent["seconds"], rel=0.05),
        "tps power1": pytest.approx(2.5 * spent["seconds"], rel=0.05),
    }


@needs_mounts
@both
def test_a_counter_of_energy_that_runs_over_is_read_right(tmp_path: Path, artifact: Artifact, elsewhere) -> None:  # type: ignore[no-untyped-def]
    zone = tmp_path / "class/powercap/intel-rapl:0"
    small_files(zone, {"name": "package-0", "energy_uj": "9000000", "max_energy_range_uj": "10000000"})
    change = 'mount --bind "$1" /sys/class && { (sleep 0.9; echo 3000000 >"$1/powercap/intel-rapl:0/energy_uj") & }'
    job = long_job(tmp_path, artifact.runtime, 2.5)
    (energy,) = elsewhere(job, own_mounts(change, tmp_path / "class")).document["sampling"]["energy"]
    assert energy == {"source": "package-0", "joules": pytest.approx(4.0)}


@needs_mounts
@both
def test_a_machine_that_tells_nothing_of_itself_is_measured_all_the_same(
    tmp_path: Path, artifact: Artifact, elsewhere
) -> None:  # type: ignore[no-untyped-def]
    empty = tmp_path / "empty"
    empty.mkdir()
    hide = 'mount --bind "$1" /sys/class && mount --bind "$1" /sys/devices/system/cpu/cpu0/cache'
    result = elsewhere(write_job(tmp_path, artifact), own_mounts(hide, empty)).document
    assert result["latency_ms"]
    assert result["sampling"]["energy"] == []
    assert {state["temperature_mc"] for state in result["sampling"]["states"]} == {None}


@both
def test_a_runner_keeps_to_its_cores(tmp_path: Path, artifact: Artifact, runtime: DeviceRuntime) -> None:
    core = max(os.sched_getaffinity(0))
    job = long_job(tmp_path, artifact.runtime, 2.0)
    job.write_text(json.dumps({**json.loads(job.read_text()), "cores": [core], "threads": 2}))
    place = lay_out(runtime, tmp_path / "laid-out")
    command = runtime.command(PurePosixPath(place), PurePosixPath(job))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        deadline = time.monotonic() + 10
        allowed: set[str] = set()
        while allowed != {str(core)} and time.monotonic() < deadline and process.poll() is None:
            tasks = [path.read_text() for path in Path(f"/proc/{process.pid}/task").glob("*/status")]
            allowed = {found[1] for text in tasks if (found := re.search(r"Cpus_allowed_list:\s*(\S+)", text))}
            time.sleep(0.05)
        result = json.loads(process.communicate(timeout=20)[0])
    assert allowed == {str(core)}
    assert result["sampling"]["own_cpu_s"] <= 1.1 * result["sampling"]["seconds"] + 0.02


@both
def test_a_cold_start_reads_the_artifact_from_storage(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    (tmp_path / "model").write_bytes(artifact.path.read_bytes())
    job = write_job(tmp_path, artifact, artifact="model", cold=True, samples=0)
    result = run(job).document
    assert result["load_ms"] > 0
    assert len(result["outputs"]) == 3


@native
def test_an_etdump_is_what_executorchs_inspector_reads(tmp_path: Path, artifact: Artifact, run: Run) -> None:
    from executorch.devtools import Inspector

    assert run(write_job(tmp_path, artifact, etdump="profile.etdp")).status == 0
    (block,) = (
        block for block in Inspector(etdump_path=str(tmp_path / "profile.etdp")).event_blocks if block.name == "Execute"
    )
    taken = {event.name: event.perf_data.raw for event in block.events}
    assert len(taken["native_call_embedding.out"]) == len(INPUTS)


def shim(folder: Path, source: str, compiler: str = "cc", *flags: str) -> Path:
    """A library that is loaded before all others, and so decides what the time is."""
    (folder / "shim.c").write_text(source)
    made = folder / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", *flags, "-o", made, folder / "shim.c", "-ldl"], check=True)
    return made


CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static int calls;
int clock_gettime(clockid_t clock, struct timespec *time) {
  int status = syscall(SYS_clock_gettime, clock, time);
  ++calls;
  %s
  return status;
}
"""


@both
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_machine_that_slept_meanwhile_says_so(tmp_path: Path, artifact: Artifact, elsewhere) -> None:  # type: ignore[no-untyped-def]
    sleeping = shim(
        tmp_path, CLOCK % "static int looks; if (clock == CLOCK_BOOTTIME && looks++ > 0) time->tv_sec += 7;"
    )
    job = write_job(tmp_path, artifact, samples=200)
    result = elsewhere(job, ("env", f"LD_PRELOAD={sleeping}")).document
    assert result["sampling"]["suspended_s"] == pytest.approx(7, abs=0.1)


@both
@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_clock_that_runs_backwards_is_a_fault(tmp_path: Path, artifact: Artifact, elsewhere) -> None:  # type: ignore[no-untyped-def]
    backwards = shim(tmp_path, CLOCK % "if (clock == CLOCK_MONOTONIC && calls > 300) time->tv_sec -= calls;")
    ran = elsewhere(write_job(tmp_path, artifact, samples=2000), ("env", f"LD_PRELOAD={backwards}"))
    assert ran.status == 1
    assert ran.document["error"] == {
        "kind": "run-failed",
        "message": "the device's monotonic clock ran backwards",
    }


@native
@pytest.mark.skipif(not CROSS, reason="there is no cross compiler, or no emulator")
def test_an_instruction_that_a_core_lacks_is_named(tmp_path: Path, artifact: Artifact) -> None:
    source = 'int posix_fadvise(int file, long start, long size, int advice) { __asm__(".inst 0x4e829420"); return 0; }'
    dotted = shim(tmp_path, source, "aarch64-linux-gnu-gcc")
    runtime = runtime_for("executorch", machine="aarch64")
    place, job = lay_out(runtime, tmp_path / "laid-out"), write_job(tmp_path, artifact, cold=True)
    emulator = ("qemu-aarch64-static", "-cpu", "cortex-a53", "-L", "/usr/aarch64-linux-gnu")
    command = runtime.command(PurePosixPath(place), PurePosixPath(job))
    ended = subprocess.run(
        [*emulator, "-E", f"LD_PRELOAD={dotted}", *command], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode != 0
    word = unknown_instruction(ended.stderr)
    assert word == 0x4E829420
    assert missing_feature(word, ["fp", "asimd"]) == "the int8 dot product (asimddp)"
    assert missing_feature(word, ["fp", "asimd", "asimddp"]) is None


def test_the_watch_needs_nothing_but_python(tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "device_scripts" / "machine_watch.py"
    said = """
import sys
sys.path.insert(0, sys.argv[1])
import machine_watch
watch = machine_watch.Watch()
watch.start()
print(watch.document()["seconds"] >= 0)
"""
    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", said, str(script.parent)], capture_output=True, text=True, check=False
    )
    assert ended.stdout.strip() == "True", ended.stderr


@native
def test_the_native_runner_tells_how_fast_memory_is_copied(runtime: DeviceRuntime, tmp_path: Path) -> None:
    place = lay_out(runtime, tmp_path / "laid-out")
    ran = run_job(runtime, place, Path("--copy-bandwidth"))
    assert ran.status == 0
    seen = ran.document["copy_gb_s"]
    assert len(seen) >= 10
    assert all(0.2 < each < 1000 for each in seen)
    assert 8 << 20 <= ran.document["block_bytes"] <= 64 << 20


def test_memory_that_was_touched_a_moment_ago_is_counted() -> None:
    folder = Path(machine_watch.__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", touching.SCRIPT], capture_output=True, text=True, check=True, cwd=folder
    )
    touching.check(done.stdout)
