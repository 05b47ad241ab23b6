import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.runtimes.device import DeviceRuntime, runtime_for
from edgewright.runtimes.table import RUNTIMES
from tests.device_scripts.artifacts import Artifact, Ran, artifact_for, lay_out, run_job

Run = Callable[..., Ran]


@pytest.fixture(params=RUNTIMES, scope="session")
def artifact(request: pytest.FixtureRequest) -> Artifact:
    return artifact_for(request.param)


@pytest.fixture(scope="session")
def runtime(artifact: Artifact) -> DeviceRuntime:
    return runtime_for(artifact.runtime, machine=platform.machine())


@pytest.fixture(scope="session")
def run(runtime: DeviceRuntime, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a job file with this machine's runner, laid out as on a device."""
    place = lay_out(runtime, tmp_path_factory.mktemp(f"runtime-{runtime.name}"))

    def run(job: Path, cwd: Path | None = None) -> Ran:
        return run_job(runtime, place, job, cwd=cwd)

    return run
