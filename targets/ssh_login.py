"""Connect to an SSH server the way OpenSSH would: configuration, host key, keys, agent, password.

In:  `ssh://[user@]host[:port][?identity=PATH]`, ~/.ssh/config, known_hosts, EDGEWRIGHT_SSH_PASSWORD.
Out: an authenticated `paramiko.Transport`, or the one `TargetError` that says what to do.
An unknown host key is never accepted and no secret enters a message. Commands and files are `ssh`'s concern.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

import paramiko

from targets.ssh_wire import MISBEHAVIOUR, PromptSocket, Transport
from toolchain.errors import AuthenticationError, HostKeyError, InputError, TargetError, UnreachableError

CONNECT_LIMIT_S = 10.0
LOGIN_LIMIT_S = 30.0
KEEP_ALIVE_S = 15
PASSWORD_VARIABLE = "EDGEWRIGHT_SSH_PASSWORD"
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
# Not paramiko's own order: authenticated ciphers first, and none of the broken ones.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where to connect and as whom; a pinned host key (one line as in a .pub file) takes the place of known_hosts."""

    address: str
    host: str
    port: int
    user: str
    identities: tuple[Path, ...]
    others: bool = True  # also offer the agent's keys, the default keys and a password
    pinned_host_key: str = ""
    through: Login | None = None  # the jump host on the way there

    @property
    def known_as(self) -> str:
        """The name under which known_hosts lists this server."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


def read_address(address: str) -> Login:
    """An `ssh://` address completed from ~/.ssh/config. Raises `InputError` for one that cannot be read."""
    return _read(address, frozenset())


def _read(address: str, towards: frozenset[str]) -> Login:
    """The login at an address; a jump host on the way `towards` others is not reached through one of those."""
    parts, port = _split(address)
    host = parts.hostname or ""
    config = _config_for(host)
    query = parse_qs(parts.query)
    if parts.path not in ("", "/") or set(query) - {"identity"}:
        raise InputError(f"{_public(parts)} has parts that mean nothing; write ssh://user@host:port?identity=PATH")
    identities = [Path(name).expanduser() for name in query.get("identity", [])]
    for identity in identities:
        if not identity.is_file():
            raise InputError(f"there is no key file {identity}; check the identity in {_public(parts)}")
    identities += [path for name in config.get("identityfile", []) if (path := Path(name).expanduser()).is_file()]
    return Login(
        address=_public(parts),
        host=str(config.get("hostname", parts.hostname)),
        port=port or int(config.get("port", 22)),
        user=parts.username or str(config.get("user", "")) or getpass.getuser(),
        identities=tuple(identities),
        others=config.get("identitiesonly", "no") != "yes",
        through=_jump(config.get("proxyjump", "none"), towards | {host}),
    )


def _jump(said: str, towards: frozenset[str]) -> Login | None:
    """The last of the jump hosts that a ProxyJump names, each reached through the one before it."""
    login = None
    for hop in said.split(",") if said != "none" else ():
        address = hop.strip() if "://" in hop else f"ssh://{hop.strip()}"
        if _split(address)[0].hostname in towards:  # `Host *` speaks of the jump host itself, too
            return None
        each = _read(address, towards)
        login = replace(each, through=login or each.through)
    return login


def _split(address: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.password is not None:
        raise InputError(f"an address holds no password; leave it out and set {PASSWORD_VARIABLE}, or use a key")
    if parts.scheme != "ssh" or not parts.hostname or port == 0:
        raise InputError("the target's address cannot be read; write it as ssh://user@host or ssh://user@host:port")
    return parts, port


def _public(parts: SplitResult) -> str:
    return f"ssh://{parts.netloc}"


def _config_for(host: str) -> paramiko.SSHConfigDict:
    file = Path.home() / ".ssh" / "config"
    try:
        config = paramiko.SSHConfig.from_path(str(file)) if file.is_file() else paramiko.SSHConfig()
        found = config.lookup(host)
        if "port" in found:
            int(found["port"])
    except Exception as error:  # paramiko raises its own, ImportError for `Match exec`, and ValueError
        raise InputError(
            f"{file} cannot be read ({error}); correct it, or write user and port in the address"
        ) from error
    if found.get("proxycommand", "none") != "none":
        raise InputError(
            f"{file} reaches {host} through a ProxyCommand, which Edgewright does not; name a ProxyJump instead, or "
            f"open a tunnel (ssh -N -L 2222:{host}:22 JUMP) and use ssh://user@localhost:2222"
        )
    return found


def connect(login: Login) -> paramiko.Transport:
    """Log in. Raises `UnreachableError`, `HostKeyError` or `AuthenticationError`."""
    server = f"{login.host}:{login.port}"
    connection, jump = _through(login) if login.through else (_direct(login), None)
    transport = None
    try:
        transport = Transport(connection, jump)
        transport.set_keepalive(KEEP_ALIVE_S)
        _greet(transport, login)
        _authenticate(transport, login)
        return transport
    except BaseException as error:
        for each in (transport or connection, jump):
            if each is not None:
                each.close()
        if isinstance(error, MISBEHAVIOUR):
            raise UnreachableError(
                f"{login.address}: {server} did not complete an SSH login ({error or type(error).__name__}); "
                "check the port, and the server's log"
            ) from error
        raise


def _direct(login: Login) -> socket.socket:
    server = f"{login.host}:{login.port}"
    try:
        opened = socket.create_connection((login.host, login.port), timeout=CONNECT_LIMIT_S)
    except socket.gaierror as error:
        raise UnreachableError(f"{login.address}: no machine is called {login.host}; check the name") from error
    except OSError as error:
        reason = "refused the connection" if isinstance(error, ConnectionRefusedError) else f"did not answer ({error})"
        raise UnreachableError(
            f"{login.address}: {server} {reason}; check that the device is on, in this network and runs an SSH server"
        ) from error
    connection = PromptSocket(fileno=opened.detach())
    with suppress(OSError):  # it broke already, which the greeting will tell
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _through(login: Login) -> tuple[paramiko.Channel, paramiko.Transport]:
    """A connection that the jump host makes for us; what travels on it, that host cannot read."""
    assert login.through is not None
    jump = connect(login.through)
    try:
        way = jump.open_channel("direct-tcpip", (login.host, login.port), ("127.0.0.1", 0), timeout=CONNECT_LIMIT_S)
        return way, jump
    except BaseException as error:
        jump.close()
        if isinstance(error, MISBEHAVIOUR):
            raise UnreachableError(
                f"{login.address}: the jump host {login.through.address} could not reach {login.host}:{login.port} "
                f"({error}); check that the device is on, and that the jump host may forward connections"
            ) from error
        raise


def _greet(transport: paramiko.Transport, login: Login) -> None:
    """Exchange keys, and compare the server's with the one we know."""
    known = _known_keys(login)
    options = transport.get_security_options()
    options.ciphers = [name for name in CIPHERS if name in options.ciphers]
    wanted = [name for kind in known for name in _signatures(kind) if name in options.key_types]
    options.key_types = wanted + [name for name in options.key_types if name not in wanted]
    transport.start_client(timeout=LOGIN_LIMIT_S)
    key = transport.get_remote_server_key()
    if known.get(key.get_name()) == key:
        return
    print_ = fingerprint(key)
    host = shlex.quote(login.host)
    if login.pinned_host_key:
        raise HostKeyError(f"{login.address}: another machine than the one that was started answered ({print_})")
    if known:
        raise HostKeyError(
            f"{login.address}: the host key of {login.known_as} has changed to {key.get_name()} {print_}; "
            f"if the device was set up anew, run `ssh-keygen -R {shlex.quote(login.known_as)}` and this again, "
            "else someone may be posing as it"
        )
    raise HostKeyError(
        f"{login.address}: the host key of {login.known_as} is unknown ({key.get_name()} {print_}); compare it with "
        "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the device and trust it with "
        f"`ssh-keyscan -p {login.port} {host} >> ~/.ssh/known_hosts`"
    )


