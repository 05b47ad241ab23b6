"""What becomes of pushes, and of a run, when something goes wrong on the way: so many times, and counted.

In:  how often.
Out: for each fault how many pushes it broke, and after each whether the next command succeeded, the same push made
     again arrived whole, and nothing was left behind: no process, no temporary file.
Pushes are small and their parts smaller, so that most rounds meet several parts. Several devices are tried at once
where a round consists of waiting.
"""

import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from unittest import mock

from edgewright.errors import TargetError, UnreachableError
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.board import qemu as board_process
from edgewright.targets.board.disk_image import board_image
from edgewright.targets.board.emulated import machine_of
from edgewright.targets.device_store import push
from edgewright.targets.device_store.push import push_files
from edgewright.targets.transports.ssh import SshTarget
from edgewright.targets.transports.ssh_address import Login
from tests.targets.links import Link, Proxy, lossy_link
from tests.targets.servers import Server, started_server

SIZES = (1_500_000, 200_000, 20_000)
PART_BYTES = 256 << 10
STALL_S = 5.0
LOSS, DELAY_S = 0.02, 0.01
SMALL_DISK = "8m"
WAITING_JOBS = 10
LIMIT_S = 60.0
BOARD = "emulated://raspberry-pi-4"
RESET_BOARDS = 2  # a board takes half a minute to come up again
BACK_UP_LIMIT_S = 120.0
REBOOT = "sleep 1; echo b >/proc/sysrq-trigger; sleep 60"


@dataclass(frozen=True, kw_only=True)
class Device:
    """A server of its own, and the files that are pushed to it."""

    server: Server
    files: Mapping[str, Path]

    def new_content(self) -> None:
        for path in self.files.values():
            path.write_bytes(os.urandom(path.stat().st_size))


Fault = Callable[[Device, random.Random], AbstractContextManager[str]]
"""Until the context ends something is wrong with the way to a device at the address it yields."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """What became of one: the first push, the one made after the fault, and what the device was left with."""

    broke: bool
    wrong: bool
    left: bool


def faults(rounds: int) -> Iterator[dict[str, Any]]:
    """Every fault, one after another, each on new devices."""
    with mock.patch.object(push, "PART_BYTES", PART_BYTES):
        for kind, fault in FAULTS.items():
            with devices(1) as (one,):
                yield summary(kind, [tried(one, fault, random.Random(number)) for number in range(rounds)])
        with devices(WAITING_JOBS) as many:
            yield summary(f"a stall of {STALL_S:g} s", tried_at_once(many, stalled, rounds))
        with full_disk() as device:
            yield summary("a disk that fills up", [tried(device, filled, random.Random(n)) for n in range(rounds)])
        with lossy_link(loss=LOSS, delay_s=DELAY_S) as link, devices(WAITING_JOBS, link=link) as many:
            kind = f"{LOSS:.0%} of packets lost each way, {1000 * DELAY_S:g} ms later each"
            yield summary(kind, tried_at_once(many, unharmed, rounds))
        yield summary("a board reset in the middle of a run", resets(rounds))


def summary(kind: str, found: list[Round]) -> dict[str, Any]:
    counts = {name: sum(getattr(each, name) for each in found) for name in ("broke", "wrong", "left")}
    return {"fault": kind, "times": len(found), **counts}


@contextmanager
def devices(count: int, *, link: Link | None = None) -> Iterator[tuple[Device, ...]]:
    with ExitStack() as stack:
        yield tuple(stack.enter_context(a_device(link=link)) for _ in range(count))


@contextmanager
def a_device(*, home: Path | None = None, link: Link | None = None) -> Iterator[Device]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {f"part-{number}": folder / f"part-{number}" for number in range(len(SIZES))}
        for path, size in zip(files.values(), SIZES, strict=True):
            path.write_bytes(bytes(size))
        server = started_server(folder / "server", Path.home(), home=home, link=link)
        server.trust()
        try:
            yield Device(server=server, files=files)
        finally:
            server.stop()


def tried(device: Device, fault: Fault, chance: random.Random) -> Round:
    """One push under the fault, and what a person would do next: a command, and the push once more."""
    device.new_content()
    broke = False
    with fault(device, chance) as address:
        try:
            with closing(open_target(address)) as target:
                push_files(target, device.files, kind="bundles")
        except TargetError:
            broke = True
    wrong, left = True, True
    with suppress(Exception), closing(open_target(device.server.address)) as target:
        wrong, left = pushed_again(target, device.files)
    return Round(broke=broke, wrong=wrong, left=left or bool(strays(device.server)))


def pushed_again(target: Target, files: Mapping[str, Path]) -> tuple[bool, bool]:
    """Whether something is wrong after the same push, and something left that should not be; then all of it goes."""
    wrong = target.run(["true"], timeout_s=LIMIT_S).status != 0
    place = push_files(target, files, kind="bundles")
    wrong = wrong or digests(target, place, files) != digests_here(files)
    listed = target.run(["find", str(target.home), "-name", ".*", "!", "-name", ".edgewright"], timeout_s=LIMIT_S)
    wrong = wrong or target.run(["rm", "-rf", str(place)], timeout_s=LIMIT_S).status != 0
    return wrong, listed.stdout != ""


def digests(target: Target, place: PurePosixPath, files: Mapping[str, Path]) -> list[str]:
    done = target.run(["sha256sum", *(str(place / name) for name in files)], timeout_s=LIMIT_S)
    return [line.split()[0] for line in done.stdout.splitlines()]


def digests_here(files: Mapping[str, Path]) -> list[str]:
    done = subprocess.run(["sha256sum", *map(str, files.values())], capture_output=True, text=True, check=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


def tried_at_once(many: tuple[Device, ...], fault: Fault, rounds: int) -> list[Round]:
    """As many rounds, each device its share of them."""

    def share(place: int) -> list[Round]:
        return [tried(many[place], fault, random.Random(number)) for number in range(place, rounds, len(many))]

    with ThreadPoolExecutor(len(many)) as jobs:
        return [each for found in jobs.map(share, range(len(many))) for each in found]


@contextmanager
def through_a_proxy(device: Device, **harm: Any) -> Iterator[str]:
    with closing(Proxy(device.server.port, **harm)) as proxy:
        device.server.trust(port=proxy.port)
        yield f"ssh://{device.server.user}@127.0.0.1:{proxy.port}"


def cut(device: Device, chance: random.Random) -> AbstractContextManager[str]:
    return through_a_proxy(device, cut_at=chance.randrange(sum(SIZES)))


def flipped(device: Device, chance: random.Random) -> AbstractContextManager[str]:
    return through_a_proxy(device, flip_at=chance.randrange(sum(SIZES)))


def stalled(device: Device, chance: random.Random) -> AbstractContextManager[str]:
    return through_a_proxy(device, stall_at=chance.randrange(sum(SIZES)), stall_s=STALL_S)


@contextmanager
def unharmed(device: Device, chance: random.Random) -> Iterator[str]:
    yield device.server.address


@contextmanager
def meanwhile(what: Callable[[], object]) -> Iterator[None]:
    """What is done beside the push, until it has ended by itself."""
    thread = threading.Thread(target=what)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextmanager
def killed(device: Device, chance: random.Random) -> Iterator[str]:
    """What serves the connections is killed within the time that a push takes, and what that had started."""

    def kill() -> None:
        time.sleep(chance.uniform(0.05, 0.35))
        for pid in below(device.server.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    with meanwhile(kill):
        yield device.server.address


@contextmanager
def pushed_twice(device: Device, chance: random.Random) -> Iterator[str]:
    """Another host pushes the same set at the same time, and starts a little later or not."""
    faults: list[Exception] = []

    def push_too() -> None:
        time.sleep(chance.uniform(0, 0.2))
        try:
            with closing(open_target(device.server.address)) as target:
                push_files(target, device.files, kind="bundles")
        except Exception as error:
            faults.append(error)

    with meanwhile(push_too):
        yield device.server.address
    if faults:
        raise faults[0]


@contextmanager
def full_disk() -> Iterator[Device]:
    """A device whose home is a disk of its own, and small."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "none", name], check=True)
        try:
            with a_device(home=Path(name)) as device:
                yield device
        finally:
            subprocess.run(["umount", name], check=True)


