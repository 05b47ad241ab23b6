"""What the wheel must carry: every data file of the packages, and no file of another kind by chance."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import edgewright
from edgewright.runtimes.executorch.native import C_LIBRARIES, LOADERS, PROGRAM, prebuild
from tests import audit

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]


def test_every_folder_with_files_is_a_package_of_the_wheel() -> None:
    found = set()
    for package, folder in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and not {"__pycache__", "prebuilt"} & {*path.parts}:
                found.add(".".join((package, *path.relative_to(ROOT / folder).parent.parts)))
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_every_file_of_a_package_is_named_for_the_wheel() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    forgotten = [
        str(path.relative_to(ROOT))
        for package in FOLDERS.values()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and not {"__pycache__", "prebuilt"} & {*path.parts}
        if not any(fnmatch(path.name, pattern) for pattern in patterns)
    ]
    assert forgotten == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-g++") is None, reason="there is no cross compiler")
def test_a_wheel_brings_the_runner_for_devices_so_that_its_users_need_no_compiler(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name in FOLDERS.values():
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
        "from edgewright.runtimes.device import runtime_for;"
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
    assert (tmp_path / "installed" / "edgewright" / "device_scripts" / "prebuilt" / "aarch64" / PROGRAM).read_bytes()[
        18:20
    ] == b"\xb7\0"


def test_the_change_log_tells_of_this_version() -> None:
    assert f"## [{edgewright.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_shapes_an_artifact_is_pinned_exactly() -> None:
    asked = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["build"]]
    pinned = {line.split("==")[0] for line in asked if "==" in line}
    assert {"torch", "torchao", "transformers", "executorch", "litert-torch", "ai-edge-litert", "numpy"} <= pinned


def locked() -> dict[str, tuple[str, int]]:
    """Each package of the lock: its version, and how many hashes of it are known."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8").strip()):
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)", block)
        assert match, block[:80]
        found[canonicalize_name(match[1])] = (match[2], block.count("--hash=sha256:"))
    return found


def test_the_lock_has_every_package_that_make_installs_in_a_version_that_is_asked_for_and_its_hashes() -> None:
    extras = re.search(r"^EXTRAS := (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    assert extras is not None
    asked = [*PROJECT["project"]["dependencies"]]
    for extra in extras[1].split():
        asked += PROJECT["project"]["optional-dependencies"][extra]
    lock = locked()
    for requirement in map(Requirement, asked):
        if requirement.name == "torch":  # outside of the lock: which build it is depends on the index
            assert "torch" not in lock
            continue
        version, _ = lock[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement
    assert all(hashes for _, hashes in lock.values())
    assert len(lock) > 100


def test_what_is_installed_here_is_what_the_lock_says() -> None:
    installed = {canonicalize_name(each.name): each.version for each in metadata.distributions()}
    other = {
        name: (version, installed[name])
        for name, (version, _) in locked().items()
        if name in installed and installed[name] != version and name != "pip"
    }
    assert other == {}


def test_the_bill_of_materials_names_every_locked_package_with_its_version(tmp_path: Path) -> None:
    made = re.search(r"cyclonedx-py ((?:.*\\\n)*.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert made is not None
    words = made[1].replace("\\\n", " ").split()
    words[words.index("--output-file") + 1] = str(tmp_path / "bill.json")
    subprocess.run([sys.executable, "-m", "cyclonedx_py", *words], cwd=ROOT, check=True, capture_output=True)
    bill = json.loads((tmp_path / "bill.json").read_text(encoding="utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "edgewright"
    listed = {canonicalize_name(each["name"]): each["version"] for each in bill["components"]}
    assert {name: version for name, (version, _) in locked().items()}.items() <= listed.items()


def test_advisories_are_told_unless_they_are_accepted_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    report = {
        "dependencies": [
            {"name": "sound", "version": "1", "vulns": []},
            {"name": "elsewhere", "skip_reason": "not found"},
            {"name": "faulty", "version": "2", "vulns": [{"id": "X-1", "aliases": ["Y-1"], "fix_versions": ["3"]}]},
        ]
    }
    assert audit.found(report) == (["faulty 2 has X-1; mended in 3"], ["elsewhere"])
    monkeypatch.setattr(audit, "ACCEPTED", {"Y-1": "it is about a part that is not used"})
    assert audit.found(report) == ([], ["elsewhere"])
