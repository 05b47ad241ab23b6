"""What was measured of a device, kept: prices of operators under each runtime, for `predict`, `bench` and pruning.

In:  a profile, a runtime and a clock.
Out: `Prices`: those that were measured where there are any, else those that follow from the profile's facts.
Measuring them is `calibration`'s concern.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from edgewright.base.extras import version_of
from edgewright.base.places import data_dir
from edgewright.base.plausible import GigabytesPerSecond, PlausibleCount
from edgewright.base.set_aside import read_kept
from edgewright.base.untrusted import parse_json
from edgewright.cost.corrections import correction_for
from edgewright.cost.fitted_prices import FittedPrices
from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import Cost, Prices
from edgewright.cost.terms import TERMS, Precision
from edgewright.errors import InputError, InvalidFileError
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import Clock, Profile, Sourced
from edgewright.specs.structure import Structure

SCHEMA_VERSION = 3
FACTS = "facts"
LARGEST_PRICE = 1e12  # ms or bytes for one of a thing


def sound(table: FittedPrices) -> FittedPrices:
    """A table that can be reckoned with. Raises `ValueError` for one that no fit gives."""
    numbers = [table.base_ms, table.spread, table.memory_spread, table.parallel_share, *table.memory]
    numbers += [rate for rates in table.rates.values() for rate in rates]
    if not all(math.isfinite(each) and abs(each) <= LARGEST_PRICE for each in numbers):
        raise ValueError(f"it has prices beyond {LARGEST_PRICE:g}, which nothing costs")
    if not 0 <= table.parallel_share <= 1:
        raise ValueError(f"threads share {table.parallel_share:g} of an inference, which is no part of it")
    for kind, rates in table.rates.items():
        if len(rates) != len(TERMS[kind]) or kind not in table.seen:
            raise ValueError(f"{kind} has {len(rates)} prices of {len(TERMS[kind])}, or no sizes that were measured")
    return table


class RuntimeTable(BaseModel):
    """Prices of one runtime's int8 or float models, and by which version they were measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str
    runtime_version: str
    precision: Precision
    samples: PlausibleCount
    table: Annotated[FittedPrices, AfterValidator(sound)]


