"""What was measured of a device, kept: prices of operators under each runtime, for `predict`, `bench` and pruning.

In:  a profile, a runtime and a clock.
Out: `Prices`: those that were measured where there are any, else those that follow from the profile's facts.
Measuring them is `calibration`'s concern.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from toolchain.errors import InputError, InvalidFileError
from toolchain.hardware.pricing import Precision, Prices, Roofline, Table
from toolchain.places import data_dir
from toolchain.profiles import Profile
from toolchain.reading import faults_of

Clock = Literal["wall", "instructions"]
PACKAGES = {"executorch": "executorch", "litert": "ai-edge-litert"}


class RuntimeTable(BaseModel):
    """Prices of one runtime's int8 or float models, and by which version they were measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str
    runtime_version: str
    precision: Precision
    samples: int
    table: Table


class Calibration(BaseModel):
    """What was measured on one machine, for one profile and by one clock."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    profile: str
    target: str
    clock: Clock
    created: str
    machine: dict[str, Any]
    tables: tuple[RuntimeTable, ...]

    def table(self, runtime: str, precision: Precision) -> RuntimeTable | None:
        """The prices of one runtime and precision, where they were measured."""
        return next((each for each in self.tables if (each.runtime, each.precision) == (runtime, precision)), None)


def file_for(profile: str, clock: Clock) -> Path:
    """Where a calibration is kept."""
    return data_dir("calibrations") / f"{profile}{'' if clock == 'wall' else f'-{clock}'}.json"


def load_calibration(profile: str, clock: Clock = "wall") -> Calibration | None:
    """What was measured for a profile, if anything. Raises `InvalidFileError` for a damaged file."""
    file = file_for(profile, clock)
    if not file.is_file():
        return None
    try:
        return Calibration.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise InvalidFileError(str(file), faults_of(error, whole="the file")) from error


def prices_for(
    profile: Profile, *, runtime: str, precision: Precision, clock: Clock = "wall", version: str | None = None
) -> Prices:
    """The measured prices where there are any, else those that follow from the profile's facts.

    Raises `InputError` where they were measured by another version of the runtime than `version`, or than the one that
    is installed here and would be pushed.
    """
    found = load_calibration(profile.name, clock)
    table = found.table(runtime, precision) if found else None
    if found is None or table is None:
        if clock == "instructions":
            raise InputError(
                f"{profile.name} was not calibrated for {runtime} by the instruction clock, and its facts say nothing "
                f"of instructions; run `edgewright calibrate --target emulated://{profile.name}`"
            )
        return Roofline(profile=profile, precision=precision, python=runtime != "executorch")
    now = version or metadata.version(PACKAGES[runtime])
    if table.runtime_version != now:
        raise InputError(
            f"{profile.name} was calibrated with {runtime} {table.runtime_version}, and it is {now} now; renew it by "
            f"`edgewright calibrate --target {found.target} --profile {profile.name}`"
        )
    return table.table
