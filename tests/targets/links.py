"""Bad ways to a device, for tests and benchmarks: a proxy that harms a connection, and a link that loses packets.

Both lie between us and a real server. The link is one of IP packets, between a network namespace and the rest of the
machine: what is lost on it, the kernels' TCP sends again. It takes root.
"""

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
LARGEST_PACKET = 1 << 16
PIECE_BYTES = 1 << 14


class Proxy:
    """Hands bytes on between a client and a server's port, and does harm to those on their way to the server.

    The connection is cut at a byte, one is flipped, or all behind one wait for `stall_s`; `bytes_per_s` slows them all.
    """

    def __init__(
        self, port: int, *, cut_at: int = -1, flip_at: int = -1, stall_at: int = -1, stall_s: float = 0.0,
        bytes_per_s: float | None = None,
    ) -> None:  # fmt: skip
        self._there = port
        self._cut_at, self._flip_at, self._stall_at, self._stall_s = cut_at, flip_at, stall_at, stall_s
        self._bytes_per_s = bytes_per_s
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no further connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._there))
                threading.Thread(target=self._hand_on, args=(client, far, True), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(far, client, False), daemon=True).start()

    def _hand_on(self, source: socket.socket, sink: socket.socket, harmed: bool) -> None:
        passed = 0
        with suppress(OSError):
            while chunk := source.recv(PIECE_BYTES):
                end = passed + len(chunk)
                if harmed and passed <= self._cut_at < end:
                    sink.sendall(chunk[: self._cut_at - passed])
                    break
                if harmed and passed <= self._flip_at < end:
                    bad = bytearray(chunk)
                    bad[self._flip_at - passed] ^= 1
                    chunk = bytes(bad)
                if harmed and passed <= self._stall_at < end:
                    time.sleep(self._stall_s)
                if harmed and self._bytes_per_s is not None:
                    time.sleep(len(chunk) / self._bytes_per_s)
                sink.sendall(chunk)
                passed = end
        for each in (source, sink):  # not only closed: the other direction waits on the same two
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A network namespace, and the address by which its programs are reached over the link."""

    namespace: str
    host: str

    def inside(self, *command: str) -> list[str]:
        """The command line that runs a command in the namespace."""
        return ["ip", "netns", "exec", self.namespace, *command]


@contextmanager
def lossy_link(*, loss: float, delay_s: float) -> Iterator[Link]:
    """A link on which this share of the packets is lost, each way, and every one takes so long."""
    number = os.getpid() % 200 + 20
    namespace, near, far = f"edgewright-{number}", f"ew-near-{number}", f"ew-far-{number}"
    here, there = f"10.213.{number}.1", f"10.213.{number}.2"
    _ip("netns", "add", namespace)
    ends = [_tunnel(near), _tunnel(far)]
    stopped = threading.Event()
    forwarder = threading.Thread(target=_forward, args=(ends, loss, delay_s, stopped), daemon=True)
    try:
        _ip("link", "set", far, "netns", namespace)
        _ip("address", "add", f"{here}/30", "dev", near)
        _ip("link", "set", near, "up")
        for words in (
            ("address", "add", f"{there}/30", "dev", far),
            ("link", "set", far, "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", namespace, *words)
        forwarder.start()
        yield Link(namespace=namespace, host=there)
    finally:
        stopped.set()
        if forwarder.ident is not None:
            forwarder.join()
        for end in ends:
            os.close(end)
        _ip("netns", "del", namespace)


def _tunnel(name: str) -> int:
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return end


def _forward(ends: list[int], loss: float, delay_s: float, stopped: threading.Event) -> None:
    """Carry packets from either end to the other."""
    chance = random.Random(0)
    waiting: list[tuple[float, int, int, bytes]] = []
    count = 0
    while not stopped.is_set():
        patience_s = min(0.1, max(0.0, waiting[0][0] - time.monotonic())) if waiting else 0.1
        for end in select.select(ends, [], [], patience_s)[0]:
            with suppress(BlockingIOError):
                while True:
                    packet = os.read(end, LARGEST_PACKET)
                    count += 1
                    if chance.random() >= loss:
                        other = ends[1 - ends.index(end)]
                        heapq.heappush(waiting, (time.monotonic() + delay_s, count, other, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(waiting)
            with suppress(OSError):  # the other end is not up yet, or its queue is full: one more packet is lost
                os.write(end, packet)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
