"""What is said of how fast an artifact is: the profile's core first, and the machine that built it second."""

import json
from typing import Any

import pytest
from rich.console import Console

from edgewright.bundles.schema import Manifest
from edgewright.report.builds import compare_bundles
from edgewright.report.measured import Measured
from edgewright.report.page import markdown
from edgewright.report.speedup_rows import cell, is_of_core, measured_speedup, speedups_of
from edgewright.report.terminal import build_report
from edgewright.specs.profiles import load_profile
from tests.cost.test_pricing import linear, structure
from tests.report.documents import bench
from tests.report.test_compression import artifact
from tests.report.test_compression import manifest as plain_manifest

PROFILE = load_profile("raspberry-pi-4")
TEACHER, STUDENT = structure(linear(384, 384, 24), matrix_weights=10_000_000), structure(linear(256, 384, 6))
TIMING = {
    "processor": "AMD EPYC",
    "by": "wall",
    "marks": [],
    "float_speedup": 2.5,
    "length": 14,
    "teacher_length": 12,
}


def manifest(*, timing: dict[str, Any] | None = None, machine: str = "x86_64", **changes: Any) -> Manifest:
    """A bundle with structures, of which one runtime is predicted and one is not."""
    kept = {
        "structure": json.loads(json.dumps(_document(STUDENT))),
        "teacher_structure": json.loads(json.dumps(_document(TEACHER))),
        "timing": {**TIMING, **(timing or {})},
    }
    rows = [{**artifact(name, score=0.44, latency_ms=0.8), **kept, **changes} for name in ("executorch", "tflite")]
    values = plain_manifest([]).model_dump(mode="json")
    return Manifest.model_validate({**values, "artifacts": rows, "machine": {"processor": machine}})


