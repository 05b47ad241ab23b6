"""Who has a device: what a holder writes into a lease of itself, and what another reads there.

In:  the text that a device keeps, which comes from outside.
Out: `Holder`; where it is, or was, a process of this machine it can be asked whether it has ended.
"""

import getpass
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.numbers import float_or_none
from edgewright.base.redacted import redacted
from edgewright.base.untrusted import parse_json
from edgewright.errors import InvalidFileError
from edgewright.targets.process_ids import Process

FIELD_SIGNS = 120
LONGEST_S = 1e7  # what a device says beyond that is not believed
LONGEST_PATH = 4096
MOST_PROCESSES = 1 << 22  # of a Linux
NAMESPACE = Path("/proc/self/ns/pid")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who uses a device, what for, since how many seconds, and for how many more unless it is renewed.

    `process` is the holder's where it runs, or ran, on this machine and in our namespace of processes, so that it can
    be asked; `lease` is the lease's folder on the device.
    """

    who: str
    pid: int
    what: str
    held_s: float
    left_s: float
    lease: str = ""
    process: Process | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is known to have: it was killed, and could not give the device up."""
        return self.process is not None and not self.process.lives()

    def __str__(self) -> str:
        began = time.strftime("%H:%M:%S", time.localtime(time.time() - self.held_s))
        return f"{self.who} (process {self.pid}: {self.what}) has it since {began}, {_span(self.held_s)}"


def own_words(what: str) -> str:
    """What this process writes into a lease of itself; what it does holds no secret there."""
    return json.dumps({"who": whoami(), "pid": os.getpid(), "what": redacted(what), **_ourselves()})


def read_holder(printed: str) -> Holder:
    """The holder out of what the device printed; it comes from outside, so anything may be missing."""
    times, _, text = printed.partition("\n")
    first, second, lease = (*times.split(" ", 2), "", "", "")[:3]
    held, left = (float_or_none(word) or 0.0 for word in (first, second))
    try:
        owner = parse_json(text, name="the lease")
    except InvalidFileError:
        owner = None
    words = owner if isinstance(owner, dict) else {}
    pid = words.get("pid")
    return Holder(
        who=str(words.get("who", "somebody"))[:FIELD_SIGNS],
        pid=pid if isinstance(pid, int) else 0,
        what=str(words.get("what", "something"))[:FIELD_SIGNS],
        held_s=min(max(0.0, held), LONGEST_S),
        left_s=min(max(0.0, left), LONGEST_S),
        lease=lease[:LONGEST_PATH],
        process=_process_here(words),
    )


def _ourselves() -> dict[str, object]:
    """What tells our process from any other of this machine; nothing where there is no /proc."""
    try:
        ours = Process.of(os.getpid())
        namespace = str(NAMESPACE.readlink())
    except OSError:
        return {}
    return {"boot": ours.boot, "started": ours.started, "namespace": namespace} if ours else {}


def _process_here(words: Mapping[str, object]) -> Process | None:
    """The process of an owner's words, where it is, or was, one of ours to ask for."""
    ours, pid, started = _ourselves(), words.get("pid"), words.get("started")
    if not ours or (words.get("boot"), words.get("namespace")) != (ours["boot"], ours["namespace"]):
        return None
    if not isinstance(pid, int) or not isinstance(started, int) or not 0 < pid <= MOST_PROCESSES:
        return None
    return Process(pid=pid, started=started, boot=str(ours["boot"]))


def whoami() -> str:
    """`user@host`, as others see it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
