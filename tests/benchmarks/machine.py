"""The machine that a benchmark ran on, meanwhile: its load, others' work, steal, marks; said under every table.

In:  the time between `Watch()` and `told`, and what was found, in which measurements may have left marks.
Out: a JSON-safe document, and one sentence. A table without it says nothing of what its times are worth.
"""

import json
import resource
import subprocess
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgewright.device_scripts.machine_watch import machine_cpu_s
from edgewright.targets import open_target
from edgewright.targets.facts import MACHINE, read_facts

ROOT = Path(__file__).parents[2]
LEFT_BY = ("marks", "reasons")  # what measurements call what they have against themselves
FACTS = {name: MACHINE[name] for name in ("cpu_model", "cores", "load_1min", "cpu_quota_cores", "cpu_held_back")}
Facts = Mapping[str, Any]


def read_here() -> Facts:
    """The facts of this machine."""
    target = open_target("local:")
    try:
        return read_facts(target, FACTS)
    finally:
        target.close()


class Watch:
    """Begins when it is made; what our own processes had of the processor is not others' work."""

    def __init__(self, facts: Callable[[], Facts] = read_here) -> None:
        self._facts = facts
        self.before, self.begun, self.all, self.own = facts(), time.monotonic(), machine_cpu_s(), _own_cpu_s()

    def told(self, found: object) -> dict[str, Any]:
        """All of it, until now."""
        after, seconds = self._facts(), max(time.monotonic() - self.begun, 1e-9)
        busy, steal = (
            None if now is None or then is None else now - then
            for now, then in zip(machine_cpu_s(), self.all, strict=True)
        )
        own = _own_cpu_s() - self.own
        return {
            "processor": after.get("cpu_model"),
            "cores": after.get("cores"),
            "cpu_quota_cores": after.get("cpu_quota_cores"),
            "load_1min": [self.before.get("load_1min"), after.get("load_1min")],
            "seconds": seconds,
            "own_cores": own / seconds,
            "others_cores": None if busy is None else max(busy - own, 0.0) / seconds,
            "steal_cores": None if steal is None else steal / seconds,
            "quota_periods_used_up": _held_back(self.before, after),
            "marks": list(dict.fromkeys(marks_in(found))),
            "commit": commit(),
            "date": datetime.now(UTC).isoformat(timespec="minutes"),
        }


def marks_in(found: object) -> Iterator[str]:
    """Every mark that a measurement left anywhere in a document."""
    if isinstance(found, Mapping):
        for name, value in found.items():
            if name in LEFT_BY and isinstance(value, list | tuple):
                yield from (str(each) for each in value if isinstance(each, str))
            else:
                yield from marks_in(value)
    elif isinstance(found, Sequence) and not isinstance(found, str | bytes):
        for each in found:
            yield from marks_in(each)


def sentence(machine: Mapping[str, Any]) -> str:
    """The line under a table."""
    load = " → ".join("?" if each is None else f"{each:.2f}" for each in machine["load_1min"])
    others = "?" if machine["others_cores"] is None else f"{machine['others_cores']:.2f}"
    steal = "?" if machine["steal_cores"] is None else f"{100 * machine['steal_cores']:.1f}"
    quota = machine["cpu_quota_cores"]
    held = machine["quota_periods_used_up"]
    marks = "; ".join(machine["marks"])
    return (
        f"Printed {machine['date'][:16].replace('T', ' ')} UTC at {machine['commit']} on {machine['processor']}, "
        f"{machine['cores']} cores{'' if quota is None else f', of which a quota lets it have {quota:g}'}: "
        f"load {load}, other programs kept {others} cores busy, the machine's own host took {steal} % of a core"
        f"{f', the quota was used up in {held} periods' if held else ''}; "
        f"{f'marked: {marks}' if marks else 'nothing was marked'}."
    )


def shown(options: Namespace, found: Any, table: Callable[[Any], str]) -> None:
    """Print what a benchmark found, as a table or as one document, with the machine that it ran on."""
    machine = options.watch.told(found)
    if options.json:
        document = {**found, "machine": machine} if isinstance(found, Mapping) else {"rows": found, "machine": machine}
        print(json.dumps(document, indent=2))
    else:
        print(f"{table(found).rstrip()}\n\n{sentence(machine)}")


def commit() -> str:
    """The commit that is checked out, and whether anything was changed since."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    found = git("rev-parse", "--short", "HEAD")
    if not found:
        return "no commit"
    return f"{found}, changed since" if git("status", "--porcelain", "--untracked-files=no") else found


def _own_cpu_s() -> float:
    """Of this process and of those it started that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def _held_back(before: Facts, after: Facts) -> int:
    counted = [each.get("cpu_held_back") or {} for each in (before, after)]
    return max(counted[1].get("throttled", 0) - counted[0].get("throttled", 0), 0)
