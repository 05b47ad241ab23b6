"""One measurement at a time on a machine: a lease that whoever works there holds, whichever host they work from.

In:  an open target, what is going to be done there, and how long to wait for others.
Out: a `Lease` for as long as a context lasts. It is renewed meanwhile; that of a holder who died ends by itself.
A holder of this very machine that has been killed is known to have ended, and its lease is taken over at once.
It lies below the target's home, so it is seen by all who log in there as the same user. Time is the device's own,
counted from its start: no host's clock matters, nor a board's that is set once it finds a network, and a lease does not
outlive a restart of the device, as no measurement does.
"""

import getpass
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from edgewright.base.redacted import redacted
from edgewright.base.untrusted import float_or_none, parse_json
from edgewright.errors import DeviceBusyError, InvalidFileError, LeaseLostError, TargetError
from edgewright.targets.base import Completed, Target, or_another_folder
from edgewright.targets.device_store.own_folder import OWN_FOLDER
from edgewright.targets.process_ids import Process
from edgewright.targets.transports.conversation import last_line

LASTS_S = 90.0  # how long a device stays taken after its holder's last word
RENEWED_EVERY_S = 30.0
ASKED_EVERY_S = 5.0  # asking costs the device a few milliseconds of somebody else's measurement
QUICK_LIMIT_S = 60.0
FIELD_SIGNS = 120
LONGEST_S = 1e7  # what a device says beyond that is not believed
MOST_LEASES = 10**9
MOST_PROCESSES = 1 << 22  # of a Linux
NAMESPACE = Path("/proc/self/ns/pid")

TAKEN, LOST = 75, 76

# Leases are numbered folders, and the newest alone counts. Each is made aside and moved to its number, which succeeds
# for one of those who try: a folder that is not empty is not replaced, and what `mv` puts inside it instead is undone.
# The newest is never removed, only ended, so nobody can take a number that was passed already and go on with it.
COMMON = """
leases=$1 token=$2 lasts=$3 dead=$4
boot=unknown
read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id
read -r now _ </proc/uptime && now=${now%%.*} || exit 1
newest() {
    last=0
    for each in "$leases"/[0-9]*; do
        [ -d "$each" ] && [ "${each##*/}" -gt "$last" ] && last=${each##*/}
    done
}
lives() {
    read -r its_boot its_end 2>/dev/null <"$leases/$last/until" || return 1
    [ "$its_boot" = "$boot" ] && [ "$its_end" -gt "$now" ]
}
ours() {
    read -r its_token 2>/dev/null <"$leases/$1/token" && [ "$its_token" = "$token" ]
}
"""

# `dead` is the number of a lease whose holder has ended, as its own machine knows.
TAKE_SCRIPT = f"""{COMMON}{OWN_FOLDER}
own_folder "${{leases%/*}}" && mkdir -p "$leases" || exit 1
newest
if ! lives || [ "$last" = "$dead" ]; then
    mine=$((last + 1)) aside=$leases/.taking-$token
    mkdir "$aside" && cat >"$aside/owner" && echo "$token" >"$aside/token" && echo "$now" >"$aside/since" &&
        echo "$boot $((now + lasts))" >"$aside/until" || {{ rm -rf "$aside"; exit 1; }}
    mv "$aside" "$leases/$mine" 2>/dev/null
    newest
    if [ "$last" = "$mine" ] && ours "$mine"; then
        for each in "$leases"/[0-9]*; do
            [ "${{each##*/}}" -ge "$mine" ] || rm -rf "$each"
        done
        find "$leases" -maxdepth 1 -name '.taking-*' -mmin +60 -exec rm -rf {{}} + 2>/dev/null
        exit 0
    fi
    rm -rf "$aside" "$leases/$mine/.taking-$token"
    ! ours "$mine" || rm -rf "$leases/$mine"
fi
read -r since 2>/dev/null <"$leases/$last/since" || since=$now
read -r _ end 2>/dev/null <"$leases/$last/until" || end=$now
echo "$((now - since)) $((end - now)) $last"
cat "$leases/$last/owner"
exit {TAKEN}
"""

