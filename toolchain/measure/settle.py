"""Let a machine come to rest before it is measured: nobody else has its processor, and it does not cool down any more.

In:  an open target.
Out: whether it came to rest in time.
"""

import time
from collections.abc import Callable

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.targets.base import Target
from edgewright.targets.facts import AT_REST, read_facts

LOOK_EVERY_S = 1.0
BUSY_CORES = 0.10  # what the system itself always needs is less
COOLING_C = 0.5  # within the time between two looks


def settled(target: Target, limit_s: float, waiting: Callable[[float, float], None] | None = None) -> bool:
    """Wait for a machine to be at rest, `limit_s` at most; one that does not tell is taken to be.

    `waiting` hears (seconds waited, at most) after each look that found it was not.
    """
    begun = time.monotonic()
    last = read_facts(target, AT_REST)
    while True:
        time.sleep(LOOK_EVERY_S)
        now = read_facts(target, AT_REST)
        if is_at_rest(last, now):
            return True
        waited_s = time.monotonic() - begun
        if waited_s >= limit_s:
            return False
        if waiting is not None:
            waiting(waited_s, limit_s)
        last = now


def is_at_rest(last: JsonObject, now: JsonObject) -> bool:
    """What two looks at a machine say, of the time between them."""
    earlier, later = Fields(last), Fields(now)
    seconds, busy_s, warmer_c = (
        _change(earlier.number(name), later.number(name)) for name in ("uptime_s", "busy_s", "temperature_c")
    )
    return busy_s <= BUSY_CORES * seconds and warmer_c > -COOLING_C


def _change(last: float | None, now: float | None) -> float:
    return 0.0 if last is None or now is None else now - last