def _document(found: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(found)


def test_the_devices_ratio_comes_first_and_the_hosts_second_with_its_processor() -> None:
    said = speedups_of(manifest())[0].sentence
    assert said.startswith("executorch is predicted ")
    assert said.index("raspberry-pi-4 (Cortex-A72)") < said.index("on the machine that built it (AMD EPYC) 10.0×")


def test_a_runtime_that_is_not_predicted_says_so_and_does_not_pass_the_hosts_ratio_off_as_the_devices() -> None:
    told = speedups_of(manifest())[1]
    assert told.there is None
    assert told.document()["speedup"] is None
    assert "predictions are made for executorch and litert, not for tflite" in told.sentence


def test_a_bundle_of_old_has_no_ratio_of_its_device_and_a_profile_that_is_gone_neither() -> None:
    old = speedups_of(plain_manifest([]))[0]
    assert old.there is None
    assert "built before that was kept" in old.unknown
    assert old.here.value == 10.0
    gone = manifest().model_copy(update={"profile": "my-board"})
    assert "my-board" in speedups_of(gone)[0].unknown
    assert speedups_of(gone, PROFILE)[0].there is not None


def test_marks_and_a_ratio_that_cannot_be_told_are_said() -> None:
    busy = "other programs kept 1.30 cores busy while it was measured"
    marked = speedups_of(manifest(timing={"by": "processor time", "marks": [busy]}))[0]
    assert f"(AMD EPYC) 10.0×, by processor time: {busy}." in marked.sentence
    none = speedups_of(manifest(timing={"by": "processor time", "marks": [busy]}, speedup=None))[0]
    assert "it cannot be told, by processor time: other programs" in none.sentence
    assert none.document()["speedup_where_built"]["value"] is None


def test_a_measurement_on_the_profiles_core_takes_the_place_of_half_of_the_prediction() -> None:
    built = manifest(sha256="ab" * 32)
    there = Measured.model_validate(bench(machine={"cpu_model": "Cortex-A72", "arch": "aarch64"}))
    told = speedups_of(built, measured=[there])[0]
    assert told.there is not None
    assert told.there.how == "measured against a prediction"
    assert told.there.low is not None
    assert told.there.value / told.there.low == pytest.approx(2.0)  # of the one prediction that is left
    other = Measured.model_validate(bench(machine={"cpu_model": "Cortex-A53", "arch": "aarch64"}))
    again = speedups_of(built, measured=[other])[0]
    assert again.there is not None
    assert again.there.how == "predicted"


def test_by_the_instruction_clock_nothing_is_told_where_the_teacher_is_not_priced_by_it() -> None:
    built = manifest(sha256="ab" * 32)
    clocked = Measured.model_validate(
        bench(machine={"cpu_model": "Cortex-A72"}, clock="instructions", emulated=True, target="emulated://x")
    )
    from edgewright.errors import InputError

    with pytest.raises(InputError, match="was not calibrated"):
        measured_speedup(built.artifacts[0], PROFILE, clocked)
    told = speedups_of(built, measured=[clocked])[0]
    assert told.there is not None
    assert told.there.how == "predicted"


def test_where_the_machine_that_built_has_the_profiles_core_its_ratio_is_measured_there() -> None:
    told = speedups_of(manifest().model_copy(update={"profile": "x86-64"}))[0]
    assert told.there is not None
    assert (told.there.how, told.there.value, told.there.low) == ("measured", 10.0, None)
    here = manifest(timing={"processor": "Cortex-A72"}, machine="aarch64")
    assert speedups_of(here)[0].there.how == "measured"  # type: ignore[union-attr]


def test_a_core_is_the_same_by_its_whole_name() -> None:
    assert is_of_core(PROFILE, {"cpu_model": "Cortex-A53 + Cortex-A72"})
    assert not is_of_core(PROFILE, {"cpu_model": "Cortex-A720"})
    assert not is_of_core(PROFILE, {})


def test_terminal_page_and_comparison_put_the_device_first() -> None:
    built = manifest()
    page = markdown(built, [])
    assert "faster than the teacher on raspberry-pi-4 (Cortex-A72)" in page
    assert "latency where it was built (AMD EPYC)" in page
    changes = {each.name: each for each in compare_bundles(built, built).changes if each.of == "executorch"}
    assert {"speed-up on raspberry-pi-4 (Cortex-A72), predicted", "speed-up where it was built (AMD EPYC)"} <= set(
        changes
    )
    told = speedups_of(built)
    summary: dict[str, Any] = {
        "bundle": "build/x",
        "profile": "raspberry-pi-4",
        "teacher": {"score": 0.5},
        "student": {"score": 0.4},
        "artifacts": [{"runtime": each.runtime, "file": "f", **each.document()} for each in told],
        "stages": [],
        "budget": {"missed": []},
    }
    console = Console(width=300, record=True)
    console.print(build_report(json.loads(json.dumps(summary))))
    text = console.export_text()
    assert told[0].there is not None
    assert told[0].there.cell in text
    assert all(each.sentence in text for each in told)


def test_the_page_says_in_its_verdict_that_no_network_is_needed() -> None:
    built = manifest().model_copy(update={"baseline": plain_manifest([]).baseline.model_copy(update={"score": 0.44})})
    assert "TF-IDF (0.440) is at least as good as the student (0.440): you need no network" in markdown(built, [])
    assert "you need no network" not in markdown(manifest(), [])


def test_what_int8_bought_on_a_device_is_said_with_its_measurement() -> None:
    verdict = "int8 executorch is 1.20× as fast as the float student (36.5 ms against 43.8)."
    found = Measured.model_validate(bench(against_float={"verdict": verdict, "faster": True}))
    assert "1.20× as fast as the float student" in markdown(None, [found]).partition("Measured on")[2]


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "–"),
        (9.5, "–"),
        ({"value": None}, "–"),
        ({"value": 4.23, "low": 1.58, "high": 11.3}, "4.2× (1.6 to 11)"),
        ({"value": 11.7, "low": None, "high": None}, "11.7×"),
    ],
)
def test_a_cell_has_the_ratio_and_its_interval(found: object, text: str) -> None:
    assert cell(found) == text


def test_where_there_is_no_room_a_cell_has_the_ratio_alone() -> None:
    assert cell({"value": 4.23, "low": 1.58, "high": 11.3}, interval=False) == "4.2×"
