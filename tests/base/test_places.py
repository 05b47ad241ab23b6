"""Directories of Edgewright: where the environment says, made when asked for; what cannot be one is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.base.places import cache_dir, data_dir, expanded, home_dir, state_dir
from edgewright.errors import InputError

PLACES = [
    ("EDGEWRIGHT_CACHE_DIR", cache_dir),
    ("EDGEWRIGHT_DATA_DIR", data_dir),
    ("EDGEWRIGHT_STATE_DIR", state_dir),
]


def raise_no_home(*_: object, **__: object) -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize(("variable", "place"), PLACES)
def test_a_directory_lies_where_the_environment_says_and_is_made(
    variable: str, place: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "mine"))
    assert not (tmp_path / "mine").exists()
    assert place("a", "b") == tmp_path / "mine" / "a" / "b"
    assert place("a", "b").is_dir()


@pytest.mark.parametrize(("variable", "place"), PLACES)
def test_an_empty_setting_is_none(
    variable: str, place: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "")
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    assert place().is_relative_to(tmp_path)
    assert place().name == "edgewright"


@pytest.mark.parametrize(("variable", "place"), PLACES)
def test_a_file_in_its_place_is_reported_with_the_variable_that_names_it(
    variable: str, place: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    with pytest.raises(InputError, match=f"is no folder that can be used .*; {variable} says so; set it to a folder"):
        place()
    with pytest.raises(InputError, match="file/below is no folder that can be used"):
        place("below")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", raise_no_home)
    with pytest.raises(InputError, match=r"no home directory .*; set HOME, or all of EDGEWRIGHT_CACHE_DIR"):
        home_dir()
    monkeypatch.delenv("EDGEWRIGHT_CACHE_DIR", raising=False)
    monkeypatch.setattr("edgewright.base.places.user_cache_path", raise_no_home)
    with pytest.raises(InputError, match="set HOME or EDGEWRIGHT_CACHE_DIR"):
        cache_dir()


def test_a_tilde_is_written_out_where_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expanded(Path("~/models")) == tmp_path / "models"
    assert expanded(Path("models/~")) == Path("models/~")
    with pytest.raises(InputError, match="~nobody-of-that-name/models starts from a home directory that is not known"):
        expanded(Path("~nobody-of-that-name/models"))
