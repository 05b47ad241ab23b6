"""Devices as tables for a terminal: what one is, and what several measured.

In:  the documents `target probe` and `bench` of a group give with --json.
Out: renderables of rich. Text from a device is never read as markup, nor does it steer a terminal.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from edgewright.base.plain import one_line, printable
from edgewright.report.judged_cells import CLOCK_NOTES
from edgewright.report.table_cells import NOTHING, facts, latencies, megabytes, number, plain, table


def fleet_report(devices: Sequence[Mapping[str, Any]]) -> RenderableType:
    """A row for each device of a group: what was measured there, or why nothing was."""
    rows = table("device", "target", "p50 / p90 / p99", "peak memory", "budget")
    faults: list[RenderableType] = []
    emulated = False
    for device in devices:
        name, address = Text(device["name"]), Text(device["address"])
        if "measurement" not in device:
            rows.add_row(name, address, NOTHING, NOTHING, Text("failed", style="red"))
            faults.append(Text(f"{device['name']}: {one_line(device['error']['message'])}", style="red"))
            continue
        found = device["measurement"]
        emulated = emulated or bool(found["emulated"])
        budget = Text("met", style="green") if found["budget"]["met"] else Text("missed", style="red")
        rows.add_row(name, address, latencies(found["latency_ms"]), megabytes(found["peak_rss_bytes"]), budget)
    notes = [Text(CLOCK_NOTES["instructions"], style="yellow")] if emulated else []
    return Group(rows, *faults, *notes)


def probe_report(found: Mapping[str, Any]) -> RenderableType:
    """What a machine is, how fast its storage and link are, and which device that makes it."""
    known = found["facts"]
    kinds = " + ".join(f"{count} × {name}" for name, count in (known["core_kinds"] or {}).items())
    speeds = found["speeds"] or {}
    rows = (
        ("board", plain(known["board"])),
        ("cores", kinds or plain(known["cpu_model"])),
        (
            "instructions",
            ", ".join(known["cpu_features"] or ()) if kinds else NOTHING,
        ),  # on x86 there is no end to them
        ("caches", _caches(known["caches"])),
        ("clock", _clocks(known)),
        ("memory", megabytes(known["ram_bytes"])),
        ("system", ", ".join(str(known[name]) for name in ("os", "kernel", "arch") if known[name]) or NOTHING),
        ("C library, Python", " / ".join(plain(known[name]) for name in ("libc", "python"))),
        ("temperatures", _temperatures(known["sensors_c"])),
        ("disk", _disk(known["disk"])),
        ("storage write / read", _speed_pair(speeds, "storage_write_mb_s", "storage_read_mb_s")),
        ("link up / down", _speed_pair(speeds, "upload_mb_s", "download_mb_s")),
        ("round trip", number(speeds.get("round_trip_ms"), " ms")),
    )
    names = dict.fromkeys((found["name"], found["target"]))
    title = Text(printable("  at ".join(names)), style="bold")
    return Group(title, facts(*((name, printable(value)) for name, value in rows)), *_identity(found))


def _identity(found: Mapping[str, Any]) -> Iterator[RenderableType]:
    claimed, matches = found["claimed"], found["matches"]
    if claimed:
        style = "green" if found["as_claimed"] else "red"
        yield Text(f"It {'is' if found['as_claimed'] else 'is not quite'} a {claimed['title']}.", style=style)
        yield from (Text(f"  {printable(each)}") for each in claimed["differences"])
    for match in matches:
        if claimed and match["profile"] == claimed["profile"]:
            continue
        how = "It is" if match["sure"] else "By its cores it may be"
        yield Text(f"{how} a {match['title']} (profile {match['profile']}).", style="green")
        yield from (Text(f"  {printable(each)}") for each in match["differences"])
    if not matches:
        yield Text("It is none of the devices Edgewright has a profile of.", style="yellow")
    yield from (Text(f"Mind: {printable(each)}", style="yellow") for each in found["warnings"])


def _caches(found: Mapping[str, Any] | None) -> str:
    sizes = {name.removesuffix("_kib"): size for name, size in (found or {}).items() if name.endswith("_kib")}
    return (
        ", ".join(f"{name.replace('_', ' ').replace('l', 'L', 1)} {size} KiB" for name, size in sizes.items())
        or NOTHING
    )


def _temperatures(found: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {number(value)} °C" for name, value in (found or {}).items()) or NOTHING


def _clocks(known: Mapping[str, Any]) -> str:
    if not known["clock_max_mhz"]:
        return NOTHING
    said = f"{plain(known['clock_min_mhz'])} to {known['clock_max_mhz']} MHz"
    return f"{said}, now {plain(known['clock_mhz'])} MHz ({plain(known['governor'])})"


def _disk(disk: Mapping[str, Any] | None) -> str:
    if not disk:
        return NOTHING
    return f"{disk['device']}, {disk['bytes'] / 1e9:.1f} GB, {disk['free_bytes'] / 1e9:.1f} GB free"


def _speed_pair(speeds: Mapping[str, Any], *names: str) -> str:
    return " / ".join(number(speeds.get(name)) for name in names) + " MB/s" if speeds else NOTHING
