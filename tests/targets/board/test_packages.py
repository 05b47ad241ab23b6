"""What an emulated board is made of, and a name for it that changes with any of it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from edgewright.targets.board import packages
from edgewright.targets.board.packages import BOARD_PACKAGES, FIRST_INIT, MODULES, START, files_for, recipe_digest


def test_nothing_is_listed_twice() -> None:
    assert len(set(BOARD_PACKAGES)) == len(BOARD_PACKAGES)
    assert len(set(MODULES)) == len(MODULES)


@pytest.mark.parametrize("script", [FIRST_INIT, START], ids=["first init", "start"])
@pytest.mark.parametrize("shell", ["sh", "bash", "busybox"])
def test_its_scripts_are_read_by_a_shell(script: str, shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "script").write_text(script)
    words = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run([*words, "-n", str(tmp_path / "script")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_keys_are_for_root_alone_and_nobody_has_a_password() -> None:
    files = files_for(host_key="HOST", authorized_key="OURS")
    assert files["etc/ssh/ssh_host_ed25519_key"] == ("HOST", 0o600)
    assert files["root/.ssh/authorized_keys"] == ("OURS", 0o600)
    assert "PasswordAuthentication no" in files["etc/ssh/sshd_config"][0]
    assert all(line.split(":")[1] == "*" for line in files["etc/shadow"][0].splitlines())
    assert not any(Path(name).is_absolute() or ".." in Path(name).parts for name in files)


@pytest.mark.parametrize(
    ("name", "value"),
    [("SUITE", "trixie"), ("DISK_MB", 10), ("BOARD_PACKAGES", ("bash",)), ("MODULES", ()), ("FIRST_INIT", "x"),
     ("PLAIN_FILES", {})],
)  # fmt: skip
def test_an_image_of_anything_else_has_another_name(name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe_digest()
    assert recipe_digest() == before
    monkeypatch.setattr(packages, name, value)
    assert recipe_digest() != before
