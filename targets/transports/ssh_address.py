"""Where an `ssh://` address leads: host, port, user, keys, jump hosts, and the folder that may be written to there.

In:  `ssh://[user@]host[:port][?identity=PATH&folder=PATH]`, and what the user's configuration says of that host.
Out: `Login`. Connecting is `ssh_login`'s concern.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from edgewright.base.places import expanded
from edgewright.errors import InputError
from edgewright.targets.transports.ssh_config import HostSettings, own_file, settings_for

PASSWORD_VARIABLE = "EDGEWRIGHT_SSH_PASSWORD"


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where to connect and as whom; a pinned host key (one line as in a .pub file) takes the place of known_hosts."""

    address: str
    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    others: bool = True  # also offer the agent's keys, the default keys and a password
    asks: bool = True  # whether a person may be asked for that password
    pinned_host_key: str = ""
    settings: HostSettings | None = None  # what the user's configuration says besides
    folder: PurePosixPath | None = None  # where Edgewright may write there; None: the home directory
    typed: tuple[str, ...] = ()  # the same way as words of OpenSSH's client
    through: Login | None = None  # the jump host on the way there

    @property
    def known_as(self) -> str:
        """The name under which known_hosts lists this server."""
        if self.settings and self.settings.alias:
            return self.settings.alias
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    @property
    def known_hosts(self) -> tuple[Path, ...]:
        """The files that say whom to trust."""
        return self.settings.known_hosts if self.settings else ()


def read_address(address: str) -> Login:
    """An `ssh://` address completed from the user's configuration. Raises `InputError` for one that cannot be read."""
    return _read(address, frozenset())


def _read(address: str, towards: frozenset[str]) -> Login:
    """The login at an address; a jump host on the way `towards` others is not reached through one of those."""
    parts, user, host, port = _split(address)
    try:
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        query = {"": []}
    if parts.path not in ("", "/") or set(query) - {"identity", "folder"} or parts.fragment:
        raise InputError(
            f"{_public(parts)} has parts that mean nothing; write ssh://user@host:port?identity=PATH&folder=PATH"
        )
    identities = [expanded(Path(name)) for name in query.get("identity", [])]
    for identity in identities:
        if not _is_file(identity):
            raise InputError(f"there is no key file {identity}; check the identity in {_public(parts)}")
    settings = settings_for(host, user=user, port=port)
    words = [*own_file(), *(["-l", user] if user else []), *(["-p", str(port)] if port else [])]
    words += [word for path in identities for word in ("-i", str(path))]
    return Login(
        address=_public(parts),
        host=settings.host,
        port=settings.port,
        user=settings.user,
        identities=(*identities, *(path for path in settings.identities if path not in identities)),
        others=settings.others,
        settings=settings,
        folder=_folder(query.get("folder", []), parts),
        typed=(*words, "--", host),
        through=_jump(settings.jump, towards | {host.lower()}),
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be looked into
        return False


def _jump(hops: str, towards: frozenset[str]) -> Login | None:
    """The last of the jump hosts that a ProxyJump names, each reached through the one before it."""
    login = None
    for hop in hops.split(",") if hops != "none" else ():
        place = re.sub(r"\[([^]:]+)\]", r"\1", hop.strip())  # `ssh -G` puts all hosts in brackets; they are IPv6's
        address = place if "://" in place else f"ssh://{place}"
        if _split(address)[2].lower() in towards:  # `Host *` speaks of the jump host itself, too
            return None
        each = _read(address, towards)
        login = replace(each, through=login or each.through)
    return login


def _split(address: str) -> tuple[SplitResult, str | None, str, int | None]:
    """An address, and its user, host and port; the host as it is typed, for a configuration may tell capitals apart."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.password is not None:
        raise InputError(f"an address holds no password; leave it out and set {PASSWORD_VARIABLE}, or use a key")
    if parts.scheme != "ssh" or not parts.hostname or port == 0:
        raise InputError("the target's address cannot be read; write it as ssh://user@host or ssh://user@host:port")
    login, at, place = parts.netloc.rpartition("@")
    user = unquote(login) if at else None
    host = unquote(place[1:].partition("]")[0] if place.startswith("[") else place.partition(":")[0])
    for what, value in (("user", user), ("host", host)):
        if value is not None and (not value or value.startswith("-") or not value.isprintable() or "%" in value[:1]):
            raise InputError(f"the {what} in the target's address cannot be one; write it as ssh://user@host")
    return parts, user, host, port


def _folder(folders: list[str], parts: SplitResult) -> PurePosixPath | None:
    """The folder there that an address names for all that Edgewright writes."""
    if not folders:
        return None
    folder = PurePosixPath(folders[-1])
    if not folder.is_absolute() or ".." in folder.parts or not folders[-1].isprintable():
        raise InputError(f"the folder in {_public(parts)} must be an absolute path without ..; write ?folder=/PATH")
    return folder


def _public(parts: SplitResult) -> str:
    return f"ssh://{parts.netloc}"
