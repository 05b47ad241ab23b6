"""Every error Edgewright raises on purpose, and the exit code each branch of the tree stands for.

ToolchainError
├── InputError (2)                what the user gave is wrong
│   ├── InvalidFileError          a recipe, profile, manifest or job with faults, all of them at once
│   ├── UnknownNameError          no such profile, recipe, data set, …; the nearest names are offered
│   ├── BadDataError              rows, columns or splits that cannot be used
│   ├── BadModelError             a model folder that is missing, incomplete or damaged
│   ├── UnreachableBudgetError    a budget that the recipe's student cannot keep on the device
│   └── BundleError               a bundle that is missing, incomplete or altered
├── TargetError (3)               a machine or the way to it failed
│   ├── UnreachableError          no connection
│   ├── AuthenticationError       connected, but not let in
│   ├── HostKeyError              the machine is not, or not yet, the one we trust
│   ├── TransferError             a file did not arrive whole
│   ├── DeviceFullError           no room for what is pushed
│   ├── CommandTimeoutError       a command ran past its limit and was ended
│   ├── DeviceBusyError           somebody else is measuring there
│   ├── LeaseLostError            somebody else took the device while it was ours
│   ├── RunnerError               the runner on the device ended without a result
│   └── BoardError                an emulated board could not be built or started
├── ModelError (4)                the model could not be compressed, exported or run correctly
│   ├── UnsupportedModelError     a family or operator Edgewright does not know
│   ├── TrainingError             training diverged
│   │   └── TrainingLimitError    training took longer than the recipe allows; its checkpoint is kept
│   ├── ExportError               a runtime's exporter refused the model
│   └── ParityError               an artifact's outputs differ too much from the model it was made from
└── EnvironmentFaultError (2)     a program or package this step needs is not installed

Each message is one sentence: what happened, with which numbers, and what to do next.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import ClassVar

from edgewright.base.redacted import redacted

LONGEST_MESSAGE = 10_000
_LONG_WORD = re.compile(r"\S{400,}")


class ToolchainError(Exception):
    """The base of all errors a caller may want to catch; its message is fit for a user's eyes, and holds no secret."""

    exit_code: ClassVar[int] = 4

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(_fit_to_be_shown(each) if isinstance(each, str) else each for each in arguments))


class InputError(ToolchainError):
    """Something the user gave is wrong."""

    exit_code = 2


