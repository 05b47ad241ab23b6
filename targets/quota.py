"""How much of the processor a machine's control groups let its programs have, and how often they held them back.

In:  what `GROUPS` prints: the quota and the counters of the shell's own control group and of all above it.
Out: cores, periods. Both versions of control groups are read; what a machine does not tell is None.
"""

import math
import re

from edgewright.base.json_values import JsonObject

# The group's own path, then each one above it: a quota anywhere on the way binds. v2 has both numbers in one file.
GROUPS = """\
up() { case $2 in /*) at=${2%/};; *) at=;; esac
while :; do usage="$1$at/cpu.stat"
[ -e "$1$at/cpu.max" ] && cat "$1$at/cpu.max" "$usage"
[ -e "$1$at/cpu.cfs_quota_us" ] && echo $(cat "$1$at/cpu.cfs_quota_us" "$1$at/cpu.cfs_period_us") && cat "$usage"
[ -n "$at" ] || break; at=${at%/*}; done; }
up /sys/fs/cgroup "$(sed -n 's/^0:://p' /proc/self/cgroup)"
up /sys/fs/cgroup/cpu "$(sed -n 's/^[0-9]*:\\([^:]*,\\)*cpu\\(,[^:]*\\)*://p' /proc/self/cgroup)"
"""


def quota_cores(printed: str) -> float | None:
    """The least of the quotas in cores, as 0.5 or 2; None where there is none."""
    limits = re.findall(r"^(\d{1,15}) ([1-9]\d{0,14})$", printed, re.M)  # "max" and -1 are none
    return min((int(quota) / int(period) for quota, period in limits), default=None)


def held_back(printed: str) -> JsonObject | None:
    """Periods (of 100 ms, usually) that had a quota so far, and in how many of them it was used up: of all groups."""
    counted = {
        name: sum(map(int, re.findall(rf"^{word} (\d{{1,18}})$", printed, re.M)))
        for name, word in (("periods", "nr_periods"), ("throttled", "nr_throttled"))
    }
    return dict(counted) if counted["periods"] else None


def threads_within(quota: float | None, cores: int) -> int:
    """How many threads a quota can feed: one at least, and no more than there are cores."""
    return cores if quota is None else max(1, min(cores, math.floor(quota)))
