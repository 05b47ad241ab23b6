"""The native runner is really built; what it is linked with is read from its file."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from edgewright.errors import EnvironmentFaultError
from edgewright.runtimes.device import runtime_for
from edgewright.runtimes.executorch import native

CROSS = shutil.which("aarch64-linux-gnu-g++") is not None
needs_cross = pytest.mark.skipif(not CROSS, reason="g++-aarch64-linux-gnu is not installed")
HERE = platform.machine()


def dynamic_needs(file: Path, option: str) -> str:
    return subprocess.run(["readelf", option, "-W", str(file)], capture_output=True, text=True, check=True).stdout


@needs_cross
def test_what_a_runner_is_prebuilt_with_is_used_for_the_same_source_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "runner"
    shutil.copytree(native._source_folder(), source)
    place = native.prebuild("aarch64", tmp_path / "prebuilt")
    monkeypatch.setattr(native, "_source_folder", lambda: source)
    assert native.native_files("aarch64")[1][native.PROGRAM] == place / native.PROGRAM
    (source / "runner.cpp").write_text("// changed")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentFaultError, match="apt-get install"):
        native.native_files("aarch64")


@needs_cross
def test_the_native_runner_for_a_device_needs_no_c_library_newer_than_debian_12() -> None:
    needs = dynamic_needs(runtime_for("executorch", machine="aarch64").files[native.PROGRAM], "-V")
    versions = {tuple(map(int, word[6:].split("."))) for word in needs.split() if word.startswith("GLIBC_")}
    assert max(versions) <= tuple(map(int, native.NEEDED_GLIBC.split(".")))


def test_the_runner_is_built_once_and_the_same_source_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runtime_for("executorch", machine=HERE).files[native.PROGRAM]
    assert runtime_for("executorch", machine=HERE).files[native.PROGRAM] == first
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    again = runtime_for("executorch", machine=HERE).files[native.PROGRAM]
    assert again != first
    assert again.read_bytes() == first.read_bytes()
    assert str(tmp_path).encode() not in again.read_bytes()


def test_a_missing_compiler_is_told_with_the_packages_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFaultError, match=r"apt-get install .*cmake nlohmann-json3-dev"):
        runtime_for("executorch", machine=HERE)


def test_a_source_that_does_not_compile_is_told_and_leaves_nothing_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "runner"
    shutil.copytree(native._source_folder(), source)
    (source / "runner.cpp").write_text("int main() { return nothing; }")
    monkeypatch.setattr(native, "_source_folder", lambda: source)
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(EnvironmentFaultError, match=r"nothing.* was not declared"):
        runtime_for("executorch", machine=HERE)
    assert [path for path in (tmp_path / "cache" / "runners").iterdir() if path.suffix != ".lock"] == []
