"""Measure small models of known structure on a target, and keep the prices that are fitted to them.

In:  a target's address, and the profile it is calibrated for.
Out: a `DeviceCalibration`, kept in the platform's data directory under the profile's name; it is written whole, or not
     at all. Each measured probe is kept until then, so that what Ctrl-C ends goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pydantic import TypeAdapter, ValidationError

from edgewright.base.json_values import JsonObject
from edgewright.base.once import written_whole
from edgewright.base.places import cache_dir
from edgewright.base.progress import Progress, Silent
from edgewright.cost.device_prices import (
    SCHEMA_VERSION,
    DeviceCalibration,
    RuntimeTable,
    file_for,
    load_calibration,
)
from edgewright.cost.terms import Precision
from edgewright.devices.known_device import profile_for
from edgewright.devices.probe_results import ProbeRow, ProbeTurn, fitted_tables
from edgewright.devices.timed_models import PROBES
from edgewright.errors import InputError, TargetError
from edgewright.measure.deployment import Deployer
from edgewright.measure.measurement import clock_of
from edgewright.measure.measuring import copy_bandwidth_gb_s, measure
from edgewright.measure.protocol import Protocol, RunOptions
from edgewright.measure.stability import throttling
from edgewright.runtimes.table import RUNTIMES, priced_runtimes
from edgewright.runtimes.wheels import installed_version
from edgewright.specs.profiles import Clock
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.facts import read_facts

ROUNDS = 3  # minutes apart, so that a machine that was busy once is seen when it was not
PASSES = 15
SHORTEST_S = 0.25
ROWS = TypeAdapter(list[ProbeRow])
THREADED = ("encoder 256", "encoder 384 wide", "linear 384 1536")  # large enough for threads to share


@dataclass(frozen=True, kw_only=True)
class _Machine:
    """An open target's clock, and who brings files there."""

    clock: Clock
    deployer: Deployer

    @property
    def target(self) -> Target:
        """The target itself."""
        return self.deployer.target

    def facts(self, target: Target) -> JsonObject:
        """The machine's state; an emulated one does not slow itself down, and takes long to tell."""
        return {} if self.clock == "instructions" else read_facts(target)


def calibrate(
    address: str,
    *,
    profile: str | None = None,
    runtimes: Sequence[str] = (),
    precisions: Sequence[Precision] = ("int8",),
    progress: Progress | None = None,
) -> DeviceCalibration:
    """Time every probe on a target, as an artifact of each runtime and precision, and keep what they say.

    Without a `profile` it is the emulated board's own, or for this machine that of any x86-64 machine. Raises
    `InputError` where no profile is known, `TargetError` for the machine, also where it slowed itself down.
    """
    told, runtimes = progress or Silent(), runtimes or priced_runtimes()
    name = profile_for(address, profile)
    clock = clock_of(address)
    with told.stage("export probes"):
        turns = list(_turns(runtimes, precisions, clock))
        for place, turn in enumerate(turns):
            told.update(place, len(turns), turn.probe.name)
            turn.probe.exported(turn.runtime, turn.precision)
    with told.stage(f"connect to {address}"):
        target = open_target(address, instruction_clock=clock == "instructions")
    try:
        kept = _unfinished(name, address, runtimes)
        machine = _Machine(clock=clock, deployer=Deployer(target))
        with told.stage("measure probes"):
            found = _measured(machine, turns, kept, told)
            facts = dict(read_facts(target))
        with told.stage("copy memory"):
            copied = _copy_bandwidth_gb_s(machine, runtimes)
    finally:
        target.close()
    with told.stage("fit"):
        new = tuple(fitted_tables(found, address, runtimes, precisions))
    before = _before(name, address, clock)
    made = DeviceCalibration(
        profile=name,
        target=address,
        clock=clock,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=facts,
        copy_bandwidth_gb_s=copied or (before.copy_bandwidth_gb_s if before else None),
        tables=(*_others(before, new), *new),
    )
    with written_whole(file_for(name, clock)) as unfinished:
        unfinished.write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(kept)
    return made


def _turns(runtimes: Sequence[str], precisions: Sequence[Precision], clock: Clock) -> Iterator[ProbeTurn]:
    """Every probe of every runtime and precision in each round; at last those that are shared between threads."""
    rounds = ROUNDS if clock == "wall" else 1  # instructions repeat
    for number in range(rounds):
        for precision in precisions:
            for probe in PROBES[precision]:
                for runtime in runtimes:
                    yield ProbeTurn(probe=probe, runtime=runtime, precision=precision, round=number)


