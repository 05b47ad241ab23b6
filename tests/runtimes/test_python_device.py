"""What a Python interpreter runs is really fetched, trimmed and run."""

import platform
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import EnvironmentFaultError, TargetError
from edgewright.runtimes.device import DeviceRuntime, runtime_for
from edgewright.runtimes.python_device import PythonProvider, running_python
from edgewright.runtimes.table import RUNTIMES, runtimes_that
from tests.device_scripts.artifacts import artifact_for, lay_out, write_job

HERE = platform.machine()


IN_PYTHON = runtimes_that(lambda each: each.provider.in_python)


def python_provider(name: str) -> PythonProvider:
    provider = RUNTIMES[name].provider
    assert isinstance(provider, PythonProvider)
    return provider


def device_python(name: str, machine: str, python: str) -> DeviceRuntime:
    return python_provider(name).on_device(machine, python)


def test_litert_for_a_device_is_trimmed_to_what_it_opens() -> None:
    made = device_python("litert", "aarch64", "3.11")
    assert made.size_bytes < 60e6
    assert len(made.files) < 150
    assert "python_runner.py" in made.files
    assert any(name.endswith("libpywrap_litert_common.so") for name in made.files)
    assert not any("WebGpu" in name or "/tests/" in name or name.endswith(".pyi") for name in made.files)
    assert all(b"aarch64" in path.read_bytes() for name, path in made.files.items() if "wrapper" in name)


@pytest.mark.parametrize("runtime", IN_PYTHON)
def test_the_trimmed_wheels_run_a_model_without_anything_else_installed(tmp_path: Path, runtime: str) -> None:
    made, artifact = device_python(runtime, HERE, running_python()), artifact_for(runtime)
    place, job = lay_out(made, tmp_path / "runtime"), write_job(tmp_path, artifact)
    command = list(made.command(PurePosixPath(place), PurePosixPath(job)))
    # The interpreter behind the virtual environment knows none of its packages.
    python = Path(sys.executable).resolve()
    command[command.index("python3") : command.index("python3") + 1] = [str(python), "-S"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env={}, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f'"runtime_version": "{made.version}"' in ended.stdout


@pytest.mark.parametrize("runtime", [name for name in IN_PYTHON if python_provider(name).wheel.pinned is None])
def test_a_runtime_in_python_uses_the_packages_of_this_machine_here(runtime: str) -> None:
    made = runtime_for(runtime, machine=HERE)
    assert list(made.files) == [
        "python_runner.py",
        "drafting.py",
        "generation.py",
        "job_reading.py",
        "machine_watch.py",
    ]
    assert sys.executable in made.argv


def test_a_runtime_that_goes_with_an_older_numpy_is_brought_along_here_too() -> None:
    made = runtime_for("tflite", machine=HERE)
    assert made.version == "2.14.0"
    assert sys.executable in made.argv
    assert any(name.startswith("site/numpy/core/_multiarray_umath.") for name in made.files)
    assert not any("/tests/" in name or name.endswith((".py", ".h")) for name in made.files if name.startswith("site/"))


def test_the_command_names_the_places_on_the_device() -> None:
    made = device_python("litert", "aarch64", "3.11")
    command = made.command(PurePosixPath("/home/pi/runtime"), PurePosixPath("/home/pi/job {runtime}.json"))
    assert command[0] == "env"
    assert "PYTHONPATH=/home/pi/runtime/site" in command
    assert command[-4:] == (
        "python3",
        "/home/pi/runtime/python_runner.py",
        "litert",
        "/home/pi/job {runtime}.json",
    )


def test_on_32_bit_arm_tflite_uses_the_numpy_that_the_device_has() -> None:
    made = runtime_for("tflite", machine="armv7l", python="3.11")
    assert any("_pywrap_tensorflow_interpreter_wrapper" in name for name in made.files)
    assert not any(name.startswith("site/numpy") for name in made.files)
    with pytest.raises(TargetError, match="litert cannot be provided for a armv7l machine"):
        runtime_for("litert", machine="armv7l", python="3.11")


@pytest.mark.parametrize("python", ["2.7", "3", "3.11; rm"])
def test_a_device_with_no_fitting_python_is_refused(python: str) -> None:
    with pytest.raises(TargetError, match="needs Python 3"):
        device_python("litert", "aarch64", python)


def test_a_wheel_that_does_not_exist_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(EnvironmentFaultError, match="check the network") as caught:
        runtime_for("litert", machine="aarch64", python="3.12")
    assert "\n" not in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]
