"""Packages of an extra: what lacks is named with what to install; what Edgewright pins has a version all the same."""

from importlib import metadata

import pytest

from edgewright.base import extras
from edgewright.errors import EnvironmentFaultError


def test_what_is_installed_is_not_asked_for() -> None:
    extras.need(("numpy", "pydantic"), purpose="reckon", extra="build")


def test_what_lacks_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFaultError, match=r"torch.*pip install 'edgewright\[build\]'") as raised:
        extras.need_build("build a bundle")
    assert "build a bundle" in str(raised.value)


def test_the_version_of_what_is_installed_is_its_own_without_its_local_part() -> None:
    assert extras.version_of("numpy") == metadata.version("numpy")
    assert "+" not in str(extras.version_of("torch"))


def test_what_is_not_installed_has_the_version_that_is_pinned_whichever_extra_pins_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pins = ["numpy==2.4.6", "ai-edge-litert==2.3.0; extra == 'build'", "rich~=15.0"]
    monkeypatch.setattr(metadata, "requires", lambda _: pins)

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    assert extras.version_of("ai_edge_litert") == "2.3.0"
    assert extras.version_of("rich") is None
    assert extras.version_of("nobody-has-it") is None
