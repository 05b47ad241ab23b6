"""Plug-ins that are wrong: one sentence each, with the package that is to be repaired, and all else works on."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.extending.installed import edgewright, install, python

REGISTRIES = {
    "edgewright.runtimes": ("edgewright.runtimes.table", "RUNTIMES"),
    "edgewright.families": ("edgewright.models.families", "FAMILIES"),
    "edgewright.tasks": ("edgewright.tasks.table", "TASKS"),
    "edgewright.modalities": ("edgewright.modality.table", "MODALITIES"),
    "edgewright.schemes": ("edgewright.quantize.schemes", "QUANTIZATION_SCHEMES"),
}
THERE = [group for group, (module, _) in REGISTRIES.items() if find_spec(module)]
TELL = """
from edgewright.errors import InputError
from {module} import {table}
try:
    print({what})
except InputError as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""


def told(group: str, what: str, *folders: Path) -> str:
    """What an interpreter prints that asks the group's table, or of its `InputError`."""
    module, table = REGISTRIES[group]
    ended = python(TELL.format(module=module, table=table, what=what.format(table=table)), *folders)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\n") == 1
    return ended.stdout.strip()


def first_of(group: str) -> str:
    module, table = REGISTRIES[group]
    return str(next(iter(getattr(import_module(module), table))))


@pytest.mark.parametrize("group", THERE)
def test_one_that_raises_on_import_is_told_with_its_package_and_hides_no_other(group: str, tmp_path: Path) -> None:
    install(tmp_path, group, {"broken": "broken_plugin:IT"})
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError('half\\nmade')", encoding="utf-8")
    said = told(group, "{table}['broken']", tmp_path)
    assert said.startswith("InputError: the ")
    assert "'broken' of the package somebodys-plugin cannot be loaded (RuntimeError: half made)" in said
    assert said.endswith("repair or uninstall that package")
    assert "InputError" not in told(group, f"type({{table}}[{first_of(group)!r}]).__name__", tmp_path)
    assert told(group, "'broken' in {table}", tmp_path) == "True"


@pytest.mark.parametrize("group", THERE)
def test_one_whose_module_is_not_there_or_lacks_the_name_is_told(group: str, tmp_path: Path) -> None:
    install(tmp_path, group, {"gone": "no_such_plugin:IT", "empty": "empty_plugin:IT"})
    (tmp_path / "empty_plugin.py").write_text("", encoding="utf-8")
    assert "No module named 'no_such_plugin'" in told(group, "{table}['gone']", tmp_path)
    assert "cannot be loaded (AttributeError" in told(group, "{table}['empty']", tmp_path)


@pytest.mark.parametrize("group", THERE)
def test_a_name_of_ours_is_not_taken_away(group: str, tmp_path: Path) -> None:
    name = first_of(group)
    install(tmp_path, group, {name: "other_plugin:IT"})
    said = told(group, "list({table})", tmp_path)
    assert "the package somebodys-plugin adds a " in said
    assert f"{name!r}, and Edgewright itself has one of that name already; uninstall one of them" in said


@pytest.mark.parametrize("group", THERE)
def test_two_packages_with_one_name_are_both_told(group: str, tmp_path: Path) -> None:
    for package in ("first-plugin", "second-plugin"):
        install(tmp_path / package, group, {"twice": "other_plugin:IT"}, package=package)
    said = told(group, "list({table})", tmp_path / "first-plugin", tmp_path / "second-plugin")
    assert "first-plugin" in said
    assert "second-plugin" in said
    assert "has one of that name already; uninstall one of them" in said


@pytest.mark.parametrize("group", THERE)
def test_one_that_is_something_else_is_told_what_it_should_be(group: str, tmp_path: Path) -> None:
    install(tmp_path, group, {"other": "other_plugin:IT"})
    (tmp_path / "other_plugin.py").write_text("IT = 'only a text'", encoding="utf-8")
    said = told(group, "{table}['other']", tmp_path)
    assert "'other' is a str, not a" in said
    assert "see CONTRIBUTING.md for what a plug-in gives" in said


@pytest.mark.parametrize("group", THERE)
def test_names_and_descriptors_are_read_without_torch(group: str) -> None:
    module, table = REGISTRIES[group]
    program = (
        f"import sys; from {module} import {table}; [{table}[name] for name in {table}]; print('torch' in sys.modules)"
    )
    assert python(program).stdout.strip() == "False"


def test_a_family_that_lacks_what_it_promised_is_refused_as_it_is_loaded(tmp_path: Path) -> None:
    install(tmp_path, "edgewright.families", {"hollow": "hollow_plugin:FAMILY"})
    (tmp_path / "hollow_plugin.py").write_text(
        "from edgewright.models.families import Family\n"
        "class Files:\n"
        "    def save(self, model, folder): ...\n"
        "FAMILY = Family(title='hollow net', modality='image', capabilities={'stores': Files()})\n",
        encoding="utf-8",
    )
    said = told("edgewright.families", "{table}['hollow']", tmp_path)
    assert "'hollow' promises to be 'stores', but what it gives for that has no load; add it, or promise less" in said


@pytest.mark.parametrize("line", [("recipes", "list"), ("profiles", "list"), ("--help",)])
def test_what_needs_no_plugin_works_beside_one_that_raises(line: tuple[str, ...], tmp_path: Path) -> None:
    for number, group in enumerate(THERE):
        install(tmp_path, group, {"broken": "broken_plugin:IT"}, package=f"plugin-{number}")
    (tmp_path / "broken_plugin.py").write_text("raise RuntimeError", encoding="utf-8")
    ended = edgewright(*line, folders=(tmp_path,))
    assert (ended.returncode, ended.stderr) == (0, "")
