"""What a runner tells of its own memory and of the machine around it; whatever a machine does not tell is left out.

In:  /proc and /sys.
Out: memory phase by phase; whose processor time it was, clock, temperature, throttling and energy while samples were
     taken. Needs Python 3.9; imports nothing of Edgewright: it lies beside python_runner.py on devices.
"""

import os
import resource
import sys
import time
from pathlib import Path

LOOK_EVERY_S = 0.25
CLOCKS = "devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"
ZONES = "class/thermal/thermal_zone[0-9]*/temp"
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")


def told_bytes(path, *names):
    """The "Name:   123 kB" lines of a file of /proc, all of one reading, in bytes; -1 for what it does not say."""
    fields = dict(line.split(":", 1) for line in text_of(path).splitlines() if ":" in line)
    return [int(fields[name].split()[0]) * 1024 if name in fields else -1 for name in names]


def held_bytes():
    """What is resident now, of it what no file stands behind, and the rest.

    The counters behind `status` lag: a thread adds what it touched after 64 faults before Linux 6.2, each of which may
    map sixteen pages, and each processor after 32 pages since. `smaps_rollup` counts the pages themselves; Linux has it
    since 4.14.
    """
    resident, anonymous = told_bytes("/proc/self/smaps_rollup", "Rss", "Anonymous")
    if resident >= 0 and anonymous >= 0:
        return resident, anonymous, resident - anonymous
    return told_bytes("/proc/self/status", "VmRSS", "RssAnon", "RssFile")


def drop_cached(path):
    """Make the next one who reads a file read it from storage, as far as the kernel lets us."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)  # a page that is yet to be written is not dropped
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)


class MemoryLog:
    """Memory phase by phase; each phase's peak is its own, as the kernel's mark is set back when one ends."""

    def __init__(self):
        self.phases, self.peak, self.is_own = [], -1, True

    def end(self, phase):
        """End a phase; also printed on standard error, for whoever has to say what a runner held when it was killed."""
        resident, anonymous, of_files = held_bytes()
        (highest,) = told_bytes("/proc/self/status", "VmHWM")
        now = {
            "phase": phase,
            "rss_bytes": resident,
            "anonymous_bytes": anonymous,
            "file_bytes": of_files,
            # The mark is of the counters that lag: it may lie below what was just seen.
            "peak_bytes": max(highest, resident) if self.is_own and highest >= 0 else -1,
        }
        self.peak = max(self.peak, highest, resident)
        print(f"edgewright-memory {phase} {resident}", file=sys.stderr, flush=True)
        self.phases.append(now)
        self.is_own = self.set_back()

    @staticmethod
    def set_back():
        """Begin a new high-water mark; whether the kernel does so."""
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return False
        return True


def text_of(path):
    """What a small file says; empty where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def number_of(path):
    """The number in a small file; None where there is none."""
    try:
        return float(text_of(path))
    except ValueError:
        return None


def matching(pattern):
    """The paths below /sys that a pattern names, in order."""
    return sorted(Path("/sys").glob(pattern))


def label_of(source):
    """The name of what a file measures: "power1_label" beside "power1_input", else the chip's name and the file's."""
    stem = source.name.rpartition("_")[0]
    return text_of(source.with_name(f"{stem}_label")) or f"{text_of(source.parent / 'name')} {stem}"


class EnergySource:
    """A counter of microjoules, or a function of power in microwatts that is integrated over time."""

    def __init__(self, name, value, wraps_at=None):
        self.name, self.value, self.wraps_at = name, value, wraps_at
        self.readings, self.joules, self.last = 0, 0.0, (0.0, 0.0)

    def read(self, now):
        """Take a reading at so many seconds."""
        value = self.value()
        if value is None:
            return
        before, then = self.last
        if self.readings and self.wraps_at is None:
            self.joules += (value + before) / 2 * (now - then) * 1e-6
        elif self.readings:
            self.joules += (value - before if value >= before else value + self.wraps_at - before) * 1e-6
        self.readings, self.last = self.readings + 1, (value, now)


def energy_sources():
    """The processor's packages (RAPL), and rails that a board's chips watch (hwmon; on Jetsons an INA3221)."""
    for path in matching("class/powercap/*:*/energy_uj"):
        if path.parent.name.count(":") == 1:  # one with more is a part of another
            wraps_at = number_of(path.parent / "max_energy_range_uj") or 0.0
            yield EnergySource(text_of(path.parent / "name"), lambda path=path: number_of(path), wraps_at)
    for path in matching("class/hwmon/hwmon*/energy*_input"):
        yield EnergySource(label_of(path), lambda path=path: number_of(path), 0.0)
    for path in matching("class/hwmon/hwmon*/power*_input"):
        yield EnergySource(label_of(path), lambda path=path: number_of(path))
    for path in matching("class/hwmon/hwmon*/curr*_input"):
        number = path.name[4:].partition("_")[0]
        volts = path.with_name(f"in{number}_input")
        if volts.exists() and not path.with_name(f"power{number}_input").exists():
            yield EnergySource(label_of(volts), lambda pair=(volts, path): product(*map(number_of, pair)))


def product(one, other):
    """None where either is."""
    return None if one is None or other is None else one * other


def highest(pattern):
    """The highest number in the files of a pattern; None where there are none."""
    numbers = [number_of(path) for path in matching(pattern)]
    return max((value for value in numbers if value is not None), default=None)


def machine_cpu_s():
    """Processor time of all programs, and what the machine's own host took from it; None where the kernel is silent."""
    fields = text_of("/proc/stat").partition("\n")[0].split()
    if len(fields) < 9 or fields[0] != "cpu":
        return None, None
    user, nice, system, _idle, _waiting, irq, soft, steal = map(int, fields[1:9])
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + soft) / ticks, steal / ticks


class Watch:
    """Looks at the machine from time to time, between samples and never within one. None is what it does not report."""

    def __init__(self):
        self.states, self.energy = [], list(energy_sources())

    def start(self):
        """Begin, right before the first sample."""
        self.start_s, self.machine = time.monotonic(), machine_cpu_s()
        self.before = resource.getrusage(resource.RUSAGE_SELF)
        self.asleep_s = time.clock_gettime(time.CLOCK_BOOTTIME) - self.start_s
        self.look()

    def look_if_due(self):
        """Look, unless that was done a moment ago."""
        if time.monotonic() >= self.next_s:
            self.look()

    def look(self):
        """Write down how the machine is doing."""
        now = time.monotonic() - self.start_s
        clock, temperature, throttled = highest(CLOCKS), highest(ZONES), text_of(THROTTLED) or None
        self.states.append({"s": now, "clock_khz": clock, "temperature_mc": temperature, "throttled": throttled})
        for source in self.energy:
            source.read(now)
        self.next_s = time.monotonic() + LOOK_EVERY_S

    def document(self):
        """End, right after the last sample: all of it."""
        self.look()
        end, after, machine = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF), machine_cpu_s()
        all_s, steal_s = (None if machine[place] is None else machine[place] - self.machine[place] for place in (0, 1))
        return {
            "seconds": end - self.start_s,
            "own_cpu_s": after.ru_utime + after.ru_stime - self.before.ru_utime - self.before.ru_stime,
            "all_cpu_s": all_s,
            "steal_s": steal_s,
            "preemptions": after.ru_nivcsw - self.before.ru_nivcsw,
            "suspended_s": max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - end - self.asleep_s),
            "states": self.states,
            "energy": [{"source": each.name, "joules": each.joules} for each in self.energy if each.readings > 1],
        }
