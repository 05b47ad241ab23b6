"""Whom known_hosts vouches for: keys, patterns, hashes, authorities, and whom it revokes."""

import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from edgewright.errors import HostKeyError
from edgewright.targets import open_target
from edgewright.targets.transports.known_hosts import trusted
from tests.targets.servers import Server, new_key
from tests.targets.transports.logins import Configure, StartServer, asked


def test_a_host_is_known_by_its_alias_in_the_file_that_the_configuration_names(
    start_server: StartServer, own_home: Path, configure: Configure, either: str
) -> None:
    server = start_server()
    known = own_home / ".ssh" / "boards"
    configure(
        f"Host board\n  HostName 127.0.0.1\n  Port {server.port}\n  HostKeyAlias Kitchen\n"
        "  UserKnownHostsFile ~/.ssh/boards\n  GlobalKnownHostsFile none\n  StrictHostKeyChecking no\n"
    )
    with pytest.raises(HostKeyError, match=r"unknown .* a line of ~/\.ssh/boards that begins with kitchen"):
        open_target("ssh://board")
    kind, blob = server.host_public_key.split()[:2]
    known.write_text(f"kitchen {kind} {blob}\n")
    asked("ssh://board")
    known.write_text(f"kitchen {' '.join(new_key(own_home / 'another').split()[:2])}\n")
    with pytest.raises(HostKeyError, match="has changed"):
        open_target("ssh://board")


def test_a_certificate_of_a_trusted_authority_vouches_for_a_host(
    start_server: StartServer, own_home: Path, tmp_path: Path
) -> None:
    server = start_server(f"HostCertificate {tmp_path}/server0/host_key-cert.pub")
    known, key = own_home / ".ssh" / "known_hosts", tmp_path / "server0" / "host_key.pub"
    authority = new_key(own_home / "authority")
    name = f"[127.0.0.1]:{server.port}"

    def signed(*words: str) -> None:
        subprocess.run(["ssh-keygen", "-q", "-s", str(own_home / "authority"), "-I", "x", *words, str(key)], check=True)
        server.process.send_signal(1)  # read it anew
        time.sleep(0.3)
        for _ in range(100):
            with closing(socket.socket()) as probe:
                if probe.connect_ex((server.host, server.port)) == 0:
                    return
            time.sleep(0.05)

    signed("-h", "-n", "127.0.0.1")
    known.write_text(f"@cert-authority {name},*.lab {authority}")
    asked(server.address)
    other = new_key(own_home / "other authority")
    known.write_text(f"@cert-authority {name} {other}")
    with pytest.raises(HostKeyError, match="not trusted: it is signed by another authority"):
        open_target(server.address)
    known.write_text(f"@cert-authority {name} {authority}@revoked * {authority}")
    with pytest.raises(HostKeyError, match="authority is marked as revoked"):
        open_target(server.address)
    known.write_text(f"@cert-authority {name} {authority}@revoked * {server.host_public_key}")
    with pytest.raises(HostKeyError, match="marked as revoked"):
        open_target(server.address)
    known.write_text(f"@cert-authority {name} {authority}")
    for words, told in (
        (("-h", "-n", "other.lab"), r"it is for other\.lab"),
        (("-h",), "no host by its name"),
        (("-n", "127.0.0.1"), "it is a user's|is unknown"),
        (("-h", "-n", "127.0.0.1", "-V", "20200101:20200102"), "not valid at this time"),
    ):
        signed(*words)
        with pytest.raises(HostKeyError, match=told):
            open_target(server.address)


def test_any_of_several_keys_that_are_listed_for_a_host_may_answer(server: Server, own_home: Path) -> None:
    known = own_home / ".ssh" / "known_hosts"
    stale = " ".join(new_key(own_home / "stale").split()[:2])
    known.write_text(f"[127.0.0.1]:* {stale}\n{known.read_text()}")
    asked(server.address)


def test_a_revoked_key_is_refused_although_it_is_listed(server: Server, own_home: Path) -> None:
    with (own_home / ".ssh" / "known_hosts").open("a") as file:
        file.write(f"@revoked * {server.host_public_key}")
    with pytest.raises(HostKeyError, match="marked as revoked"):
        open_target(server.address)


def test_lines_of_known_hosts_speak_of_patterns_hashes_and_exceptions(tmp_path: Path) -> None:
    key = " ".join(new_key(tmp_path / "key").split()[:2])
    file = tmp_path / "known_hosts"

    def known(names: str, host: str) -> bool:
        file.write_text(f"# a comment\n\nshort line\n{names} {key} comment\n")
        return bool(trusted(host, [file, tmp_path / "missing"]))

    assert known("board", "board")
    assert known("a,BOARD,10.0.0.1", "Board")
    assert known("*.lab,!bad.lab", "good.lab")
    assert not known("*.lab,!bad.lab", "bad.lab")
    assert known("[board]:2222", "[board]:2222")
    assert not known("board", "[board]:2222")
    assert not known("b[oa]ard", "board")
    file.write_text(f"board {key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True)
    assert trusted("board", [file])
    assert not trusted("bord", [file])
    file.write_text("board ssh-ed25519 not=base64!\n")
    with pytest.raises(HostKeyError, match="line 1, cannot be read"):
        trusted("board", [file])
    file.write_text(f"@odd board {key}\n")
    with pytest.raises(HostKeyError, match="begins with @odd"):
        trusted("board", [file])
