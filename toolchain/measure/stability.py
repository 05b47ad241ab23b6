"""Whether a measurement can be trusted to repeat: its samples, who else had the processor, clock, heat, sleep.

In:  the result documents of a runner, and the machine's facts before and after.
Out: `Stability`, with every reason in words.
What varies by more than 10 %, or was throttled, disturbed or asleep, is not stable; half of that is worth a word.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from edgewright.base.fields import Fields
from edgewright.base.json_values import JsonObject
from edgewright.measure.runner_documents import MachineState
from edgewright.measure.runner_process import RunnerProcess
from edgewright.measure.stats import by_input, by_run_and_input, half_width, variation_within, variations

FLAGGED_VARIATION = 0.05
UNSTABLE_VARIATION = 0.10
LEAST_FREEDOM = 5
INTERRUPTED = 0.01  # this share of slowest samples is kept in every figure, but does not decide whether they repeat
THROTTLED_NOW = 0xF  # the Raspberry Pi firmware's bits: 0 to 3 say what is so now, 16 to 19 what has been since boot
FLAGGED_OTHERS, UNSTABLE_OTHERS = 0.10, 0.25  # cores that other programs kept busy
UNSTABLE_STEAL = 0.05
UNSTABLE_HALF_WIDTH = 0.05  # of the interval of what an inference takes, as a share of it
FLAGGED_CLOCK = 0.10  # how far the clock may move
LEAST_SLEEP_S = 0.01
LEAST_BUSY = 0.05  # cores; who has less is not named
MOST_NAMED = 5
JUMP, JUMP_MS = 0.01, 0.5  # by which a sample that instructions are counted of may differ: interrupts take that
UNSTABLE_HELD_BACK = 0.05  # the share of a quota's periods in which nothing was left of it


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Whether the samples can be trusted to repeat. `reasons` also holds what is worth a look in a stable one.

    `variation` is the coefficient of variation among runs of the same input; nan when no input ran twice.
    """

    stable: bool
    variation: float
    reasons: tuple[str, ...]


def judged(
    runs: Sequence[RunnerProcess],
    *,
    inputs: int,
    before: JsonObject,
    after: JsonObject,
    by_instructions: bool = False,
) -> Stability:
    """Apply the thresholds; what others do to a machine whose clock counts instructions does not count."""
    faults: list[str] = []
    notes: list[str] = []
    groups = by_input([run.latency_ms for run in runs], inputs)
    variation, freedom = variation_within(groups, interrupted=INTERRUPTED)
    if not any(run.latency_ms for run in runs):
        faults.append("no samples were taken")
    elif freedom < LEAST_FREEDOM:
        faults.append(f"{sum(len(run.latency_ms) for run in runs)} samples of {inputs} inputs are too few to judge")
    else:
        of_samples = repeats(groups, "latency")
        faults.extend(of_samples[0])
        notes.extend(of_samples[1])
    if by_instructions:
        notes.extend(_jumps(groups))
    if any(run.outputs != runs[0].outputs for run in runs):
        notes.append("outputs differ from one process to the next")
    notes.extend(Fields(after).texts("faults"))
    faults.extend(throttling(before, after, [state for run in runs if run.sampling for state in run.sampling.states]))
    if not by_instructions:
        faults.extend(_from_run_to_run(runs, inputs))
        for is_fault, reason in disturbances(runs, before=before, after=after):
            (faults if is_fault else notes).append(reason)
        notes.extend(_clock_moved(runs))
        notes.extend(_unsettled(before))
    return Stability(stable=not faults, variation=variation, reasons=(*faults, *notes))


def repeats(groups: Sequence[Sequence[float]], what: str) -> tuple[list[str], list[str]]:
    """(what makes samples of several inputs unstable, what is worth a word): by how much each varies from itself."""
    variation, freedom = variation_within(groups, interrupted=INTERRUPTED)
    found = list(_varies(groups, variation, what)) if freedom >= LEAST_FREEDOM else []
    return [reason for is_fault, reason in found if is_fault], [reason for is_fault, reason in found if not is_fault]


def throttling(before: JsonObject, after: JsonObject, during: Sequence[MachineState] = ()) -> list[str]:
    """What the firmware's throttling word says against a measurement; nothing where there is no such word."""
    if heat := [state for state in map(_heat, (before, after)) if state]:
        return [f"the device was throttled for its heat: {heat[-1]}"]
    words = [Fields(machine).inner("throttling").text("raw") for machine in (before, after)]
    known = [int(word, 16) for word in words if word is not None]
    reported = [int(state.throttled, 16) for state in during if state.throttled is not None]
    seen = [*known[:1], *reported, *known[1:]]
    if len(seen) < 2:
        return []
    marks = []
    new = 0
    for earlier, later in pairwise(seen):
        new |= later & ~earlier
    if new:
        marks.append(f"the board was throttled while it was measured (new bits {new:#x})")
    if lasting := seen[0] & seen[-1] & THROTTLED_NOW:
        marks.append(f"the board was throttled before it was measured (bits {lasting:#x})")
    return marks


def _heat(machine: JsonObject) -> str:
    """Android's thermal status, where it is not none, and by which sensors."""
    thermal = Fields(machine).inner("thermal_status")
    status = thermal.text("status")
    if status in (None, "none"):
        return ""
    return f"{status} ({', '.join(thermal.texts('by')) or 'no sensor is named'})"