class DeviceCalibration(BaseModel):
    """What was measured on one machine, for one profile and by one clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[3] = 3
    profile: str
    target: str
    clock: Clock
    created: str
    machine: dict[str, object]
    copy_bandwidth_gb_s: GigabytesPerSecond | None = None
    tables: tuple[RuntimeTable, ...]

    def table(self, runtime: str, precision: Precision) -> RuntimeTable | None:
        """The prices of one runtime and precision, where they were measured."""
        return next((each for each in self.tables if (each.runtime, each.precision) == (runtime, precision)), None)


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """Prices times what measurements said of them: see `corrections`."""

    prices: FittedPrices | Roofline
    factor: float
    measurements: int

    @property
    def source(self) -> str:
        """Names the correction, too."""
        plural = "s" if self.measurements > 1 else ""
        by = f"times {self.factor:.2f} by {self.measurements} measurement{plural} since"
        return f"{self.prices.source}; {by}"

    def cost(self, structure: Structure, length: int) -> Cost:
        """All of it is so much dearer, or cheaper."""
        found = self.prices.cost(structure, length)
        return replace(
            found,
            by_limit={limit: ms * self.factor for limit, ms in found.by_limit.items()},
            by_kind={kind: ms * self.factor for kind, ms in found.by_kind.items()},
        )

    def shared(self, threads: int) -> float:
        """As it was."""
        return self.prices.shared(threads)

    def memory_bytes(self, structure: Structure, length: int, file_bytes: float, shapes: int) -> float:
        """As it was: memory is not corrected."""
        return self.prices.memory_bytes(structure, length, file_bytes, shapes)


def of_narrow_weights(prices: Prices, weight_bytes: float) -> Prices:
    """The same for weights of so many bytes each; what was measured of int8 stays as it was measured."""
    if isinstance(prices, Corrected):
        return replace(prices, prices=_narrowed(prices.prices, weight_bytes))
    return _narrowed(prices, weight_bytes) if isinstance(prices, Roofline) else prices


def _narrowed(prices: FittedPrices | Roofline, weight_bytes: float) -> FittedPrices | Roofline:
    return replace(prices, weight_bytes=weight_bytes) if isinstance(prices, Roofline) else prices


def as_measured(profile: Profile) -> Profile:
    """The profile with what was measured on its device in place of what it says of any such device: its bandwidth."""
    found = load_calibration(profile.name)
    if found is None or found.copy_bandwidth_gb_s is None:
        return profile
    copied = Sourced[float](
        value=found.copy_bandwidth_gb_s, confidence="R", source=f"calibrated on {found.target} at {found.created}"
    )
    return profile.model_copy(update={"memory": profile.memory.model_copy(update={"copy_bandwidth_gb_s": copied})})


def file_for(profile: str, clock: Clock) -> Path:
    """Where a calibration is kept."""
    return data_dir("calibrations") / f"{profile}{'' if clock == 'wall' else f'-{clock}'}.json"


def load_calibration(profile: str, clock: Clock = "wall") -> DeviceCalibration | None:
    """What was measured for a profile, if anything.

    A damaged file is set aside, and so are single tables, with a warning. Raises `InputError` for one whose prices
    another version of this program made, which count other things.
    """
    file = file_for(profile, clock)
    if not file.is_file():
        return None
    document = file.read_bytes()
    if (made := _version_of(document, str(file))) is not None and made != SCHEMA_VERSION:
        raise InputError(
            f"{profile} was calibrated by another version of Edgewright, whose prices were of other terms; renew it by "
            f"`edgewright calibrate --profile {profile}` with the same --target, or delete {file}"
        )
    return read_kept(file, DeviceCalibration, entries="tables", entry=RuntimeTable)


def _version_of(document: bytes, name: str) -> int | None:
    try:
        found = parse_json(document, name=name)
    except InvalidFileError:  # which is for who reads all of it to tell
        return None
    version = found.get("schema_version") if isinstance(found, dict) else None
    return version if isinstance(version, int) else None


def prices_for(
    profile: Profile,
    *,
    runtime: str,
    precision: Precision,
    clock: Clock = "wall",
    version: str | None = None,
    corrected: bool = True,
) -> Prices:
    """The measured prices where there are any, else those that follow from the profile's facts.

    Those of int8 are corrected by what `bench` measured since, unless they are asked for as they were. Raises
    `InputError` where they were measured by another version of the runtime than `version`, or than the one that is
    installed here and would be pushed.
    """
    prices = _prices(profile, runtime, precision, clock, version)
    if not corrected or precision != "int8":
        return prices
    now = version or _version_to_run(runtime)
    basis = basis_of(prices, profile, clock)
    found = correction_for(profile.name, clock, runtime=runtime, version=now, basis=basis)
    return Corrected(prices=prices, factor=found.factor, measurements=found.measurements) if found else prices


def _version_to_run(runtime: str) -> str:
    version = version_of(RUNTIMES[runtime].priced_by or runtime)
    if version is None:
        raise InputError(f"which version of {runtime} runs on a device is not known; install edgewright again")
    return version


def basis_of(prices: Prices, profile: Profile, clock: Clock) -> str:
    """Which prices these are: a correction of some is none of others."""
    if isinstance(prices, Roofline):
        return FACTS
    found = load_calibration(profile.name, clock)
    return f"calibrated {found.created}" if found else FACTS


def _prices(
    profile: Profile, runtime: str, precision: Precision, clock: Clock, version: str | None
) -> FittedPrices | Roofline:
    found = load_calibration(profile.name, clock)
    table = found.table(runtime, precision) if found else None
    if found is None or table is None:
        if clock == "instructions":
            raise InputError(
                f"{profile.name} was not calibrated for {runtime} by the instruction clock, and its facts say nothing "
                f"of instructions; run `edgewright calibrate --target emulated://{profile.name}`"
            )
        return Roofline(profile=as_measured(profile), precision=precision, python=RUNTIMES[runtime].provider.in_python)
    now = version or _version_to_run(runtime)
    if table.runtime_version != now:
        raise InputError(
            f"{profile.name} was calibrated with {runtime} {table.runtime_version}, and it is {now} now; renew it by "
            f"`edgewright calibrate --target {found.target} --profile {profile.name}`"
        )
    return table.table
