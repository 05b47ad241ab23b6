import subprocess
from pathlib import Path

import pytest

from edgewright.errors import EnvironmentFaultError, InputError
from edgewright.targets.transports.shell import shell_at
from tests.targets.servers import Server


def test_a_command_runs_on_a_device_with_its_exact_arguments_through_openssh(server: Server, own_home: Path) -> None:
    options = ["-o", f"UserKnownHostsFile={own_home}/.ssh/known_hosts", "-o", "BatchMode=yes"]
    words = ["a b", "$HOME", "'", "*", ";", ""]
    program, *way = shell_at(f"{server.address}?identity={own_home}/.ssh/id_ed25519", ["printf", "<%s>", *words])
    done = subprocess.run([program, *options, *way], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"<{word}>" for word in words)


def test_this_machine_has_no_shell_to_log_into_and_a_missing_ssh_names_its_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(InputError, match="no shell to log into"):
        shell_at("local:")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentFaultError, match="openssh-client"):
        shell_at("ssh://pi@board")


def test_a_shell_goes_through_the_jump_hosts_of_the_configuration(own_home: Path) -> None:
    (own_home / ".ssh" / "config").write_text(
        "Host board\n  User pi\n  ProxyJump near,root@far:2222\nHost near\n  HostName 10.0.0.1\n  User me\n"
    )
    program, *words = shell_at("ssh://Me%40corp@board:2222", ["true"])
    done = subprocess.run([program, "-G", *words], capture_output=True, text=True, check=True)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert (said["proxyjump"], said["user"], said["port"]) == ("near,root@far:2222", "Me@corp", "2222")
