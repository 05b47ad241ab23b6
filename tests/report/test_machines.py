import io

from rich.console import Console

from edgewright.report.machines import fleet_report
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
