"""A figure of a benchmark with its goal, and whether that is reached."""

from typing import Any

Row = dict[str, Any]


def row(name: str, value: float, *, goal: float | None = None, is_most: bool = False, **more: Any) -> Row:
    """One figure; with `is_most` it is to be the goal or less, otherwise that or more."""
    reached = None if goal is None else (value <= goal if is_most else value >= goal)
    return {"name": name, "value": value, "goal": goal, "reached": reached, **more}