# Renewed for 0 s it is given up. Somebody may take it between the first look and the writing, hence the second look.
RENEW_SCRIPT = f"""{COMMON}
newest
ours "$last" || exit {LOST}
echo "$boot $((now + lasts))" >"$leases/$last/.until" && mv -f "$leases/$last/.until" "$leases/$last/until"
written=$?
newest
ours "$last" || exit {LOST}
exit $written
"""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who uses a device, what for, since how many seconds, and for how many more unless it is renewed.

    `process` is the holder's where it runs, or ran, on this machine and in our namespace of processes, so that it can
    be asked; `number` is the lease's.
    """

    who: str
    pid: int
    what: str
    held_s: float
    left_s: float
    number: int = 0
    process: Process | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is known to have: it was killed, and could not give the device up."""
        return self.process is not None and not self.process.lives()

    def __str__(self) -> str:
        began = time.strftime("%H:%M:%S", time.localtime(time.time() - self.held_s))
        return f"{self.who} (process {self.pid}: {self.what}) has it since {began}, {_span(self.held_s)}"


Waiting = Callable[[Holder, float], None]


@contextmanager
def leased(target: Target, what: str, *, wait_s: float = 0.0, waiting: Waiting | None = None) -> Iterator["Lease"]:
    """Have the device to ourselves; `waiting` hears every few seconds who has it, and how long we have waited.

    Raises `DeviceBusyError` when others still have it after `wait_s`, and at the end `LeaseLostError` when somebody
    took it meanwhile: what was measured then is not to be trusted. Where the device cannot be asked that any more, the
    lease's `doubt` says so.
    """
    lease = Lease(target)
    lease.take(what, wait_s, waiting)
    renewing = threading.Thread(target=lease.keep_renewing, name="edgewright-lease", daemon=True)
    renewing.start()
    try:
        yield lease
        lease.end()
    finally:
        lease.stop_renewing()
        renewing.join()
        with suppress(TargetError):  # a machine that was lost was told of already, and the lease ends by itself
            lease.give_up()


