"""What the wheel must carry: every data file of the packages, and no file of another kind by chance."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import toolchain

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_file_of_a_package_is_named_for_the_wheel() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    packages = [pattern.rstrip("*") for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
    forgotten = [
        str(path.relative_to(ROOT))
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        if not any(fnmatch(path.name, pattern) for pattern in patterns)
    ]
    assert forgotten == []


def test_the_change_log_tells_of_this_version() -> None:
    assert f"## [{toolchain.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_what_shapes_an_artifact_is_pinned_exactly() -> None:
    pinned = {line.split("==")[0] for line in PROJECT["project"]["dependencies"] if "==" in line}
    assert {"torch", "torchao", "transformers", "executorch", "litert-torch", "ai-edge-litert", "numpy"} <= pinned
