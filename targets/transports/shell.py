"""The way for a person who wants to look around on a device: OpenSSH's own client, or Android's `adb`.

In:  the address of a machine reached by SSH or adb, or of an emulated board that is up.
Out: the command line that leads there, of `ssh` with its keys. What Edgewright itself does there goes through `ssh` and
     `adb`, the modules.
"""

import shlex
import shutil
from collections.abc import Sequence

from edgewright.errors import EnvironmentFaultError, InputError
from edgewright.targets import refuse_secrets
from edgewright.targets.board.standing import StandingBoard
from edgewright.targets.transports.adb_devices import found_device
from edgewright.targets.transports.ssh_address import read_address


def shell_on_board(board: StandingBoard, command: Sequence[str] = ()) -> list[str]:
    """The way into a board that is up; nothing of the user's own SSH configuration takes part."""
    options = ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={board.known_hosts}", "GlobalKnownHostsFile=/dev/null",
               "IdentitiesOnly=yes", "LogLevel=ERROR")  # fmt: skip
    words = [word for option in options for word in ("-o", option)]
    way = ["-F", "none", "-i", str(board.client_key), "-p", str(board.port), *words]
    return [_ssh(), *way, "--", "root@127.0.0.1", *_quoted(command)]


def shell_at(address: str, command: Sequence[str] = ()) -> list[str]:
    """The way to a machine at an `ssh://` address, by the user's own configuration, or to an Android device."""
    refuse_secrets(address)
    scheme, _, _ = address.partition(":")
    if scheme == "adb":
        adb, serial = found_device(address)
        return [adb, "-s", serial, "shell", *_quoted(command)]
    if scheme != "ssh":
        raise InputError(f"{address} has no shell to log into; only ssh://, adb:// and emulated:// targets do")
    login = read_address(address)
    return [_ssh(), *login.typed, *_quoted(command)]


def _quoted(command: Sequence[str]) -> list[str]:
    """The command as one word: the shell there takes it apart again."""
    return [shlex.join(command)] if command else []


def _ssh() -> str:
    if shutil.which("ssh") is None:
        raise EnvironmentFaultError("ssh", "open a shell on a device", "run `sudo apt-get install openssh-client`")
    return "ssh"
