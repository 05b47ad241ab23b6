"""Numbers of devices: what can be is kept, what cannot is refused, or dropped where a sensor may be broken."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from edgewright.base import plausible


class Reading(BaseModel):
    """A value of each kind."""

    ms: plausible.Milliseconds = 1.0
    some_ms: plausible.SomeMilliseconds = 1.0
    size: plausible.Bytes = 0
    peak: plausible.Peak = 4096
    clock_khz: plausible.Kilohertz = None
    heat: plausible.Millidegrees = None
    threads: plausible.Threads = 1
    length: plausible.PlausibleLength = 0
    energy: Annotated[tuple[dict[str, Any], ...], plausible.ToldJoules] = ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ms", 0), ("ms", 86.4e6), ("some_ms", 1e-6), ("size", -1), ("peak", 4096), ("clock_khz", 1.0),
        ("clock_khz", None), ("heat", -60_000), ("threads", 1024), ("length", 1 << 20),
    ],
)  # fmt: skip
def test_the_ends_of_a_range_are_in_it(name: str, value: float | None) -> None:
    assert getattr(Reading.model_validate({name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ms", -1e-3), ("ms", 1e-7), ("ms", 1e9), ("ms", float("nan")), ("ms", float("inf")), ("some_ms", 0),
        ("size", -2), ("size", 1 << 51), ("peak", 4095), ("peak", -1), ("threads", 0), ("threads", 1025),
        ("length", -1), ("clock_khz", "fast"), ("heat", [1]),
    ],
)  # fmt: skip
def test_what_no_device_has_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Reading.model_validate({name: value})


@pytest.mark.parametrize(("name", "value"), [("clock_khz", 0), ("clock_khz", 1e9), ("heat", -273_000), ("heat", 1e9)])
def test_a_broken_sensor_tells_nothing(name: str, value: float) -> None:
    assert getattr(Reading.model_validate({name: value}), name) is None


def test_true_is_no_number_of_a_sensor() -> None:
    assert plausible.fact("cores", True) is True
    assert Reading.model_validate({"heat": 45_000}).heat == 45_000


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("cores", 4, 4),
        ("cores", 0, None),
        ("temperature_c", 251.0, None),
        ("temperature_c", 45.5, 45.5),
        ("cpu_model", "Cortex-A72", "Cortex-A72"),
        ("cores", None, None),
        ("ram_bytes", "much", "much"),  # not a number: left to be refused
        ("unheard_of", -1e30, -1e30),
    ],
)
def test_a_fact_that_no_machine_has_is_one_that_it_does_not_tell(name: str, value: object, kept: object) -> None:
    assert plausible.fact(name, value) == kept


def test_meters_that_count_what_none_can_are_left_out_and_the_others_stay() -> None:
    meters = [{"joules": 3.5}, {"joules": -1.0}, {"joules": 1e12}, {"joules": float("nan")}, {"name": "no count"}]
    assert Reading.model_validate({"energy": meters}).energy == ({"joules": 3.5}, {"name": "no count"})
    with pytest.raises(ValidationError):
        Reading.model_validate({"energy": "many"})
