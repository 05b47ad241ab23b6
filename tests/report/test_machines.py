import io

from rich.console import Console

from edgewright.report.machines import fleet_report
from tests.measure.generation_examples import generation_measurement
from tests.report.documents import bench


def printed(*devices: dict[str, object]) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(fleet_report(devices))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_group_is_a_row_for_each_device_and_a_reason_for_each_that_failed() -> None:
    measured = {"name": "kitchen", "address": "ssh://pi@kitchen", "measurement": bench()}
    gone = {"name": "gone", "address": "ssh://pi@gone", "error": {"message": "it [b]hangs[/b]\x1b[2J\nfor ever"}}
    said = printed(measured, gone)
    (row,) = (line for line in said.splitlines() if "ssh://pi@kitchen" in line)
    assert f"{bench()['latency_ms']['p50']:.4g}" in row
    assert "met" in row
    assert "gone: it [b]hangs[/b] [2J for ever" in said
    assert "\x1b" not in said


def test_a_group_of_devices_that_write_is_told_by_how_soon_and_how_fast() -> None:
    measured = {**generation_measurement().document(), "budget": {"met": True}}
    counted = {**generation_measurement(clock="instructions", emulated=True).document(), "budget": {"met": True}}
    devices: list[dict[str, object]] = [
        {"name": name, "address": f"ssh://{name}", "measurement": each}
        for name, each in (("kitchen", measured), ("board", counted))
    ]
    told = printed(*devices)
    assert "50 tokens/s, the first after 80 ms" in told
    assert told.count("tokens/s") == 1
