"""CONTRIBUTING.md tells the truth: its snippets are lines of tested plug-ins, its paths and names are there."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"<!-- (\S+) -->\n```python\n(.*?)```", TEXT, re.S)
PATHS = sorted(set(re.findall(r"`((?:tests|toolchain|targets|device_scripts|profiles)/[\w./]*)`", TEXT)))
NAMES = sorted(set(re.findall(r"`(edgewright(?:\.\w+)+)`", TEXT)))
GROUPS = set(re.findall(r'entry-points\."(edgewright\.\w+)"', TEXT)) | {
    each for each in NAMES if re.fullmatch(r"edgewright\.(runtimes|families|tasks|modalities|schemes)", each)
}


@pytest.mark.parametrize(("file", "snippet"), SNIPPETS)
def test_a_snippet_is_the_very_lines_of_its_file(file: str, snippet: str) -> None:
    assert snippet in (ROOT / file).read_text(encoding="utf-8")


def test_there_is_a_snippet_of_each_plug_in() -> None:
    plugins = {
        f"tests/extending/{path.name}"
        for path in (ROOT / "tests" / "extending").glob("*.py")
        if not path.name.startswith(("test_", "conftest", "installed"))
    }
    assert {file for file, _ in SNIPPETS} == plugins
    assert TEXT.count("```python") == len(SNIPPETS)


@pytest.mark.parametrize("path", PATHS)
def test_what_is_pointed_to_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("name", [each for each in NAMES if each not in GROUPS])
def test_what_is_named_can_be_imported(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    try:
        import_module(name)
    except ModuleNotFoundError:
        assert hasattr(import_module(module), attribute)


@pytest.mark.parametrize(
    "room", [each.name for each in (ROOT / "toolchain").iterdir() if (each / "__init__.py").exists()]
)
def test_every_room_is_told(room: str) -> None:
    assert f"`{room}`" in TEXT


@pytest.mark.parametrize("goal", sorted(set(re.findall(r"`make (\w+)`", TEXT))))
def test_a_command_of_make_is_one(goal: str) -> None:
    assert re.search(rf"^{goal}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
