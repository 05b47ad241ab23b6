"""One measurement at a time on a machine: a lease that whoever works there holds, whichever host they work from.

In:  an open target, what is going to be done there, and how long to wait for others.
Out: a `Lease` for as long as a context lasts. It is renewed meanwhile; that of a holder who died ends by itself.
A holder of this very machine that has been killed is known to have ended, and its lease is taken over at once.
It lies where all who log in there as the same user look for it, whichever folder they named for what they push. What
runs there under it is noted in it: who takes over the lease of a killed holder ends its runner first. Time is the
device's own, counted from its start: no host's clock matters, nor a board's that is set once it finds a network, and a
lease does not outlive a restart of the device, as no measurement does.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from edgewright.errors import DeviceBusyError, LeaseLostError, TargetError
from edgewright.targets.base import Completed, Target, or_another_folder
from edgewright.targets.device_store.lease_holder import Holder, own_words, read_holder
from edgewright.targets.device_store.lease_scripts import LOST, RECORD_SCRIPT, RENEW_SCRIPT, TAKE_SCRIPT, TAKEN
from edgewright.targets.transports.conversation import GET_LIMIT_BYTES, OnOutput, last_line

LASTS_S = 90.0  # how long a device stays taken after its holder's last word
RENEWED_EVERY_S = 30.0
ASKED_EVERY_S = 5.0  # asking costs the device a few milliseconds of somebody else's measurement
QUICK_LIMIT_S = 60.0

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
    except LeaseLostError:
        raise
    except TargetError:
        lease.end()  # who took the device meanwhile ended what ran there: that is the reason then
        raise
    finally:
        lease.stop_renewing()
        renewing.join()
        with suppress(TargetError):  # the loss of a machine was reported already, and the lease ends by itself
            lease.give_up()


class Lease:
    """A device that is ours until further notice; `leased` makes one."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._token = secrets.token_hex(8)
        self._places = [str(home / "lease") for home in target.lease_homes]
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
        owner = own_words(what)
        dead: list[str] = []
        while True:
            done = self._run(TAKE_SCRIPT, LASTS_S, owner, dead=dead)
            if done.status == 0:
                self._places = [place for place in self._places if place == done.stdout.strip("\n")] or self._places
                self._due_s = time.monotonic() + RENEWED_EVERY_S
                return
            if done.status != TAKEN:
                raise self._fault(done)
            holder, waited_s = read_holder(done.stdout), time.monotonic() - begun
            if holder.has_ended and holder.lease not in dead:
                dead.append(holder.lease)
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

    def recording(self) -> Target:
        """The device, of which each command's process group is noted in the lease as it begins.

        What runs on when we are killed is ended by whoever takes over the lease.
        """
        return _RecordingTarget(self._target, self._words(RECORD_SCRIPT, 0))

    def _run(self, script: str, seconds: float, stdin: str = "", *, dead: Sequence[str] = ()) -> Completed:
        return self._target.run(self._words(script, seconds, dead=dead), timeout_s=QUICK_LIMIT_S, stdin=stdin)

    def _words(self, script: str, seconds: float, *, dead: Sequence[str] = ()) -> list[str]:
        place, *further = self._places
        return ["sh", "-c", script, "sh", place, self._token, str(round(seconds)), "\n".join(dead), *further]

    def _fault(self, done: Completed) -> TargetError:
        reason = last_line(done.stderr) or f"status {done.status}"
        return TargetError(
            f"{self._target.address} keeps no lease ({reason}); "
            f"check that {self._target.home} can be written to and that there is room"
            f"{or_another_folder(self._target.address)}"
        )


class _RecordingTarget:
    """A target each of whose commands is begun by some words that note its process group."""

    def __init__(self, target: Target, words: Sequence[str]) -> None:
        self._target, self._words = target, tuple(words)

    @property
    def address(self) -> str:
        return self._target.address

    @property
    def emulated(self) -> bool:
        return self._target.emulated

    @property
    def home(self) -> PurePosixPath:
        return self._target.home

    @property
    def lease_homes(self) -> tuple[PurePosixPath, ...]:
        return self._target.lease_homes

    def put(self, source: Path | bytes, remote: PurePosixPath) -> None:
        self._target.put(source, remote)

    def get(self, remote: PurePosixPath, local: Path, *, limit_bytes: int = GET_LIMIT_BYTES) -> None:
        self._target.get(remote, local, limit_bytes=limit_bytes)

    def run(
        self, argv: Sequence[str], *, timeout_s: float, stdin: str = "", on_output: OnOutput | None = None
    ) -> Completed:
        done = self._target.run([*self._words, *argv], timeout_s=timeout_s, stdin=stdin, on_output=on_output)
        return Completed(argv=tuple(argv), status=done.status, stdout=done.stdout, stderr=done.stderr)

    def close(self) -> None:
        self._target.close()
