"""A user's configuration as `ssh` follows it: with OpenSSH's own answer, and where that is missing by our reading."""

import getpass
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from edgewright.errors import AuthenticationError, InputError, UnreachableError
from edgewright.targets import open_target
from edgewright.targets.transports import ssh_config
from edgewright.targets.transports.ssh_address import read_address
from edgewright.targets.transports.ssh_config import settings_for
from tests.targets.servers import Server
from tests.targets.transports.logins import LIMIT_S, Configure, asked


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


def test_a_fault_of_the_configuration_is_reported_with_its_line(configure: Configure) -> None:
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