@contextmanager
def filled(device: Device, chance: random.Random) -> Iterator[str]:
    """The disk fills up: before the push asks for room, or while it is under way."""
    filler = device.server.remote_home / "filler"

    def fill() -> None:
        time.sleep(chance.uniform(0, 0.3))
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    try:
        with meanwhile(fill):
            yield device.server.address
    finally:
        filler.unlink()


FAULTS: Mapping[str, Fault] = {
    "connection cut at a random byte": cut,
    "a byte flipped on the way": flipped,
    "sshd's processes killed": killed,
    "two pushes of the same set at once": pushed_twice,
}


def resets(times: int) -> list[Round]:
    """Emulated boards that are reset, as by their button, while a command runs on them; each board its share."""
    command = board_process._command

    def rebooting(*words: Any) -> list[str]:
        return [word for word in command(*words) if word != "-no-reboot"]

    shares = [len(range(place, times, RESET_BOARDS)) for place in range(RESET_BOARDS)]
    with mock.patch.object(board_process, "_command", rebooting), ThreadPoolExecutor(RESET_BOARDS) as jobs:
        return [each for found in jobs.map(lambda share: list(resets_of_one(share)), shares) for each in found]


def resets_of_one(times: int) -> Iterator[Round]:
    """So many resets of one board; its disk is what it was."""
    image = board_image()
    with tempfile.TemporaryDirectory() as name:
        board = board_process.boot(image, machine_of(BOARD, instruction_clock=False))
        login = Login(
            address=BOARD, host="127.0.0.1", port=board.port, user="root", identities=(image.client_key,), others=False,
            pinned_host_key=image.host_key,
        )  # fmt: skip
        files = {f"part-{number}": Path(name) / f"part-{number}" for number in range(len(SIZES))}
        try:
            for _ in range(times):
                for path, size in zip(files.values(), SIZES, strict=True):
                    path.write_bytes(os.urandom(size))
                yield reset_once(login, files)
        finally:
            board.close()


def reset_once(login: Login, files: Mapping[str, Path]) -> Round:
    with closing(back_up(login)) as target:
        push_files(target, files, kind="bundles")
        try:
            target.run(["sh", "-c", REBOOT], timeout_s=LIMIT_S)
            broke = False
        except TargetError:
            broke = True
    wrong, left = True, True
    with suppress(Exception), closing(back_up(login)) as target:
        wrong, left = pushed_again(target, files)
    return Round(broke=broke, wrong=wrong, left=left)


def back_up(login: Login) -> SshTarget:
    """The board, once it lets us in."""
    deadline = time.monotonic() + BACK_UP_LIMIT_S
    while True:
        try:
            return SshTarget(login)
        except UnreachableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def below(pid: int) -> list[int]:
    """The processes that descend from this one."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == ancestor]
    return found[1:]


def strays(server: Server) -> list[int]:
    """What still runs on the device five seconds after everybody has hung up."""
    deadline = time.monotonic() + 5
    while (found := below(server.process.pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
