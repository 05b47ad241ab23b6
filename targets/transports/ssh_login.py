"""Connect to an SSH server the way OpenSSH would: configuration, host key, keys, agent, password.

In:  a `Login`, known_hosts, EDGEWRIGHT_SSH_PASSWORD.
Out: an authenticated `paramiko.Transport`, or the one `TargetError` that says what to do.
An unknown host key is never accepted and no secret enters a message. What a user's configuration says is
`ssh_config`'s concern, who is trusted `known_hosts`', commands and files are `ssh`'s.
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
from pathlib import Path

import paramiko
from paramiko.agent import AgentSSH

from edgewright.errors import AuthenticationError, HostKeyError, TargetError, UnreachableError
from edgewright.targets.transports.known_hosts import CERTIFICATE, Trusted, certificate_fault, trusted
from edgewright.targets.transports.ssh_address import PASSWORD_VARIABLE, Login
from edgewright.targets.transports.ssh_wire import MISBEHAVIOUR, PromptSocket, Transport

CONNECT_LIMIT_S = 10.0
LOGIN_LIMIT_S = 30.0
KEEP_ALIVE_S = 15
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
# Not paramiko's own order: authenticated ciphers first, and none of the broken ones.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")


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
        opened = _opened(login)
    except socket.gaierror as error:
        raise UnreachableError(f"{login.address}: no machine is called {login.host}; check the name") from error
    except (OSError, ValueError) as error:
        reason = "refused the connection" if isinstance(error, ConnectionRefusedError) else f"did not answer ({error})"
        raise UnreachableError(
            f"{login.address}: {server} {reason}; check that the device is on, in this network and runs an SSH server"
        ) from error
    connection = PromptSocket(fileno=opened.detach())
    with suppress(OSError):  # it broke already, which the greeting will tell
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _opened(login: Login) -> socket.socket:
    """A connection to the first of a name's addresses that answers."""
    settings = login.settings
    source = (settings.source, 0) if settings and settings.source else None
    if settings is None or settings.family is socket.AF_UNSPEC:
        return socket.create_connection((login.host, login.port), timeout=CONNECT_LIMIT_S, source_address=source)
    fault = OSError("it has no address of that family")
    for family, kind, protocol, _, place in socket.getaddrinfo(
        login.host, login.port, settings.family, socket.SOCK_STREAM
    ):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(CONNECT_LIMIT_S)
            if source:
                opened.bind(source)
            opened.connect(place)
            return opened
        except OSError as error:
            opened.close()
            fault = error
    raise fault


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
    known = _known(login)
    options = transport.get_security_options()
    options.ciphers = [name for name in CIPHERS if name in options.ciphers]
    kinds = [kind for kind in known.keys if not kind.endswith(CERTIFICATE)]
    wanted = [name for kind in kinds for name in _signatures(kind) if name in options.key_types]
    if known.authorities:
        wanted += [f"{name}{CERTIFICATE}" for name in options.key_types]
    options.key_types = wanted + [name for name in options.key_types if name not in wanted]
    transport.start_client(timeout=LOGIN_LIMIT_S)
    key = transport.get_remote_server_key()
    if fault := _host_key_fault(key, str(transport.host_key_type), login, known):
        raise HostKeyError(f"{login.address}: {fault}")


def _host_key_fault(key: paramiko.PKey, kind: str, login: Login, known: Trusted) -> str:
    """Why the server is not to be trusted; nothing where it is."""
    print_ = fingerprint(key)
    if key.asbytes() in known.revoked:
        return f"the host key {print_} is marked as revoked in known_hosts; set the device up with a new one"
    by_certificate = kind.endswith(CERTIFICATE) and bool(known.authorities)
    if by_certificate and not (fault := certificate_fault(key, _plain_name(login), known)):
        return ""
    if key.asbytes() in known.keys.get(key.get_name(), ()):
        return ""
    if login.pinned_host_key:
        return f"another machine than the one that was started answered ({print_})"
    if by_certificate:
        return f"the host certificate of {login.known_as} is not trusted: {fault}; have it signed anew"
    if known.keys:
        return (
            f"the host key of {login.known_as} has changed to {key.get_name()} {print_}; "
            f"if the device was set up anew, run `ssh-keygen -R {shlex.quote(login.known_as)}` and this again, "
            "else someone may be posing as it"
        )
    file = next(iter(login.known_hosts), Path("~/.ssh/known_hosts"))
    place = f"~/{file.relative_to(Path.home())}" if file.is_relative_to(Path.home()) else shlex.quote(str(file))
    trust = f"`ssh-keyscan -p {login.port} {shlex.quote(login.host)} >> {place}`"
    if login.settings and login.settings.alias:
        trust = f"a line of {place} that begins with {login.known_as}, as your configuration's HostKeyAlias says"
    return (
        f"the host key of {login.known_as} is unknown ({key.get_name()} {print_}); compare it with "
        f"`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the device and trust it with {trust}"
    )


def _plain_name(login: Login) -> str:
    return (login.settings.alias if login.settings else "") or login.host


def _signatures(kind: str) -> tuple[str, ...]:
    return ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)


def _known(login: Login) -> Trusted:
    if login.pinned_host_key:
        kind, blob = login.pinned_host_key.split()[:2]
        return Trusted(keys={kind: frozenset([base64.b64decode(blob)])}, authorities=frozenset(), revoked=frozenset())
    return trusted(login.known_as, login.known_hosts)


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
    allowed = login.others and (login.settings is None or login.settings.password_allowed)
    if allowed and transport.is_active() and (password := _password(login)):
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
    settings = login.settings
    if settings is not None and not settings.keys_allowed:
        tried.append("no key, for the configuration says PubkeyAuthentication no")
        return
    yield from _key_files(login.identities, tried)
    if login.others:
        agent = _agent(settings.agent if settings else None)
        try:
            yield from (("a key of the agent", key) for key in _agent_keys(agent))
        finally:
            agent._close()  # type: ignore[attr-defined]
        usual = [Path.home() / ".ssh" / name for name in DEFAULT_KEYS]
        yield from _key_files(tuple(path for path in usual if path.is_file() and path not in login.identities), tried)


def _agent(place: str | None) -> AgentSSH:
    """The user's agent, or the one whose socket lies there; an empty one for `none`, or where nobody answers."""
    if place is None:
        return paramiko.Agent()
    agent = AgentSSH()
    if place != "none":
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(CONNECT_LIMIT_S)
            connection.connect(place)
            agent._connect(connection)  # type: ignore[attr-defined]  # paramiko knows only that of the environment
        except (OSError, paramiko.SSHException):
            connection.close()
    return agent


def _agent_keys(agent: AgentSSH) -> tuple[paramiko.AgentKey, ...]:
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
    password = os.environ.get(PASSWORD_VARIABLE, "")
    if password or not (login.asks and sys.stdin.isatty()):
        return password
    return getpass.getpass(f"Password for {login.user}@{login.host}: ")


def lost(address: str, error: BaseException) -> TargetError:
    """The error for a connection that broke while in use."""
    return UnreachableError(
        f"{address}: the connection was lost ({str(error) or type(error).__name__}); run this again"
    )
