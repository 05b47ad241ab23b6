"""A user's configuration as `ssh` follows it: with OpenSSH's own answer, and where that is missing by our reading."""

import getpass
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path, PurePosixPath

import pytest

from edgewright.errors import AuthenticationError, HostKeyError, InputError, UnreachableError
from edgewright.targets import open_target
from edgewright.targets.transports import ssh_config
from edgewright.targets.transports.known_hosts import trusted
from edgewright.targets.transports.ssh_address import read_address
from edgewright.targets.transports.ssh_config import settings_for
from tests.targets.servers import Server, new_key

LIMIT_S = 20.0
StartServer = Callable[..., Server]
Configure = Callable[[str], Path]


@pytest.fixture
def configure(own_home: Path) -> Configure:
    def write(text: str) -> Path:
        path = own_home / ".ssh" / "config"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


@pytest.fixture(params=["with ssh", "without ssh"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of reading a configuration."""
    if request.param == "without ssh":
        monkeypatch.setattr(ssh_config.shutil, "which", lambda name: None)
    return str(request.param)


def asked(address: str) -> None:
    with closing(open_target(address)) as target:
        assert target.run(["true"], timeout_s=LIMIT_S).status == 0


def test_aliases_in_capitals_comments_quotes_and_users_are_read_as_ssh_does(configure: Configure, either: str) -> None:
    configure(
        "Host Board lower\n  HostName 10.0.0.7   # in the kitchen\n  Port 2200 # not 22\n"
        '  User "pi"\n  IdentityFile "~/.ssh/none"\nHost other\n  Port ssh\n'
    )
    login = read_address("ssh://Board")
    assert (login.host, login.port, login.user) == ("10.0.0.7", 2200, "pi")
    assert read_address("ssh://lower").host == "10.0.0.7"
    assert read_address("ssh://BOARD").host == "board"
    assert (read_address("ssh://other").port, read_address("ssh://other:2022").port) == (22, 2022)
    login = read_address("ssh://me%40corp@Board:99")
    assert (login.user, login.port, login.address) == ("me@corp", 99, "ssh://me%40corp@Board:99")


@pytest.mark.parametrize("port", ["no-such-service", "70000", "0", "22x"])
def test_a_port_that_is_none_is_a_fault_of_the_configuration(configure: Configure, either: str, port: str) -> None:
    configure(f"Host board\n  Port {port}\n")
    with pytest.raises(InputError, match=r"\.ssh/config (cannot be read|sets Port)"):
        read_address("ssh://board")


def test_a_fault_of_the_configuration_is_told_with_its_line(configure: Configure) -> None:
    configure("Host board\n  Usser pi\n")
    with pytest.raises(InputError, match=r"line 2: Bad configuration option: usser"):
        read_address("ssh://board")


def test_includes_and_matches_are_followed(
    server: Server, own_home: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = own_home / "more.conf"
    more.write_text(f"Host board\n  HostName 127.0.0.1\n  Port {server.port}\n")
    text = f'Include {more}\nMatch originalhost board exec "true"\n  User {server.user}\nMatch user nobody\n  Port 1\n'
    configure(text)
    asked("ssh://board")
    assert read_address("ssh://nobody@other").port == 1
    monkeypatch.setattr(ssh_config.shutil, "which", lambda name: None)
    for line, number, rest in (("Include", 1, text), ("Match", 1, text.split("\n", 1)[1])):
        configure(rest)
        with pytest.raises(InputError, match=rf"line {number} '{line}', which is not understood; install OpenSSH"):
            read_address("ssh://board")


def test_a_match_that_runs_without_end_is_given_up(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    configure('Match exec "sleep 30"\n  User pi\n')
    monkeypatch.setattr(ssh_config, "ASKING_LIMIT_S", 0.5)
    with pytest.raises(InputError, match="Match exec"):
        read_address("ssh://board")


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


@pytest.mark.parametrize("name", ["RevokedHostKeys ~/revoked", "KnownHostsCommand /bin/true", "CertificateFile ~/x",
                                  "PKCS11Provider /x.so", "ProxyCommand nc %h %p"])  # fmt: skip
def test_what_is_not_followed_is_refused_by_name(configure: Configure, either: str, name: str) -> None:
    configure(f"Host board\n  {name}\n")
    with pytest.raises(InputError, match=f"(?i){name.split()[0]}.*; "):
        read_address("ssh://board")


def test_keys_and_passwords_that_the_configuration_rules_out_are_not_offered(
    server: Server, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEWRIGHT_SSH_PASSWORD", "x")
    configure("Host *\n  PubkeyAuthentication no\n  PasswordAuthentication no\n")
    with pytest.raises(AuthenticationError, match="tried no key, for the configuration says PubkeyAuthentication no;"):
        open_target(server.address)


def test_the_agent_that_the_configuration_names_is_asked(server: Server, own_home: Path, configure: Configure) -> None:
    place, key = own_home / "an agent", own_home / ".ssh" / "id_ed25519"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(place)], stdout=subprocess.DEVNULL) as agent:
        try:
            while not place.exists():
                assert agent.poll() is None
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env={"SSH_AUTH_SOCK": str(place)})
            key.unlink()
            configure(f'Host *\n  IdentityAgent "{place}"\n')
            asked(server.address)
            configure("Host *\n  IdentityAgent none\n")
            with pytest.raises(AuthenticationError):
                open_target(server.address)
        finally:
            agent.terminate()


def test_the_family_and_the_address_to_connect_from_are_followed(server: Server, configure: Configure) -> None:
    configure(
        f"Host localhost\n  HostKeyAlias [127.0.0.1]:{server.port}\n  AddressFamily inet\n  BindAddress 127.0.0.2\n"
    )
    address = f"ssh://{server.user}@localhost:{server.port}"
    with closing(open_target(address)) as target:
        assert target.run(["sh", "-c", "echo $SSH_CLIENT"], timeout_s=LIMIT_S).stdout.startswith("127.0.0.2 ")
    configure("Host localhost\n  AddressFamily inet6\n")
    with pytest.raises(UnreachableError, match=r"refused the connection|did not answer|no machine is called"):
        open_target(address)


def test_names_of_files_may_hold_tokens_and_spaces(own_home: Path, configure: Configure, either: str) -> None:
    key = own_home / ".ssh" / "key of board"
    key.write_text("x")
    configure('Host board\n  User pi\n  IdentityFile "%d/.ssh/key of %h"\n  UserKnownHostsFile ~/.ssh/%r@%n /b\n')
    found = settings_for("board", user=None, port=None)
    assert key in found.identities
    assert own_home / ".ssh" / "pi@board" in found.known_hosts
    configure("Host board\n  IdentityFile ~/.ssh/%Z\n")
    with pytest.raises(InputError, match="%Z"):
        settings_for("board", user=None, port=None)


@pytest.mark.parametrize(
    "address",
    ["ssh://-oProxyCommand=x", "ssh://%2dl@board", "ssh://a%0ab@board", "ssh://@board", "ssh://a@%00", "ssh://board:022x",
     "ssh://board?folder=relative", "ssh://board?folder=/a/../b", "ssh://board?folder=%0a", "ssh://board?nonsense",
     "ssh://board#part"],
)  # fmt: skip
def test_an_address_with_what_no_host_user_or_folder_can_be_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=r"write|must be an absolute path"):
        read_address(address)


def test_a_user_who_is_registered_nowhere_needs_only_a_home_and_a_name_for_the_device(
    server: Server, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr(ssh_config.pwd, "getpwuid", nobody)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    configure(f"Host board\n  HostName 127.0.0.1\n  Port {server.port}\n")
    with pytest.raises(InputError, match="set USER, and write whom to log in as: ssh://NAME@board"):
        read_address("ssh://board")
    monkeypatch.setenv("USER", "somebody")
    asked(f"ssh://{server.user}@board")
    assert read_address("ssh://board").user == "somebody"
    monkeypatch.delenv("HOME")
    with pytest.raises(InputError, match="set HOME"):
        read_address("ssh://pi@board")


def test_without_a_configuration_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ssh_config, "SYSTEM_FILE", tmp_path / "none")
    monkeypatch.setattr(ssh_config.subprocess, "run", lambda *words, **how: pytest.fail("ssh was asked"))
    found = settings_for("Board", user=None, port=None)
    assert (found.host, found.port, found.user) == ("board", 22, getpass.getuser())


def test_the_folder_of_an_inventory_is_where_a_device_is_written_to(
    server: Server, toml_file: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from edgewright.devices.inventory import find_target
    from edgewright.errors import InvalidFileError

    folder = tmp_path / "data & more"
    folder.mkdir()
    path = toml_file(f'[targets.board]\naddress = "{server.address}"\nfolder = "{folder}"\n')
    monkeypatch.setenv("EDGEWRIGHT_TARGETS", str(path))
    with closing(open_target(find_target("board").only.address)) as target:
        assert target.home == PurePosixPath(folder) / ".edgewright"
    path.write_text(
        '[targets.board]\naddress = "local:"\nfolder = "/x"\n[targets.b]\naddress = "ssh://b"\nfolder = "x"\n'
    )
    with pytest.raises(InvalidFileError, match=r"for ssh:// addresses only.*must be an absolute path"):
        find_target("board")
