"""What the wheel must carry: every data file of the packages, and no file of another kind by chance."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

import toolchain
from toolchain.measure.native import C_LIBRARIES, LOADERS, PROGRAM, prebuild

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_of_a_package_is_named_for_the_wheel() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    packages = [pattern.rstrip("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
    forgotten = [
        str(path.relative_to(ROOT))
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not {"__pycache__", "prebuilt"} & {*path.parts}
        if not any(fnmatch(path.name, pattern) for pattern in patterns)
    ]
    assert forgotten == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-g++") is None, reason="there is no cross compiler")
def test_a_wheel_brings_the_runner_for_devices_so_that_its_users_need_no_compiler(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    copied = ("toolchain", "targets", "profiles", "device_scripts")
    for name in copied:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "prebuilt"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    prebuild("aarch64", tree / "device_scripts" / "prebuilt")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, tree]
    subprocess.run(build, check=True, timeout=300)
    (wheel,) = tmp_path.glob("edgewright-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    asked = (
        "from toolchain.measure.runtimes import runtime_for;"
        "print(*runtime_for('executorch', machine='aarch64', with_c_library=True).files.values(), sep='\\n')"
    )
    place = str(tmp_path / "installed")
    environment = {"HOME": os.environ["HOME"], "PYTHONPATH": place, "PATH": str(tmp_path)}
    environment |= {name: value for name, value in os.environ.items() if name.startswith("EDGEWRIGHT_")}
    said = subprocess.run(
        [sys.executable, "-P", "-c", asked], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    files = [Path(line) for line in said.stdout.splitlines()]
    brought = {path.name for path in files if path.is_relative_to(place)}
    assert brought == {PROGRAM, LOADERS["aarch64"], *C_LIBRARIES}
    assert (tmp_path / "installed" / "device_scripts" / "prebuilt" / "aarch64" / PROGRAM).read_bytes()[
        18:20
    ] == b"\xb7\0"


def test_the_change_log_tells_of_this_version() -> None:
    assert f"## [{toolchain.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_shapes_an_artifact_is_pinned_exactly() -> None:
    pinned = {line.split("==")[0] for line in PROJECT["project"]["dependencies"] if "==" in line}
    assert {"torch", "torchao", "transformers", "executorch", "litert-torch", "ai-edge-litert", "numpy"} <= pinned
