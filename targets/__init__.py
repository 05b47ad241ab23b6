"""Machines an artifact can run on: this one, one reached by SSH, an Android device, or an emulated ARM board.

In:  an address, as `local:`, `ssh://pi@raspberrypi.local`, `adb://serial`, `emulated://raspberry-pi-4`.
Out: a `Target`. What is pushed there is `push`'s concern, what the machine is like `facts`'.
Importing this package imports none of the libraries its transports wrap.
"""

from importlib import import_module
from typing import Protocol, cast

from edgewright.base.redacted import holds_secret
from edgewright.errors import InputError, UnknownNameError
from edgewright.targets.base import Completed, Target

__all__ = ["NO_SECRETS", "SCHEMES", "Completed", "Target", "open_target", "refuse_secrets"]

NO_SECRETS = "holds no password; write it without one, and set EDGEWRIGHT_SSH_PASSWORD or use a key"

# scheme → the module that offers `open_address(address, *, instruction_clock) -> Target`
SCHEMES = {
    "adb": "edgewright.targets.transports.adb",
    "emulated": "edgewright.targets.board.emulated",
    "local": "edgewright.targets.transports.local",
    "ssh": "edgewright.targets.transports.ssh",
}


class _Opener(Protocol):
    def open_address(self, address: str, *, instruction_clock: bool) -> Target: ...


def refuse_secrets(address: str) -> None:
    """Raise `InputError` for an address with a secret in it, before anything is shown of it or done with it."""
    if holds_secret(address):
        raise InputError(f"a target's address {NO_SECRETS}")


def open_target(address: str, *, instruction_clock: bool = False) -> Target:
    """Connect to, or start, the machine at this address; `close` it when done.

    With `instruction_clock` an emulated machine's time counts instructions (2 ns each, one core) and repeats from run
    to run; other machines have no such clock. Raises `InputError` for an address that names nothing and a
    `TargetError` for a machine that cannot be reached.
    """
    refuse_secrets(address)
    scheme, colon, _ = address.partition(":")
    if not colon:
        raise InputError(
            f"{address!r} is not a target's address; write local:, ssh://user@host, adb://serial or emulated://raspberry-pi-4"
        )
    if scheme not in SCHEMES:
        raise UnknownNameError("kind of target", scheme, SCHEMES)
    if instruction_clock and scheme != "emulated":
        raise InputError(f"{scheme}: has no instruction clock; only emulated:// targets do, so leave it out")
    opener = cast(_Opener, import_module(SCHEMES[scheme]))
    return opener.open_address(address, instruction_clock=instruction_clock)