def _measured(
    machine: _Machine, turns: Sequence[ProbeTurn], kept: Path, told: Progress
) -> dict[ProbeTurn, list[ProbeRow]]:
    cores = _cores(machine.target) if machine.clock == "wall" else 1
    every = [*turns]
    if cores > 1:
        threaded = (each for each in turns if each.round == 0 and each.precision == "int8")
        every += [
            ProbeTurn(probe=each.probe, runtime=each.runtime, precision=each.precision, round=0, threads=cores)
            for each in threaded
            if each.probe.name in THREADED
        ]
    found = {}
    for place, turn in enumerate(every):
        told.update(place, len(every), f"{turn.probe.name}, {turn.runtime} {turn.precision}")
        file = kept / f"{turn.name}.json"
        if (rows := _kept_rows(file)) is None:
            rows = _timed(machine, turn)
            with written_whole(file) as unfinished:
                unfinished.write_text(json.dumps([row.model_dump() for row in rows]), encoding="utf-8")
        found[turn] = rows
    return found


def _kept_rows(file: Path) -> list[ProbeRow] | None:
    """What was measured before; None where it was not, or cannot have been, and is to be measured again."""
    if not file.is_file():
        return None
    try:
        return ROWS.validate_json(file.read_bytes())
    except ValidationError:
        return None


def _timed(machine: _Machine, turn: ProbeTurn) -> list[ProbeRow]:
    """For each length of one probe what was seen."""
    exported, lengths = turn.probe.exported(turn.runtime, turn.precision), turn.probe.lengths(turn.runtime)
    place = machine.deployer.deploy(exported.file, runtime=turn.runtime)
    measurement = measure(
        machine.target,
        place.artifact,
        place.runtime,
        turn.probe.calls(exported.signature, turn.runtime),
        options=RunOptions(threads=turn.threads),
        protocol=_protocol(machine.clock, len(lengths)),
        clock=machine.clock,
        facts=machine.facts,
    )
    _require_cool(measurement.machine_before, measurement.machine_after)
    return [
        ProbeRow(
            length=length,
            latency_ms=statistics.median(samples),
            peak_bytes=measurement.peak_rss_bytes,
            file_bytes=measurement.artifact_bytes,
            runtime_version=measurement.runtime_version,
        )
        for length, samples in zip(lengths, measurement.latency_by_input, strict=True)
    ]


def _protocol(clock: Clock, inputs: int) -> Protocol:
    if clock == "instructions":
        # Three of each: an interrupt's instructions are counted, too, and the median leaves that one out.
        return Protocol(restarts=1, warmup_runs=1, warmup_s=0.0, samples=3 * inputs, min_seconds=0.0, max_seconds=8.0)
    return Protocol(
        restarts=1,
        warmup_runs=2 * inputs,
        warmup_s=0.1,
        samples=PASSES * inputs,
        min_seconds=SHORTEST_S,
        max_seconds=4.0,
    )


def _require_cool(before: JsonObject, after: JsonObject) -> None:
    if found := throttling(before, after):
        raise TargetError(
            f"{found[0]}, so its prices would be those of a hot device; cool it, and run this again: what was measured "
            "before is kept"
        )


def _unfinished(profile: str, address: str, runtimes: Sequence[str]) -> Path:
    """Where results are kept until all are there; another version of a runtime begins anew."""
    versions = {name: installed_version(RUNTIMES[name].priced_by or name, "calibrate") for name in runtimes}
    asked = json.dumps([profile, address, versions, SCHEMA_VERSION], sort_keys=True)
    return cache_dir("calibrations", hashlib.sha256(asked.encode()).hexdigest()[:16])


def _before(profile: str, address: str, clock: Clock) -> DeviceCalibration | None:
    """What was measured before on the same target."""
    before = None
    with suppress(InputError):  # one that cannot be read, or is of another version, is what this renews
        before = load_calibration(profile, clock)
    return before if before is not None and before.target == address else None


def _others(before: DeviceCalibration | None, new: Sequence[RuntimeTable]) -> Iterator[RuntimeTable]:
    """What was measured of other runtimes and precisions."""
    renewed = {(each.runtime, each.precision) for each in new}
    for each in before.tables if before else ():
        if (each.runtime, each.precision) not in renewed:
            yield each


def _copy_bandwidth_gb_s(machine: _Machine, runtimes: Sequence[str]) -> float | None:
    """By the native runner, so not where that is left out; a clock that counts instructions knows no bandwidth."""
    able = [name for name in runtimes if RUNTIMES[name].measures_bandwidth]
    if machine.clock == "instructions" or not able:
        return None
    return copy_bandwidth_gb_s(machine.target, machine.deployer.runtime(able[0]))


def _cores(target: Target) -> int:
    return cast(int, read_facts(target).get("cores") or 1)
