"""Devices as tables for a terminal: what one is, and what several measured.

In:  the documents `target probe` and `bench` of a group give with --json.
Out: renderables of rich. Text from a device is never read as markup, nor does it steer a terminal.
"""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.base.fields import Fields
from edgewright.base.plain import one_line, printable
from edgewright.report.judged_cells import CLOCK_NOTES
from edgewright.report.table_cells import NOTHING, facts, latencies, megabytes, number, plain, table, text


def fleet_report(devices: Sequence[Mapping[str, object]]) -> RenderableType:
    """A row for each device of a group: what was measured there, or why nothing was."""
    rows = table("device", "target", "p50 / p90 / p99", "peak memory", "budget")
    faults: list[RenderableType] = []
    emulated = False
    for device in map(Fields, devices):
        name, address = text(device, "name"), Text(text(device, "address"))
        if "measurement" not in device:
            rows.add_row(Text(name), address, NOTHING, NOTHING, Text("failed", style="red"))
            faults.append(Text(f"{name}: {one_line(text(device.inner('error'), 'message'))}", style="red"))
            continue
        found = device.inner("measurement")
        emulated = emulated or found.flag("emulated")
        budget = Text("met", style="green") if found.inner("budget").flag("met") else Text("missed", style="red")
        memory = megabytes(found.number("peak_rss_bytes"))
        rows.add_row(Text(name), address, _speed(found), memory, budget)
    notes = [Text(CLOCK_NOTES["instructions"], style="yellow")] if emulated else []
    return Group(rows, *faults, *notes)


def _speed(found: Fields) -> str:
    """What an inference takes; of what writes text by a real clock how soon and how fast it does."""
    generation = found.inner("generation")
    rate = generation.number("tokens_per_second")
    if rate is None:
        return latencies(found.inner("latency_ms"))
    return f"{number(rate)} tokens/s, the first after {number(generation.number('first_token_ms'), ' ms')}"


def probe_report(summary: Mapping[str, object]) -> RenderableType:
    """What a machine is, how fast its storage and link are, and which device that makes it."""
    found = Fields(summary)
    known, speeds = found.inner("facts"), found.inner("speeds")
    kinds = " + ".join(f"{count} × {name}" for name, count in known.counts("core_kinds").items())
    features = ", ".join(known.texts("cpu_features"))
    system = ", ".join(part for name in ("os", "kernel", "arch") if (part := known.text(name)))
    rows = (
        ("board", plain(known.value("board"))),
        ("cores", kinds or plain(known.value("cpu_model"))),
        ("instructions", features if kinds else NOTHING),  # on x86 there is no end to them
        ("caches", _caches(known.inner("caches"))),
        ("clock", _clocks(known)),
        ("memory", megabytes(known.number("ram_bytes"))),
        ("system", system or NOTHING),
        ("C library, Python", " / ".join(plain(known.value(name)) for name in ("libc", "python"))),
        ("temperatures", _temperatures(known.numbers("sensors_c"))),
        ("disk", _disk(known.inner("disk"))),
        ("storage write / read", _speed_pair(speeds, "storage_write_mb_s", "storage_read_mb_s")),
        ("link up / down", _speed_pair(speeds, "upload_mb_s", "download_mb_s")),
        ("round trip", number(speeds.number("round_trip_ms"), " ms")),
    )
    names = dict.fromkeys((text(found, "name"), text(found, "target")))
    title = Text(printable("  at ".join(names)), style="bold")
    return Group(title, facts(*((name, printable(value)) for name, value in rows)), *_identity(found))


def _identity(found: Fields) -> Iterator[RenderableType]:
    claimed, matches = found.inner("claimed"), found.rows("matches")
    if claimed:
        sure = found.flag("as_claimed")
        style = "green" if sure else "red"
        yield Text(f"It {'is' if sure else 'is not quite'} a {text(claimed, 'title')}.", style=style)
        yield from (Text(f"  {printable(each)}") for each in claimed.texts("differences"))
    for match in matches:
        if claimed and match.text("profile") == claimed.text("profile"):
            continue
        how = "It is" if match.flag("sure") else "By its cores it may be"
        yield Text(f"{how} a {text(match, 'title')} (profile {text(match, 'profile')}).", style="green")
        yield from (Text(f"  {printable(each)}") for each in match.texts("differences"))
    if not matches:
        yield Text("It is none of the devices Edgewright has a profile of.", style="yellow")
    yield from (Text(f"Mind: {printable(each)}", style="yellow") for each in found.texts("warnings"))


def _caches(found: Fields) -> str:
    sizes = {name.removesuffix("_kib"): size for name, size in found.values.items() if name.endswith("_kib")}
    return (
        ", ".join(f"{name.replace('_', ' ').replace('l', 'L', 1)} {size} KiB" for name, size in sizes.items())
        or NOTHING
    )


def _temperatures(sensors_c: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {number(value)} °C" for name, value in sensors_c.items()) or NOTHING


def _clocks(known: Fields) -> str:
    lowest, highest, now, governor = (
        plain(known.value(name)) for name in ("clock_min_mhz", "clock_max_mhz", "clock_mhz", "governor")
    )
    if not known.number("clock_max_mhz"):
        return NOTHING
    return f"{lowest} to {highest} MHz, now {now} MHz ({governor})"


def _disk(disk: Fields) -> str:
    size, free = disk.number("bytes"), disk.number("free_bytes")
    if size is None or free is None:
        return NOTHING
    return f"{text(disk, 'device')}, {size / 1e9:.1f} GB, {free / 1e9:.1f} GB free"


def _speed_pair(speeds: Fields, *names: str) -> str:
    return " / ".join(number(speeds.number(name)) for name in names) + " MB/s" if speeds else NOTHING
