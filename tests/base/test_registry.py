"""Registries: names without imports, plug-ins by entry points, and each way a plug-in can be wrong."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from edgewright.base import registry as registries
from edgewright.base.registry import Registry, instance_of
from edgewright.errors import InputError, UnknownNameError


def table(monkeypatch: pytest.MonkeyPatch, *entries: tuple[str, str]) -> Registry[str]:
    found = [EntryPoint(name, value, "edgewright.spoons") for name, value in entries]
    monkeypatch.setattr(registries, "entry_points", lambda group: found if group == "edgewright.spoons" else [])
    places = {"sep": "os:sep", "never": "a_module_that_is_not_there:X"}
    return Registry("spoon", places, group="edgewright.spoons", check=instance_of("spoon", str))


def test_names_are_known_without_importing_and_a_descriptor_is_imported_on_first_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoons = table(monkeypatch, ("line", "os:linesep"))
    assert list(spoons) == ["sep", "never", "line"]
    assert "never" in spoons
    assert (spoons["sep"], spoons["line"]) == ("/", "\n")


def test_a_name_that_is_not_there_is_reported_with_those_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownNameError, match="spoon"):
        table(monkeypatch)["sap"]


def test_a_plugin_of_a_name_that_is_taken_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="adds a spoon 'sep', and Edgewright itself has one of that name"):
        list(table(monkeypatch, ("sep", "os:linesep")))
    with pytest.raises(InputError, match="adds a spoon 'one', and os:linesep has one of that name"):
        list(table(monkeypatch, ("one", "os:linesep"), ("one", "os:sep")))


def test_a_plugin_that_raises_on_import_is_reported_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_spoon.py").write_text("raise RuntimeError('bent\\nin two')", encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    spoons = table(monkeypatch, ("broken", "broken_spoon:SPOON"))
    with pytest.raises(InputError, match=r"'broken' of the package .* cannot be loaded \(RuntimeError: bent in two\)"):
        spoons["broken"]
    assert spoons["sep"] == "/"  # the others are there all the same


def test_a_plugin_that_is_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"the spoon .path. is a module, not a str; see CONTRIBUTING\.md"):
        table(monkeypatch, ("path", "os:path"))["path"]


def test_one_can_be_registered_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    spoons = table(monkeypatch)
    with spoons.registered("tea", "small"):
        assert (spoons["tea"], "tea" in spoons) == ("small", True)
        with pytest.raises(InputError, match="there is a spoon 'tea' already"), spoons.registered("tea", "other"):
            pass
    assert "tea" not in spoons
