"""Say in one sentence how a runner ended that printed no result, by its status, its last words and the machine's facts.

In:  a `Completed` command whose program was a runner.
Out: text that is safe to show.
Which feature of a core an unknown instruction belongs to is `instructions`' concern.
"""

import re
import signal
from collections.abc import Mapping

from edgewright.base.numbers import int_or_none
from edgewright.measure.instructions import missing_feature, unknown_instruction
from edgewright.targets.base import Completed

SHOWN = 300
MEMORY_LINE = "edgewright-memory"  # what a runner tells of its memory on standard error, phase by phase
PHASES = {
    "start": "before the model was loaded",
    "loaded": "once the model was loaded",
    "first": "once every call was made",
    "steady": "after the last sample",
    "prefill": "once a prompt was read",
    "decode": "after the last token",
}


def how_it_ended(completed: Completed, machine: Mapping[str, object]) -> str:
    """One sentence on a runner that ended without a result document, with what the machine's facts add to it."""
    status, words = completed.status, last_words(completed.stderr)
    number = -status if status < 0 else status - 128
    if number == signal.SIGKILL:
        return (
            "the runner was killed on the device, most likely because its memory ran out"
            f"{memory_held(completed.stderr, machine)}; use a smaller artifact or close what else runs there"
        )
    if number == signal.SIGILL:
        return f"the runner crashed on the device with SIGILL: {_unknown(completed.stderr, machine)}"
    if 0 < number < signal.NSIG:
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"the runner crashed on the device with {name}: {words}"
    if "GLIBC" in completed.stderr:
        return (
            f"the runner needs a newer C library than the device has ({words}); "
            "update its system, for instance to Raspberry Pi OS 12 or later"
        )
    if status in (126, 127):
        return f"the runner could not be started on the device (status {status}): {words}"
    return f"the runner ended with status {status} and no result: {words}"


def memory_held(stderr: str, machine: Mapping[str, object]) -> str:
    """In brackets, how much memory the runner held when it last said, and how much the machine has."""
    seen = re.findall(rf"^{MEMORY_LINE} ([a-z]+) (\d+)$", stderr, re.M)
    parts = []
    if seen:
        phase, held = seen[-1]
        if (bytes_held := int_or_none(held)) is not None:
            parts.append(f"it held {bytes_held / 1e6:.0f} MB {PHASES.get(phase, 'when it was last seen')}")
    ram, limit = machine.get("ram_bytes"), machine.get("memory_limit_bytes")
    if isinstance(limit, int) and not (isinstance(ram, int) and limit >= ram):
        parts.append(f"it may have {limit / 1e6:.0f} MB, the limit of its control group")
    elif isinstance(ram, int):
        free = machine.get("ram_available_bytes")
        rest = f", of which {free / 1e6:.0f} MB were free before" if isinstance(free, int) else ""
        parts.append(f"the machine has {ram / 1e6:.0f} MB{rest}")
    return f" ({'; '.join(parts)})" if parts else ""


def _unknown(stderr: str, machine: Mapping[str, object]) -> str:
    """Name an instruction that the core does not know by the feature it belongs to."""
    core, word = machine.get("cpu_model") or "its core", unknown_instruction(stderr)
    features = machine.get("cpu_features")
    found = missing_feature(word, features if isinstance(features, list) else None)
    if found is None:
        code = "" if word is None else f" ({word:#010x})"
        return f"it met an instruction{code} that {shown(str(core))} does not have; build the runtime for that core"
    return f"it met an instruction of {found}, which {shown(str(core))} does not have; build the runtime for that core"


def last_words(stderr: str) -> str:
    """The last line of what a program complained of, made safe to show."""
    lines = [line for line in stderr[-20_000:].splitlines() if line.strip() and not line.startswith(MEMORY_LINE)]
    return shown(lines[-1]) if lines else "it said nothing"


def shown(text: str) -> str:
    """Text of a device in one line of printable characters, cut where it is long."""
    safe = re.sub(r"\s+", " ", "".join(char if char.isprintable() or char.isspace() else "?" for char in text)).strip()
    return safe if len(safe) <= SHOWN else f"{safe[: SHOWN - 1]}…"