def busiest(before: JsonObject, after: JsonObject) -> list[JsonObject]:
    """Which other programs had the processor between two readings of `processes`, and how many cores of it."""
    earlier, later = (Fields(machine).numbers("processes") for machine in (before, after))
    started_s, ended_s = (Fields(machine).number("uptime_s") or 0.0 for machine in (before, after))
    seconds = ended_s - started_s
    if not earlier or not later or seconds <= 0:
        return []
    shares = {key: (used - earlier.get(key, 0.0)) / seconds for key, used in later.items()}
    busy = sorted(((share, key) for key, share in shares.items() if share >= LEAST_BUSY), reverse=True)
    return [{"name": key.partition(" ")[2], "cores": share} for share, key in busy[:MOST_NAMED]]


def _varies(groups: Sequence[Sequence[float]], variation: float, what: str) -> Iterator[tuple[bool, str]]:
    """(whether it makes a measurement unstable, by how much what varies): of all inputs together, or of one alone.

    Inputs of unlike lengths take unlike times, so each is compared with itself; one that does not repeat is not to
    hide among many that do.
    """
    each = variations(groups, interrupted=INTERRUPTED, least_freedom=LEAST_FREEDOM)
    worst, place = max(((value, place) for place, value in enumerate(each, 1) if value >= 0), default=(0.0, 0))
    alone = f"{_definite(what)} of input {place} of {len(groups)} varies by {worst:.1%}"
    if variation > UNSTABLE_VARIATION:
        yield True, f"{what} varies by {variation:.1%}, more than {UNSTABLE_VARIATION:.0%}"
    elif worst > UNSTABLE_VARIATION:
        yield True, f"{alone}, more than {UNSTABLE_VARIATION:.0%}"
    elif variation > FLAGGED_VARIATION:
        yield False, f"{what} varies by {variation:.1%}; up to {UNSTABLE_VARIATION:.0%} counts as stable"
    elif worst > FLAGGED_VARIATION:
        yield False, f"{alone}; up to {UNSTABLE_VARIATION:.0%} counts as stable"


def _definite(what: str) -> str:
    return what if what.startswith("the ") else f"the {what}"


def _jumps(groups: Sequence[Sequence[float]]) -> Iterator[str]:
    """What a clock of instructions counted with a sample that was not the model's: it repeats but for interrupts."""
    beyond = [(sample - median(group), sample) for group in groups if group for sample in group]
    jumps = [extra for extra, sample in beyond if extra > max(JUMP_MS, JUMP * (sample - extra))]
    if jumps:
        count = sum(map(len, groups))
        yield f"{len(jumps)} of {count} samples hold up to {max(jumps):.2g} ms that are not the model's"


def _from_run_to_run(runs: Sequence[RunnerProcess], inputs: int) -> Iterator[str]:
    width = half_width(by_run_and_input([run.latency_ms for run in runs], inputs))
    if width is not None and width > UNSTABLE_HALF_WIDTH:
        limit = f"{UNSTABLE_HALF_WIDTH:.0%}"
        yield f"after {len(runs)} processes the latency is known to ±{width:.1%} only, more than {limit}"


def disturbances(runs: Sequence[RunnerProcess], *, before: JsonObject, after: JsonObject) -> Iterator[tuple[bool, str]]:
    """Who else had the processor, or held it back: (whether it makes a measurement unstable, what happened)."""
    samplings = [run.sampling for run in runs if run.sampling]
    yield from _held_back(runs, before, after)
    seconds = sum(each.seconds for each in samplings if each.all_cpu_s is not None)
    if seconds > 0:
        others = sum(each.all_cpu_s - each.own_cpu_s for each in samplings if each.all_cpu_s is not None) / seconds
        if others > FLAGGED_OTHERS:
            names = ", ".join(each.text("name") or "" for each in Fields(after).rows("busiest"))
            named = f" ({names})" if names else ""
            yield others > UNSTABLE_OTHERS, f"other programs kept {others:.2f} cores busy while it was measured{named}"
        stolen = sum(each.steal_s or 0.0 for each in samplings) / seconds
        if stolen > UNSTABLE_STEAL:
            yield True, f"the machine's own host took {stolen:.0%} of a core while it was measured"
    slept = sum(each.suspended_s for each in samplings)
    if slept > LEAST_SLEEP_S:
        yield True, f"the machine slept, or its clock jumped, for {slept:.2f} s while it was measured"


def _held_back(runs: Sequence[RunnerProcess], before: JsonObject, after: JsonObject) -> Iterator[tuple[bool, str]]:
    """What a quota of the machine's control groups did to the processes, and would do to that many threads."""
    quota = Fields(after).number("cpu_quota_cores")
    of = "a quota of the processor" if quota is None else f"a quota of {quota:.3g} cores"
    earlier, later = (Fields(machine).counts("cpu_held_back") for machine in (before, after))
    if later:
        # a quota that is new has held back nothing before
        periods, throttled = (later.get(name, 0) - earlier.get(name, 0) for name in ("periods", "throttled"))
        if throttled > 0:
            reason = f"{of} held it back in {throttled} of {periods} periods while it was measured"
            yield throttled > UNSTABLE_HELD_BACK * periods, reason
    threads = max((run.threads for run in runs), default=1)
    if quota is not None and threads > max(quota, 1):
        yield False, f"its {threads} threads had {of} to share"


def _clock_moved(runs: Sequence[RunnerProcess]) -> Iterator[str]:
    clocks = [state.clock_khz for run in runs if run.sampling for state in run.sampling.states if state.clock_khz]
    if clocks and min(clocks) < (1 - FLAGGED_CLOCK) * max(clocks):
        yield f"the clock moved between {min(clocks) / 1000:.0f} and {max(clocks) / 1000:.0f} MHz while it was measured"


def _unsettled(before: JsonObject) -> Iterator[str]:
    if before.get("settled") is False:
        yield "the machine had not come to rest when it was measured"
