"""Which Android devices there are, as `adb` tells it, and the one that an address names.

In:  `adb://serial`, as `adb devices` lists it; `adb://host:port` for one in the network; `adb://` for the only one.
Out: the program `adb` and the serial number of a device that can be used, or an error that says what adb sees instead.
Which computers a device trusts is `adb`'s concern; it lets no key of ours in by itself.
"""

import shutil
import subprocess

from edgewright.errors import AuthenticationError, EnvironmentFaultError, InputError, UnreachableError
from edgewright.targets.transports.conversation import last_line

ASKING_LIMIT_S = 30.0
SHELL_FEATURE = "shell_v2"  # tells a command's status, and its errors apart from its output

# What `adb devices` says of a device that is there and cannot be used, and what helps.
STATES = {
    "unauthorized": "does not trust this computer; unlock it and accept the key that it shows",
    "authorizing": "is still being asked whether it trusts this computer; unlock it and accept the key that it shows",
    "offline": "does not answer adb; unplug it and plug it in again, or run `adb reconnect offline`",
    "no permissions": "may not be used by this user; install Android's udev rules (Debian: android-sdk-platform-tools-"
    "common) and join the group plugdev",
    "bootloader": "is in its boot loader; start Android on it",
    "recovery": "is in recovery mode; start Android on it",
    "sideload": "is in recovery mode; start Android on it",
}


def found_device(address: str) -> tuple[str, str]:
    """The program `adb`, and the serial number of the device at this address, which can be used.

    Raises `InputError`, `EnvironmentFaultError` without adb, and what `found_serial` raises.
    """
    scheme, _, serial = address.partition("://")
    if scheme != "adb" or not address.startswith("adb://") or not _plausible(serial):
        raise InputError(
            f"{address!r} is no address of an Android device; write adb://SERIAL, as `adb devices` lists it"
        )
    adb = shutil.which("adb")
    if adb is None:
        raise EnvironmentFaultError(
            "adb", "reach an Android device", "install Android's platform tools (Debian: sudo apt-get install adb)"
        )
    return adb, found_serial(adb, serial)


def found_serial(adb: str, wanted: str) -> str:
    """The serial number of a device that can be used; with none wanted, of the only one there is.

    Raises `UnreachableError` or `AuthenticationError`, saying what adb sees instead.
    """
    states = read_devices(_asked(adb, "devices"))
    if ":" in wanted and states.get(wanted) in (None, "offline"):  # in the network: adb knows those it was given
        if wanted in states:
            _asked(adb, "disconnect", wanted)
        answer = _asked(adb, "connect", wanted).strip()
        states = read_devices(_asked(adb, "devices"))
        if states.get(wanted) in (None, "offline"):
            raise UnreachableError(
                f"adb://{wanted} did not answer ({last_line(answer)}); check that the device is on, in this network, "
                "and that debugging over the network is switched on there"
            )
    listed = ", ".join(f"{serial} ({state})" for serial, state in states.items()) or "no device"
    if not wanted:
        if len(states) != 1:
            raise UnreachableError(
                f"adb:// needs exactly one device, and adb sees {listed}; "
                + ("name one, as adb://SERIAL" if states else "plug it in and switch on USB debugging there")
            )
        (wanted,) = states
    state = states.get(wanted)
    if state is None:
        raise UnreachableError(
            f"adb sees no device {wanted} but {listed}; plug it in, switch on USB debugging there, check the number"
        )
    if state != "device":
        kind = AuthenticationError if state in ("unauthorized", "authorizing") else UnreachableError
        raise kind(f"adb://{wanted} {STATES.get(state, f'is in the state {state!r}; start Android on it')}")
    if SHELL_FEATURE not in _asked(adb, "-s", wanted, "features").split():
        raise UnreachableError(f"adb://{wanted} runs an Android before 7, which tells no command's status; upgrade it")
    return wanted


def read_devices(printed: str) -> dict[str, str]:
    """The state of each device that `adb devices` lists, by its serial number."""
    lines = [line.split("\t", 1) for line in printed.splitlines() if "\t" in line and not line.startswith("*")]
    return {serial.strip(): _state(state.strip()) for serial, state in lines}


def _state(state: str) -> str:
    return "no permissions" if state.startswith("no permissions") else state.split()[0] if state else "unknown"


def _asked(adb: str, *words: str) -> str:
    """What adb itself says to a question; its server is started by the first one, and may answer late."""
    try:
        done = subprocess.run(
            [adb, *words], capture_output=True, text=True, errors="replace", timeout=ASKING_LIMIT_S, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(
            f"`adb {' '.join(words)}` did not answer within {ASKING_LIMIT_S:g} s; run `adb kill-server` and this again"
        ) from error
    if done.returncode != 0:
        raise UnreachableError(
            f"`adb {' '.join(words)}` failed ({last_line(done.stderr or done.stdout)}); "
            "run `adb kill-server` and this again"
        )
    return done.stdout


def _plausible(serial: str) -> bool:
    return all(sign.isalnum() or sign in "._:-[]" for sign in serial) and not serial.startswith("-")