def _signatures(kind: str) -> tuple[str, ...]:
    return ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)


def _known_keys(login: Login) -> dict[str, paramiko.PKey]:
    keys = paramiko.HostKeys()
    if login.pinned_host_key:
        kind, blob = login.pinned_host_key.split()[:2]
        return {kind: paramiko.PKey.from_type_string(kind, base64.b64decode(blob))}
    for file in (Path.home() / ".ssh" / "known_hosts", Path("/etc/ssh/ssh_known_hosts")):
        try:
            if file.is_file():
                keys.load(str(file))
        except Exception as error:  # InvalidHostKey is no SSHException
            raise HostKeyError(f"{file} cannot be read ({error}); remove the damaged line") from error
    found = keys.lookup(login.known_as)
    return {kind: key for kind in found if (key := found[kind])} if found else {}


def fingerprint(key: paramiko.PKey) -> str:
    """A key's SHA256 fingerprint as OpenSSH shows it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")


def _authenticate(transport: paramiko.Transport, login: Login) -> None:
    transport.auth_timeout = LOGIN_LIMIT_S
    tried: list[str] = []
    for name, key in _keys(login, tried):
        try:
            transport.auth_publickey(login.user, key)
        except paramiko.BadAuthenticationType:
            tried.append("keys (not accepted there)")
            break
        except paramiko.SSHException:  # refused, or of a kind the server does not know
            tried.append(name)
            if not transport.is_active():
                break
            continue
        if transport.is_authenticated():
            return
    if login.others and transport.is_active() and (password := _password(login)):
        try:
            transport.auth_password(login.user, password)
        except paramiko.AuthenticationException:
            tried.append("the password")
        if transport.is_authenticated():
            return
    raise AuthenticationError(
        f"{login.address} did not let {login.user} in; tried {', '.join(tried) or 'nothing, for want of a key'}; "
        f"copy a key there with ssh-copy-id, name one with ?identity=PATH, or set {PASSWORD_VARIABLE}"
    )


def _keys(login: Login, tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    """The keys to offer: those named, the agent's, the usual files; those that cannot be used go to `tried`."""
    yield from _key_files(login.identities, tried)
    if login.others:
        agent = paramiko.Agent()
        try:
            yield from (("a key of the agent", key) for key in _agent_keys(agent))
        finally:
            agent.close()
        usual = [Path.home() / ".ssh" / name for name in DEFAULT_KEYS]
        yield from _key_files(tuple(path for path in usual if path.is_file() and path not in login.identities), tried)


def _agent_keys(agent: paramiko.Agent) -> tuple[paramiko.AgentKey, ...]:
    try:
        return agent.get_keys()
    except paramiko.SSHException:  # it has gone, or answers nonsense; there may be other keys
        return ()


def _key_files(paths: tuple[Path, ...], tried: list[str]) -> Iterator[tuple[str, paramiko.PKey]]:
    for path in paths:
        try:
            key = paramiko.PKey.from_path(path)
        except (paramiko.PasswordRequiredException, TypeError):  # cryptography's word for a passphrase not given
            tried.append(f"{path} (has a passphrase: add it to your agent with ssh-add)")
        except Exception as error:  # of many kinds, by what is wrong with the file
            tried.append(f"{path} (not a key that can be read: {type(error).__name__})")
        else:
            yield str(path), key


def _password(login: Login) -> str:
    given = os.environ.get(PASSWORD_VARIABLE, "")
    if given or not sys.stdin.isatty():
        return given
    return getpass.getpass(f"Password for {login.user}@{login.host}: ")


def lost(address: str, error: BaseException) -> TargetError:
    """The error for a connection that broke while in use."""
    return UnreachableError(
        f"{address}: the connection was lost ({str(error) or type(error).__name__}); run this again"
    )
