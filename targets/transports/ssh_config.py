"""What a user's SSH configuration says of a host: OpenSSH's own answer where `ssh` is installed, else our reading.

In:  a host as it was typed, and the user and port that stand beside it.
Out: `HostSettings`. What it cannot follow is refused by name: Edgewright connects as `ssh` would, or not at all.
As with `ssh` itself, a `Match exec` of that configuration runs its command.
"""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from edgewright.errors import InputError
from edgewright.targets.transports.conversation import last_line

ASKING_LIMIT_S = 20.0
SYSTEM_FILE = Path("/etc/ssh/ssh_config")
GLOBAL_KNOWN_HOSTS = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
NONE = "none"
YES, NO = ("yes", "true"), ("no", "false")
INSTALL = "install OpenSSH's ssh, which reads it (Debian: sudo apt-get install openssh-client)"
# What changes where we connect, or whom we trust there, and what Edgewright does not do.
REFUSED = {
    "revokedhostkeys": "mark revoked keys in known_hosts as @revoked instead",
    "knownhostscommand": "write the host's key into known_hosts instead",
    "pkcs11provider": "add its keys to your agent with `ssh-add -s` instead",
    "certificatefile": "lay the certificate beside its key as KEY-cert.pub instead",
}
FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class HostSettings:
    """Where a host is, whom one is there, with which keys, and by which files it is known."""

    host: str
    port: int = 22
    user: str
    identities: tuple[Path, ...] = ()
    others: bool = True  # whether the agent's keys and the usual files are offered, too
    agent: str | None = None  # a socket's path; None: that of the environment; "none"
    keys_allowed: bool = True
    password_allowed: bool = True
    jump: str = NONE
    alias: str = ""  # the name in known_hosts, where it is another
    known_hosts: tuple[Path, ...] = ()
    family: socket.AddressFamily = socket.AF_UNSPEC
    source: str = ""  # the address to connect from


def settings_for(host: str, *, user: str | None, port: int | None) -> HostSettings:
    """What the configuration makes of a host. Raises `InputError` for what cannot be read or followed."""
    file = config_file()
    asked = [*(["-l", user] if user else []), *(["-p", str(port)] if port else [])]
    values: Values = {}
    if file.is_file() or SYSTEM_FILE.is_file():
        ssh = shutil.which("ssh") if _registered_home() else None  # it runs for nobody who is not registered
        values = _asked(ssh, [*own_file(), *asked, "--", host], file) if ssh else _parsed(file, host)
    return _settings(values, host=host, user=user, port=port, file=file)


def config_file() -> Path:
    """The user's own configuration."""
    try:
        return Path.home() / ".ssh" / "config"
    except RuntimeError as error:
        raise InputError("this user has no home directory, where SSH's keys and known_hosts lie; set HOME") from error


def own_file() -> list[str]:
    """How `ssh` is given its place: it looks where the user is registered, whatever HOME says."""
    if _registered_home() == Path.home():
        return []
    return ["-F", str(config_file()) if config_file().is_file() else NONE]


def _registered_home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a number without a name, as in some containers
        return None


def _asked(ssh: str, words: list[str], file: Path) -> Values:
    """The answer of `ssh -G`."""
    try:
        done = subprocess.run(
            [ssh, "-G", *words], capture_output=True, text=True, errors="replace", timeout=ASKING_LIMIT_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError(f"`ssh -G` could not be asked ({error}); write user and port in the address") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(
            f"`ssh -G` did not answer within {ASKING_LIMIT_S:g} s; look at what a Match exec of {file} runs"
        ) from error
    if done.returncode != 0:
        fault = last_line(done.stderr.strip().partition("\n")[0])  # the first fault; the last line only counts them
        raise InputError(f"{file} cannot be read ({fault or 'ssh -G failed'}); correct it, as `ssh -G HOST` shows")
    settings: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition(" ")
        settings.setdefault(name.lower(), []).append(value)
    return settings


def _parsed(file: Path, host: str) -> Values:
    """Our own reading, of what paramiko understands."""
    try:
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); correct it") from error
    lines = [_without_comment(line) for line in text.splitlines()]
    for number, line in enumerate(lines, start=1):
        if re.match(r"\s*(include|match|canonicalize\w+)\b", line, re.IGNORECASE):
            raise InputError(
                f"{file} has on line {number} {line.split()[0]!r}, which is not understood; {INSTALL}, or write "
                "user and port in the address and take that line away"
            )
    _local_user(host)  # paramiko asks for it, whether or not it is needed
    try:
        settings = paramiko.SSHConfig.from_text("\n".join(lines)).lookup(host)
    except Exception as error:  # paramiko raises its own, and ValueError
        raise InputError(f"{file} cannot be read ({error}); correct it, or {INSTALL}") from error
    return {name: [value] if isinstance(value, str) else list(value) for name, value in settings.items()}


