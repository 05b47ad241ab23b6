"""Pushing to a device: against `scp` on the same link, a second time, after a change, and through faults.

    python -m tests.benchmarks.transport [--json] [--quick]

A real sshd on the loopback interface; faults are a proxy's between it and us. After each fault the same push is made
again, without the fault. `--quick` has fewer rounds.
"""

import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from targets import open_target
from targets.push import push_files
from tests.benchmarks.options import parsed
from tests.targets.servers import Server, started_server
from toolchain.errors import TargetError

SIZES_MB = (48, 25, 12, 3, 1, 1)  # 90 MB, as a float teacher's bundle
FAULTY_MB = (10, 2)
ROUNDS, QUICK_ROUNDS = 50, 5
STALL_S = 5.0
REPEATS = 3
GOALS = {"throughput": 0.9, "repeat_s": 0.5, "changed_s": 1.5}

Fault = Callable[["Proxy", int], None]


class Proxy:
    """Hands bytes on between a client and the server, and does harm to those on their way to the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.cut_at = self.flip_at = self.stall_at = -1
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._server.port))
                threading.Thread(target=self._hand_on, args=(client, far, True), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(far, client, False), daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket, harmed: bool) -> None:
        passed = 0
        with suppress(OSError):
            while chunk := source.recv(1 << 16):
                end = passed + len(chunk)
                if harmed and passed <= self.cut_at < end:
                    sink.sendall(chunk[: self.cut_at - passed])
                    break
                if harmed and passed <= self.flip_at < end:
                    bad = bytearray(chunk)
                    bad[self.flip_at - passed] ^= 1
                    chunk = bytes(bad)
                if harmed and passed <= self.stall_at < end:
                    time.sleep(STALL_S)
                sink.sendall(chunk)
                passed = end
        for each in (source, sink):  # not only closed: the other direction waits on the same two
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def main() -> None:
    options = parsed(__doc__)
    found = figures(QUICK_ROUNDS if options.quick else ROUNDS)
    print(json.dumps(found, indent=2) if options.json else table(found))


def figures(rounds: int) -> dict[str, Any]:
    """Speeds first, while nothing else happens; then the faults."""
    with a_server() as (server, folder):
        return {"goals": GOALS, **speeds(server, folder), "faults": list(faults(server, folder, rounds))}


@contextmanager
def a_server() -> Iterator[tuple[Server, Path]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["HOME"] = name
        (folder / ".ssh").mkdir(mode=0o700)
        server = started_server(folder / "server", folder)
        server.trust()
        try:
            yield server, folder
        finally:
            server.stop()


def bundle(folder: Path, sizes_mb: tuple[int, ...]) -> dict[str, Path]:
    """Files of random bytes, which no compression makes smaller."""
    folder.mkdir()
    files = {f"part-{number}": folder / f"part-{number}" for number in range(len(sizes_mb))}
    for path, size in zip(files.values(), sizes_mb, strict=True):
        path.write_bytes(os.urandom(size * 1_000_000))
    return files


def speeds(server: Server, folder: Path) -> dict[str, Any]:
    """Medians, in turn: `scp` of all files, a push to an empty device, the same push again, and one with a change."""
    files = bundle(folder / "bundle", SIZES_MB)
    took: dict[str, list[float]] = {"scp": [], "cold": [], "repeat": [], "changed": []}
    parts_again = 0
    for _ in range(REPEATS):
        took["scp"].append(scp_s(server, folder, files))
        with closing(open_target(server.address)) as target:
            target.run(["rm", "-rf", str(target.home)], timeout_s=60)
        took["cold"].append(push_s(server, files)[0])
        seconds, parts = push_s(server, files)
        took["repeat"].append(seconds)
        parts_again += parts
        files["part-5"].write_bytes(os.urandom(1_000_000))
        took["changed"].append(push_s(server, files)[0])
    middle = {f"{name}_s": median(each) for name, each in took.items()}
    throughput = middle["scp_s"] / middle["cold_s"]
    return {"megabytes": sum(SIZES_MB), **middle, "throughput": throughput, "parts_sent_again": parts_again}


def push_s(server: Server, files: dict[str, Path]) -> tuple[float, int]:
    """How long a push takes, connecting included as it is for scp, and how many parts it sends."""
    started = time.perf_counter()
    with closing(open_target(server.address)) as target, mock.patch.object(target, "put", wraps=target.put) as put:
        push_files(target, files, kind="bundles")
        return time.perf_counter() - started, put.call_count


def scp_s(server: Server, folder: Path, files: dict[str, Path]) -> float:
    there = folder / "scp"
    there.mkdir(exist_ok=True)
    options = ["-o", f"UserKnownHostsFile={folder}/.ssh/known_hosts", "-P", str(server.port)]
    command = ["scp", "-q", "-i", f"{folder}/.ssh/id_ed25519", *options, *map(str, files.values())]
    started = time.perf_counter()
    subprocess.run([*command, f"{server.user}@127.0.0.1:{there}"], check=True)
    return time.perf_counter() - started


def faults(server: Server, folder: Path, rounds: int) -> Iterator[dict[str, Any]]:
    """Each kind so many times: how many pushes broke, how many of those made again were wrong, and what was left."""
    kinds: dict[str, tuple[int, Fault]] = {
        "connection cut at a random byte": (rounds, lambda proxy, byte: setattr(proxy, "cut_at", byte)),
        "a byte flipped on the way": (rounds, lambda proxy, byte: setattr(proxy, "flip_at", byte)),
        "sshd's processes killed": (rounds, lambda proxy, byte: kill_soon(server, byte)),
        "two pushes of the same set at once": (rounds, lambda proxy, byte: push_meanwhile(server, folder)),
        f"a stall of {STALL_S:g} s": (max(1, rounds // 10), lambda proxy, byte: setattr(proxy, "stall_at", byte)),
    }
    chance = random.Random(0)
    files = bundle(folder / "faulty", FAULTY_MB)
    for kind, (times, fault) in kinds.items():
        broke = wrong = left = 0
        for _ in range(times):
            for path in files.values():
                path.write_bytes(os.urandom(path.stat().st_size))
            broke += not pushed_through(server, files, fault, chance.randrange(sum(FAULTY_MB) * 1_000_000))
            with closing(open_target(server.address)) as target:
                place = Path(push_files(target, files, kind="bundles"))
                wrong += any(digest(path) != digest(place / name) for name, path in files.items())
            left += bool(list(place.parent.glob(".*"))) or bool(strays(server))
            for other in place.parent.iterdir():
                subprocess.run(["rm", "-rf", str(other)], check=True)
        yield {"fault": kind, "times": times, "broke": broke, "wrong": wrong, "left": left}


def pushed_through(server: Server, files: dict[str, Path], fault: Fault, byte: int) -> bool:
    """Whether a push through a proxy arrived in spite of its fault."""
    with closing(Proxy(server)) as proxy:
        kind, blob = server.host_public_key.split()[:2]
        known = Path.home() / ".ssh" / "known_hosts"
        known.write_text(f"[127.0.0.1]:{proxy.port} {kind} {blob}\n[127.0.0.1]:{server.port} {kind} {blob}\n")
        fault(proxy, byte)
        try:
            with closing(open_target(f"ssh://{server.user}@127.0.0.1:{proxy.port}")) as target:
                push_files(target, files, kind="bundles")
        except TargetError:
            return False
        return True


def kill_soon(server: Server, byte: int) -> None:
    """Kill what serves the connections, within the time that the push takes."""

    def kill() -> None:
        time.sleep(0.2 + byte % 300 / 1000)
        for pid in below(server.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    threading.Thread(target=kill).start()


def push_meanwhile(server: Server, folder: Path) -> None:
    files = {path.name: path for path in (folder / "faulty").iterdir()}

    def push() -> None:
        with closing(open_target(server.address)) as target:
            push_files(target, files, kind="bundles")

    threading.Thread(target=push).start()


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
    """What still runs on the device two seconds after everybody has hung up."""
    deadline = time.monotonic() + 2
    while (found := below(server.process.pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    goals = found["goals"]
    rate = found["megabytes"] / found["cold_s"]
    lines = [
        "| push of 90 MB over SSH on loopback | | goal |",
        "|---|---|---|",
        f"| to an empty device | {rate:.0f} MB/s, {found['throughput']:.2f}× scp | {goals['throughput']}× |",
        f"| again | {found['repeat_s']:.2f} s, {found['parts_sent_again']} parts | {goals['repeat_s']} s, 0 parts |",
        f"| one file of 1 MB changed | {found['changed_s']:.2f} s | {goals['changed_s']} s |",
        "",
        "| fault | times | pushes that broke | wrong when made again | something left behind |",
        "|---|---|---|---|---|",
        *(
            f"| {each['fault']} | {each['times']} | {each['broke']} | {each['wrong']} | {each['left']} |"
            for each in found["faults"]
        ),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
