import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from edgewright.device_scripts import machine_watch
from edgewright.errors import BoardError, EnvironmentFaultError, HostKeyError, InputError
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.board.disk_image import board_image
from edgewright.targets.board.qemu import EmulatedMachine, boot
from edgewright.targets.device_store.push import push_files
from edgewright.targets.facts import read_facts
from tests.device_scripts import touching
from tests.targets.checks import assert_gone

pytestmark = pytest.mark.emulated
LIMIT_S = 60.0


def boards_of(pid: int) -> list[int]:
    """The QEMU processes started below this process, by their parents."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return [each for each in found if "qemu-system" in Path(f"/proc/{each}/cmdline").read_text().partition("\0")[0]]


def test_a_board_is_gone_when_closed() -> None:
    others = boards_of(os.getpid())
    board = boot(board_image(), EmulatedMachine(cpu="cortex-a72", ram_mb=1024, cpus=4))
    [qemu] = set(boards_of(os.getpid())) - set(others)
    board.close()
    board.close()
    assert_gone(qemu)


def test_it_has_the_profiles_core_memory_and_cores(board: Target) -> None:
    found = read_facts(board)
    assert (found["cpu_model"], found["cpu_parts"], found["cores"]) == ("Cortex-A72", ["0xd08"], 4)
    features = found["cpu_features"]
    assert isinstance(features, list)
    assert not {"asimddp", "fphp", "sve"} & set(features)
    assert isinstance(found["ram_bytes"], int)
    assert (board.emulated, board.address) == (True, "emulated://raspberry-pi-4")


def test_what_is_pushed_runs_there(board: Target, tmp_path: Path) -> None:
    (tmp_path / "program").write_text('#!/bin/sh\nuname -m; cat "$(dirname "$0")/data/words"\n')
    (tmp_path / "program").chmod(0o755)
    (tmp_path / "words").write_text("arrived\n")
    files = {"program": tmp_path / "program", "data/words": tmp_path / "words"}
    place = push_files(board, files, kind="bundles")
    assert board.run([str(place / "program")], timeout_s=LIMIT_S).stdout == "aarch64\narrived\n"
    assert push_files(board, files, kind="bundles") == place


def test_python_with_its_standard_library_and_a_gigabyte_of_room_are_there(board: Target) -> None:
    script = "import json, ctypes, hashlib, mmap, sqlite3, ssl, shutil; print(shutil.disk_usage('/').free)"
    done = board.run(["python3", "-c", script], timeout_s=LIMIT_S)
    assert done.stderr == ""
    assert int(done.stdout) > 1 << 30


def test_the_time_limit_ends_a_command_there(board: Target) -> None:
    with pytest.raises(Exception, match="sleep on emulated://raspberry-pi-4 did not end"):
        board.run(["sleep", "300"], timeout_s=1)
    assert "sleep" not in board.run(["ps", "-eo", "comm"], timeout_s=LIMIT_S).stdout


def test_a_program_past_the_boards_memory_is_killed_as_on_the_board() -> None:
    with closing(open_target("emulated://raspberry-pi-zero-2-w")) as board:
        found = read_facts(board)
        assert found["cpu_model"] == "Cortex-A53"
        ram_bytes = found["ram_bytes"]
        assert isinstance(ram_bytes, int)
        assert 400 << 20 < ram_bytes < 512 << 20
        done = board.run(["python3", "-c", "held = [b'x' * (8 << 20) for _ in range(80)]"], timeout_s=LIMIT_S)
        assert done.status == -signal.SIGKILL


def test_time_by_the_instruction_clock_repeats_from_boot_to_boot() -> None:
    script = (
        "import time\n"
        "def work():\n"
        "    start = time.monotonic()\n"
        "    sum(i * i for i in range(100000))\n"
        "    return time.monotonic() - start\n"
        "print(sorted(work() for _ in range(9))[4])"
    )
    medians = []
    for _ in range(2):
        with closing(open_target("emulated://raspberry-pi-4", instruction_clock=True)) as board:
            assert read_facts(board)["cores"] == 1
            medians.append(float(board.run(["python3", "-c", script], timeout_s=LIMIT_S).stdout))
    assert medians[0] == pytest.approx(medians[1], rel=0.01)


def test_a_killed_parent_leaves_no_board_behind() -> None:
    code = (
        "import os, sys, time\n"
        "from edgewright.targets import open_target\n"
        "board = open_target('emulated://raspberry-pi-4')\n"
        "print('up', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path.cwd()) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        [qemu] = boards_of(parent.pid)
        parent.kill()
    assert_gone(qemu)


def test_an_interpreter_that_just_ends_leaves_no_board_behind() -> None:
    code = (
        "import os\n"
        "from edgewright.targets import open_target\n"
        "from tests.emulated.test_board import boards_of\n"
        "board = open_target('emulated://raspberry-pi-4')\n"
        "print(*boards_of(os.getpid()))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
    assert_gone(int(done.stdout))


def test_a_forked_copy_of_us_neither_ends_the_board_nor_keeps_it() -> None:
    others = boards_of(os.getpid())
    board = boot(board_image(), EmulatedMachine(cpu="cortex-a72", ram_mb=512, cpus=1))
    [qemu] = set(boards_of(os.getpid())) - set(others)
    release, hold = os.pipe()
    child = os.fork()
    if child == 0:
        board.close()
        os.close(hold)  # so that it ends, too, where the test is killed
        os.read(release, 1)
        os._exit(0)
    time.sleep(0.2)
    os.kill(qemu, 0)
    board.close()
    assert_gone(qemu)
    os.write(hold, b"x")
    os.waitpid(child, 0)
    os.close(release)
    os.close(hold)


def test_a_board_outlives_the_thread_that_started_it() -> None:
    started: list[Target] = []
    thread = threading.Thread(target=lambda: started.append(open_target("emulated://raspberry-pi-4")))
    thread.start()
    thread.join()
    with closing(started[0]) as board:
        time.sleep(0.3)
        assert board.run(["true"], timeout_s=LIMIT_S).status == 0


def test_a_machine_that_is_not_the_board_is_not_talked_to(board: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    other = replace(
        board_image(), host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8qW4g8sIGnVhoPmUfqB0w4UFUaM0fYqX3m1Q5Qp9xF"
    )
    monkeypatch.setattr("edgewright.targets.board.emulated.board_image", lambda: other)
    with pytest.raises(HostKeyError, match="another machine"):
        open_target("emulated://raspberry-pi-4")


def test_a_core_that_does_not_exist_says_so_in_qemus_words() -> None:
    with pytest.raises(BoardError, match=r"last words: .*cortex-a999"):
        boot(board_image(), EmulatedMachine(cpu="cortex-a999", ram_mb=512, cpus=1))


@pytest.mark.parametrize("cpu", ["max", "max,sve=off"])
def test_the_core_max_is_refused(cpu: str) -> None:
    with pytest.raises(InputError, match="max"):
        boot(board_image(), EmulatedMachine(cpu=cpu, ram_mb=512, cpus=1))


def test_a_port_taken_meanwhile_is_exchanged_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    import edgewright.targets.board.qemu

    free = edgewright.targets.board.qemu._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = [taken.getsockname()[1]]
        monkeypatch.setattr(edgewright.targets.board.qemu, "_free_port", lambda: ports.pop() if ports else free())
        boot(board_image(), EmulatedMachine(cpu="cortex-a72", ram_mb=512, cpus=1)).close()


def test_a_missing_qemu_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    image = board_image()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentFaultError, match="apt-get install qemu-system-arm"):
        boot(image, EmulatedMachine(cpu="cortex-a72", ram_mb=512, cpus=1))


def test_memory_that_was_touched_a_moment_ago_is_counted_where_the_kernels_counters_lag(board: Target) -> None:
    # Its kernel, 6.1, adds to them after 64 faults.
    folder = push_files(board, {"machine_watch.py": Path(machine_watch.__file__)}, kind="bundles")
    done = board.run(["sh", "-c", 'cd "$1" && python3 -c "$2"', "sh", str(folder), touching.SCRIPT], timeout_s=LIMIT_S)
    touching.check(done.stdout)
