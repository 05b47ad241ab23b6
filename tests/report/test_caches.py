"""What the cache holds, on a terminal."""

from typing import Any

from rich.console import Console

from edgewright.report.caches import cache_report


def shown(*kinds: dict[str, Any]) -> str:
    document = {
        "kinds": kinds,
        "bytes": sum(each["bytes"] for each in kinds),
        "folder": "/home/[bold]me[/bold]/.cache",
        "limits": {"days": 30, "bytes": 20e9},
    }
    console = Console(width=100, record=True)
    with console.capture() as captured:
        console.print(cache_report(document))
    return captured.get()


def kind(name: str, **changes: Any) -> dict[str, Any]:
    return {"kind": name, "about": f"what {name} are", "entries": 3, "bytes": 2_500_000, "used_days_ago": 5.2} | changes


def test_each_kind_has_a_row_and_the_limits_stand_below() -> None:
    text = shown(kind("stages"), kind("boards", bytes=1_000_000_000))
    assert "1000.0" in text
    assert "1.00 GB in /home/[bold]me[/bold]/.cache" in text  # a folder's name is no markup
    assert "Kept for 30 days after their last use and up to 20 GB in all." in text


def test_what_was_used_today_or_never_is_told_so() -> None:
    assert "today" in shown(kind("stages", used_days_ago=0.4))
    (row,) = (line for line in shown(kind("stages", used_days_ago=None)).splitlines() if "what stages are" in line)
    assert row.rstrip().endswith("–")


def test_an_empty_cache_is_no_fault() -> None:
    assert "0.00 GB" in shown()
