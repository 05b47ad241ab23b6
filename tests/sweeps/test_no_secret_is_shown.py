"""Every verb that takes an address or a URL, given one with a password: neither output nor any file holds it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgewright.cli.main import main
from edgewright.devices.inventory import find_target
from edgewright.errors import InputError, InvalidFileError
from edgewright.specs.recipe import load_recipe
from edgewright.targets import open_target
from edgewright.targets.transports.shell import shell_at

SECRET = "h4nter2"
ADDRESSES = (
    f"ssh://pi:{SECRET}@127.0.0.1:9",
    f"SSH://pi:{SECRET}@127.0.0.1:9",
    f"ssh://pi:a@{SECRET}/b@127.0.0.1",
    f"ssh://pi:a%40{SECRET}@127.0.0.1",
    f"ssh://pi:open {SECRET}@127.0.0.1",
    f"ssh://pi@127.0.0.1:9?password={SECRET}",
    f"ssh://pi@127.0.0.1:9?pass%77ord={SECRET}",
    f"ssh://pi@127.0.0.1:9?identity=/no/key&token={SECRET}",
    f"ssh://pi%3A{SECRET}@127.0.0.1",
    f"ssh:pi:{SECRET}@127.0.0.1",
    f"pi:{SECRET}@127.0.0.1",
    f"sssh://pi:{SECRET}@127.0.0.1",
    f"adb://pi:{SECRET}@127.0.0.1:5555",
    f"emulated://pi:{SECRET}@raspberry-pi-4",
    f"local://pi:{SECRET}@here",
)
VERBS: tuple[tuple[str, ...], ...] = (
    ("target", "probe", "TARGET"),
    ("target", "up", "TARGET"),
    ("target", "down", "TARGET"),
    ("target", "logs", "TARGET"),
    ("target", "shell", "TARGET", "--", "true"),
    ("bench", "no-bundle", "--target", "TARGET"),
    ("run", "no-bundle", "--input", "x", "--target", "TARGET"),
    ("calibrate", "TARGET"),
    ("calibrate", "--target", "TARGET"),
    ("profiles", "new", "--from-target", "TARGET"),
    ("history", "list", "--target", "TARGET"),
    ("bench", "TARGET"),
    ("no-such-verb", "TARGET"),
)


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "EDGEWRIGHT_CACHE_DIR", "EDGEWRIGHT_DATA_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", str(tmp_path / "history.sqlite"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_kept_to_ourselves(captured: tuple[str, str], folder: Path, *, but: tuple[Path, ...] = ()) -> None:
    assert SECRET not in "".join(captured)
    for file in folder.rglob("*"):
        if file.is_file() and file not in but:
            assert SECRET.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_shows_or_keeps_the_password_of_an_address(
    verb: tuple[str, ...], own_place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for address in ADDRESSES:
        words = [address if word == "TARGET" else word for word in verb]
        for extra in ([], ["--json"], ["--debug"]):
            before = [word for word in extra if word == "--debug"]
            after = [word for word in extra if word == "--json"]
            line = [*before, *words[:-2], *after, *words[-2:]] if "--" in words else [*before, *words, *after]
            status = main(line)
            assert status == (0 if verb[0] == "history" else 2), (line, capfd.readouterr())
            assert_kept_to_ourselves(capfd.readouterr(), own_place)


def test_a_password_in_an_address_is_named_as_what_is_wrong_with_it() -> None:
    for address in ADDRESSES:
        for takes in (find_target, open_target, shell_at):
            with pytest.raises(InputError, match=r"holds no password.* EDGEWRIGHT_SSH_PASSWORD") as caught:
                takes(address)
            assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("verb", [("target", "list"), ("target", "probe", "kitchen"), ("target", "probe", "attic")])
def test_a_password_in_the_inventory_is_a_fault_of_it_with_its_line_and_is_not_shown(
    verb: tuple[str, ...], own_place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = own_place / "targets.toml"
    for address in ADDRESSES:
        file.write_text(f'[targets.attic]\naddress = "local:"\n\n[targets.kitchen]\naddress = "{address}"\n')
        for extra in ([], ["--json"]):
            assert main([*verb, *extra]) == 2
            captured = capfd.readouterr()
            assert "line 5, targets.kitchen.address: holds no password" in captured.err
            assert_kept_to_ourselves(captured, own_place, but=(file,))


@pytest.mark.parametrize(
    "text",
    [
        f'[targets]\nkitchen = "ssh://pi:{SECRET}{"x" * 60}@board"\n',
        f'[targets.kitchen]\naddress = ["ssh://pi:{SECRET}{"x" * 60}@board"]\n',
        f'[targets.kitchen]\naddress = "local:"\nurl = "ssh://pi:{SECRET}@board"\n',
        f'[targets.kitchen]\naddress = "local:"\n[groups]\nlab = ["ssh://pi:{SECRET}@board"]\n',
        f'[targets.kitchen]\naddress = "local:"\nprofile = "ssh://pi:{SECRET}@board"\n',
        f'[targets."pi:{SECRET}@board"]\naddress = "local:"\n',
        f'[targets.kitchen]\naddress = "ssh://pi:{SECRET}@board\n',
    ],
)
def test_other_faults_of_an_inventory_show_no_password_either(
    text: str, own_place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (own_place / "targets.toml").write_text(text)
    for extra in ([], ["--json"]):
        assert main(["target", "list", *extra]) == 2
        assert SECRET not in "".join(capfd.readouterr())


HISTORIES = (
    f"postgresql+psycopg://me:{SECRET}@127.0.0.1:9/edge",
    f"postgresql+psycopg://127.0.0.1:9/edge?user=me&password={SECRET}",
    f"postgresql+psycopg://127.0.0.1:9/edge?user=me&pass%77ord={SECRET}&connect_timeout=2",
    f"postgresql+psycopg://me:a%2F{SECRET}@127.0.0.1:port/edge",
    f"postgresql+psycopg://me:a/{SECRET}@127.0.0.1:9/edge",
    f"postgresql+psycopg://me:{SECRET}@127.0.0.1:9/edge?no_such_option=other&token={SECRET}",
    f"postgresql+psycopg://me:{SECRET}@[::1/edge",
    f"sqlite:///x?timeout=abc&password={SECRET}",
    f"no-such-database://me:{SECRET}@127.0.0.1/edge",
    f"mysql://me:{SECRET}@127.0.0.1/edge",
    f"sqlite:///no/such/{SECRET[:0]}folder/x?password={SECRET}",
    f"://me:{SECRET}@127.0.0.1/edge",
)


@pytest.mark.parametrize("url", HISTORIES)
def test_a_history_that_cannot_be_opened_shows_no_password(
    url: str, own_place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_HISTORY", url)
    for line in (["history", "list"], ["history", "list", "--json"], ["--debug", "history", "list"]):
        main(line)
        captured = capfd.readouterr()
        assert "error:" in captured.err or url.startswith("sqlite")
        assert "unexpected" not in captured.err
        assert_kept_to_ourselves(captured, own_place)


def test_a_recipe_that_names_a_target_with_a_password_is_refused_and_does_not_repeat_it(
    toml_file: Callable[[str], Path],
) -> None:
    path = toml_file(
        '[recipe]\nname = "x"\n[model]\nhub = "a/b"\n[task]\nkind = "embedding"\n[data]\nfile = "x.csv"\n'
        f'[stages.prune]\nspeedup = 2.0\nprices = "ssh://pi:{SECRET}@board"\n'
    )
    with pytest.raises(InvalidFileError, match="must hold no password") as caught:
        load_recipe(str(path))
    assert SECRET not in repr(caught.value) + repr(caught.value.faults)