def _without_comment(line: str) -> str:
    """A line up to a `#` that begins a word outside quotes."""
    match = re.match(r"""(?:"[^"]*"|[^"#]|(?<=\S)#)*""", line)
    return match[0].rstrip() if match else line


def _settings(values: Values, *, host: str, user: str | None, port: int | None, file: Path) -> HostSettings:
    def one(name: str, default: str = "") -> str:
        return next(iter(values.get(name, ())), default)

    for name, instead in REFUSED.items():
        if one(name, NONE) != NONE:
            raise InputError(f"{file} sets {name} for {host}, which Edgewright does not follow; {instead}")
    jump = one("proxyjump", NONE)
    if one("proxycommand", NONE) != NONE and jump == NONE:
        raise InputError(
            f"{file} reaches {host} through a ProxyCommand, which Edgewright does not; name a ProxyJump instead, or "
            f"open a tunnel (ssh -N -L 2222:{host}:22 JUMP) and use ssh://user@localhost:2222"
        )
    remote = user or one("user") or _local_user(host)
    place = one("hostname", host)
    place = host.lower() if place == host else place
    number = port or _port(one("port", "22"), file, host)
    tokens = {"%": "%", "d": str(Path.home()), "h": place, "n": host, "p": str(number), "r": remote,
              "i": str(os.getuid()), "u": os.environ.get("USER", remote), "k": one("hostkeyalias") or host}  # fmt: skip

    def paths(words: Iterable[str]) -> Iterator[Path]:
        return (_path(word, tokens, file) for word in words if word != NONE)

    agent = one("identityagent", "SSH_AUTH_SOCK")
    own = _split(one("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"))
    shared = _split(one("globalknownhostsfile", " ".join(map(str, GLOBAL_KNOWN_HOSTS))))
    return HostSettings(
        host=place,
        port=number,
        user=remote,
        identities=tuple(path for path in paths(values.get("identityfile", ())) if path.is_file()),
        others=one("identitiesonly") not in YES,
        agent=None if agent == "SSH_AUTH_SOCK" else agent if agent == NONE else str(_path(agent, tokens, file)),
        keys_allowed=one("pubkeyauthentication") not in NO,
        password_allowed=one("passwordauthentication") not in NO,
        jump=jump,
        alias=one("hostkeyalias").lower(),
        known_hosts=(*paths(own), *paths(shared)),
        family=FAMILIES.get(one("addressfamily"), socket.AF_UNSPEC),
        source=one("bindaddress"),
    )


def _local_user(host: str) -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:  # a number without a name, as in some containers
        raise InputError(f"this user has no name; set USER, and write whom to log in as: ssh://NAME@{host}") from error


def _port(port: str, file: Path, host: str) -> int:
    try:
        number = int(port) if port.isdecimal() and len(port) <= 5 else socket.getservbyname(port, "tcp")
    except OSError:
        number = 0
    if not 0 < number < 1 << 16:
        raise InputError(f"{file} sets Port {port[:40]!r} for {host}, which is no port; write a number, 1 to 65535")
    return number


def _split(words: str) -> list[str]:
    """File names of one line, as `ssh -G` prints them: without quotes, so that only a path's beginning parts them."""
    return [word.strip('"') for word in re.split(r"""\s+(?="?[/~%]|none$)""", words.strip()) if word]


def _path(word: str, tokens: Mapping[str, str], file: Path) -> Path:
    def value(match: re.Match[str]) -> str:
        if match[1] not in tokens:
            raise InputError(f"{file} has {match[0]} in {word!r}, which is not understood; write the path out")
        return tokens[match[1]]

    path = Path(re.sub(r"%(.)", value, word.strip('"'))).expanduser()
    registered = _registered_home()
    if registered and registered != Path.home() and path.is_relative_to(registered / ".ssh"):
        return Path.home() / path.relative_to(registered)  # ssh has put in for ~ where the user is registered
    return path