class Lease:
    """A device that is ours until further notice; `leased` makes one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._token = secrets.token_hex(8)
        self._talking = threading.Lock()  # one word at a time, so that the last one is what holds
        self._changed = threading.Condition()
        self._stopped = False
        self._due_s = 0.0
        self.doubt: str | None = None

    def hold(self, seconds: float) -> None:
        """Keep the device for that long without touching it again: what is timed there shall not be disturbed.

        Raises `LeaseLostError` when it is ours no longer.
        """
        with self._talking:
            self._renew(seconds + LASTS_S, again_in_s=seconds)

    def renew(self) -> None:
        """Make the lease last the usual while from now; raises as `hold`."""
        with self._talking:
            self._renew(LASTS_S, again_in_s=RENEWED_EVERY_S)

    def end(self) -> None:
        """Ask once more whether it is ours still: raises `LeaseLostError` when it is not."""
        with self._doubted():
            self.renew()

    def hold_on(self, seconds: float) -> None:
        """As `hold`, between two measurements: a device that cannot be asked leaves a `doubt`, and no more."""
        with self._doubted():
            self.hold(seconds)

    @contextmanager
    def _doubted(self) -> Iterator[None]:
        try:
            yield
        except LeaseLostError:
            raise
        except TargetError as error:
            self.doubt = f"whether the device was still ours could not be asked: {error}"

    def take(self, what: str, wait_s: float, waiting: Waiting | None) -> None:
        """Take the device, as soon as nobody has it."""
        begun = time.monotonic()
        owner = json.dumps({"who": whoami(), "pid": os.getpid(), "what": redacted(what), **_ourselves()})
        dead = 0
        while True:
            done = self._run(TAKE_SCRIPT, LASTS_S, owner, dead=dead)
            if done.status == 0:
                self._due_s = time.monotonic() + RENEWED_EVERY_S
                return
            if done.status != TAKEN:
                raise self._fault(done)
            holder, waited_s = read_holder(done.stdout), time.monotonic() - begun
            if holder.has_ended and holder.number > dead:
                dead = holder.number
                continue
            if waited_s >= wait_s:
                raise DeviceBusyError(self._target.address, str(holder), holder.left_s, wait_s)
            if waiting is not None:
                waiting(holder, waited_s)
            time.sleep(min(ASKED_EVERY_S, wait_s - waited_s))

    def give_up(self) -> None:
        """Let the next one have it."""
        self._run(RENEW_SCRIPT, 0)

    def keep_renewing(self) -> None:
        """Renew the lease whenever it is due, until `stop_renewing`; a thread does this."""
        while True:
            with self._changed:
                if self._stopped:
                    return
                left_s = self._due_s - time.monotonic()
                if left_s > 0:
                    self._changed.wait(left_s)
                    continue
            with self._talking, suppress(TargetError):  # whoever holds the lease finds out at the next word
                if time.monotonic() >= self._due_s:  # `hold` may just have put it off
                    self._renew(LASTS_S, again_in_s=RENEWED_EVERY_S)

    def stop_renewing(self) -> None:
        """End `keep_renewing`."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _renew(self, lasts_s: float, *, again_in_s: float) -> None:
        with self._changed:
            self._due_s = time.monotonic() + again_in_s
            self._changed.notify()
        done = self._run(RENEW_SCRIPT, lasts_s)
        if done.status == LOST:
            raise LeaseLostError(
                f"{self._target.address} was taken by somebody else while it was ours, because nothing was heard of us "
                "for too long; what was measured is not kept: run this again"
            )
        if done.status != 0:
            raise self._fault(done)

    def _run(self, script: str, seconds: float, stdin: str = "", *, dead: int = 0) -> Completed:
        words = [str(self._target.home / "lease"), self._token, str(round(seconds)), str(dead)]
        return self._target.run(["sh", "-c", script, "sh", *words], timeout_s=QUICK_LIMIT_S, stdin=stdin)

    def _fault(self, done: Completed) -> TargetError:
        reason = last_line(done.stderr) or f"status {done.status}"
        return TargetError(
            f"{self._target.address} keeps no lease ({reason}); "
            f"check that {self._target.home} can be written to and that there is room"
            f"{or_another_folder(self._target.address)}"
        )


def read_holder(printed: str) -> Holder:
    """The holder out of what the device said; it comes from outside, so anything may be missing."""
    times, _, text = printed.partition("\n")
    held, left, number = (float_or_none(word) or 0.0 for word in (*times.split(), "", "", "")[:3])
    try:
        owner = parse_json(text, name="the lease")
    except InvalidFileError:
        owner = None
    said = owner if isinstance(owner, dict) else {}
    pid = said.get("pid")
    return Holder(
        who=str(said.get("who", "somebody"))[:FIELD_SIGNS],
        pid=pid if isinstance(pid, int) else 0,
        what=str(said.get("what", "something"))[:FIELD_SIGNS],
        held_s=min(max(0.0, held), LONGEST_S),
        left_s=min(max(0.0, left), LONGEST_S),
        number=int(min(max(0.0, number), MOST_LEASES)),
        process=_process_here(said),
    )


def _ourselves() -> dict[str, object]:
    """What tells our process from any other of this machine; nothing where there is no /proc."""
    try:
        ours = Process.of(os.getpid())
        namespace = str(NAMESPACE.readlink())
    except OSError:
        return {}
    return {"boot": ours.boot, "started": ours.started, "namespace": namespace} if ours else {}


def _process_here(said: Mapping[str, object]) -> Process | None:
    """The process of an owner's words, where it is, or was, one of ours to ask for."""
    ours, pid, started = _ourselves(), said.get("pid"), said.get("started")
    if not ours or (said.get("boot"), said.get("namespace")) != (ours["boot"], ours["namespace"]):
        return None
    if not isinstance(pid, int) or not isinstance(started, int) or not 0 < pid <= MOST_PROCESSES:
        return None
    return Process(pid=pid, started=started, boot=str(ours["boot"]))


def whoami() -> str:
    """`user@host`, as others should be told."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a number without a name, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