class InvalidFileError(InputError):
    """A file with one or more faults; `faults` are (place, what is wrong) pairs, in the file's order."""

    SHOWN: ClassVar[int] = 25

    def __init__(self, file: str, faults: Sequence[tuple[str, str]]) -> None:
        faults = tuple((_fit_to_be_shown(place), _fit_to_be_shown(what)) for place, what in faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        listed = "; ".join(f"{place}: {what}" for place, what in faults[: self.SHOWN])
        more = f"; and {len(faults) - self.SHOWN} more" if len(faults) > self.SHOWN else ""
        super().__init__(f"{file} has {count}: {listed}{more}")
        self.file, self.faults = file, faults


class UnreachableBudgetError(InputError):
    """A budget that no prediction's interval leaves room for; `nearest` is one that may be kept."""

    def __init__(self, recipe: str, profile: str, told: str, nearest: str) -> None:
        super().__init__(
            f"{recipe} cannot keep its budget on {profile}: {told}; the nearest budget is {nearest}; set it, or build "
            "anyway with --even-if-unreachable"
        )
        self.nearest = nearest


class UnknownNameError(InputError):
    """A name that stands for nothing; the nearest known ones are offered."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        super().__init__(f"there is no {kind} {name!r}; {nearest(name, self.known)}")


class BadDataError(InputError):
    """Rows, columns or splits that cannot be used."""


class BadModelError(InputError):
    """A model folder that is missing, incomplete or damaged."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"the model at {place} cannot be read: {reason}; check the path or download it again")
        self.place = place


class BundleError(InputError):
    """A bundle that is missing, incomplete or altered since it was built."""


class EnvironmentFaultError(InputError):
    """A program or package this step needs is not installed."""

    def __init__(self, needed: str, purpose: str, remedy: str) -> None:
        super().__init__(f"{needed} is needed to {purpose} and was not found; {remedy}")
        self.needed = needed


class TargetError(ToolchainError):
    """A machine, or the way to it, failed."""

    exit_code = 3


class UnreachableError(TargetError):
    """No connection could be made, or the one there was has been lost."""


class AuthenticationError(TargetError):
    """The machine answered but did not let us in."""


class HostKeyError(TargetError):
    """The machine's host key is unknown or has changed."""


class TransferError(TargetError):
    """A file did not arrive whole."""


class DeviceFullError(TargetError):
    """The device has no room for what is pushed."""

    def __init__(self, place: str, needed_mb: float, free_mb: float) -> None:
        super().__init__(
            f"{place} needs {needed_mb:.1f} MB and has {free_mb:.1f} MB free; "
            "make room there (old bundles are under .edgewright) and run this again"
        )
        self.needed_mb, self.free_mb = needed_mb, free_mb


class CommandTimeoutError(TargetError):
    """A command on a target ran past its limit and was ended."""

    def __init__(self, place: str, program: str, limit_s: float) -> None:
        super().__init__(f"{program} on {place} did not end within {limit_s:g} s and was stopped")
        self.limit_s = limit_s


class DeviceBusyError(TargetError):
    """Somebody else is measuring on the device."""

    def __init__(self, place: str, holder: str, left_s: float, waited_s: float) -> None:
        tried = f"still in use after {waited_s:g} s" if waited_s else "in use"
        super().__init__(
            f"{place} is {tried}: {holder}; wait for it with --wait SECONDS "
            f"(if that process has died, the device is free in {left_s:.0f} s at the latest)"
        )
        self.left_s = left_s


class LeaseLostError(TargetError):
    """Somebody else took the device while it was ours."""


class RunnerError(TargetError):
    """The runner on the device ended without a usable result."""


class BoardError(TargetError):
    """An emulated board could not be built or started."""


class ModelError(ToolchainError):
    """The model could not be compressed, exported or run correctly."""

    exit_code = 4


class UnsupportedModelError(ModelError):
    """A model family or variant Edgewright does not know; `remedy` says what to do instead."""

    def __init__(self, what: str, supported: Iterable[str], remedy: str = "") -> None:
        rest = f"; {remedy}" if remedy else ""
        super().__init__(f"{what} is not supported; supported are {', '.join(supported)}{rest}")


class TrainingError(ModelError):
    """Training diverged."""


class TrainingLimitError(TrainingError):
    """One run of a training took longer than the recipe's `minutes` allow; `share` is how much of its work is done."""

    def __init__(self, section: str, *, limit_s: float, share: float, kept: object | None) -> None:
        goes_on = "the same command goes on from its checkpoint" if kept else "no checkpoint was kept"
        super().__init__(
            f"training has taken longer than {section}.minutes = {limit_s / 60:g} allows, with {100 * share:.0f} % of "
            f"its work done; {goes_on}; raise the limit or leave it out, or train less by {section}'s other settings"
        )
        self.limit_s, self.share = limit_s, share


class ExportError(ModelError):
    """A runtime's exporter refused the model; of its own reason one line is told, and no more than `SHOWN` of it."""

    SHOWN = 300

    def __init__(self, runtime: str, reason: object) -> None:
        told = " ".join(str(reason).split())[: self.SHOWN]
        super().__init__(f"the model could not be exported for {runtime}: {told}")
        self.runtime = runtime


class ParityError(ModelError):
    """An artifact's outputs differ too much from those of the model it was made from."""


def _fit_to_be_shown(text: str) -> str:
    """Without secrets, and no longer than a person reads: a stranger's key may have 70,000 signs."""
    text = _LONG_WORD.sub(lambda found: f"{found[0][:150]}…{found[0][-50:]}", redacted(text))
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 1000]} … {text[-900:]}"


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of an error's sentence: the names closest to `name`, or all of them when none is close."""
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"known are {', '.join(known)}" if known else "none are known"
