"""Holders of a lease: what one writes of itself, and what another reads of it."""

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright.targets.device_store.lease_holder import LONGEST_S, Holder, own_words, read_holder


def test_what_a_holder_writes_of_itself_is_read_and_its_process_lives() -> None:
    holder = read_holder(f"3 60 /home/pi/a b/lease/2\n{own_words('bench demo')}\n")
    assert (holder.pid, holder.what) == (os.getpid(), "bench demo")
    assert (holder.held_s, holder.left_s, holder.lease) == (3, 60, "/home/pi/a b/lease/2")
    assert not holder.has_ended


@settings(max_examples=40)
@given(st.text() | st.from_regex(r"-?\d+ -?\d+\n\{.*\}", fullmatch=True))
def test_whatever_a_device_says_of_a_holder_can_be_told(printed: str) -> None:
    str(read_holder(printed))


@pytest.mark.parametrize(
    ("printed", "who", "held_s", "left_s"),
    [
        ('185 44\n{"who": "anna@lab", "pid": 7, "what": "bench demo"}\n', "anna@lab", 185, 44),
        ('-3 -1\n{"who": "anna@lab", "pid": true}', "anna@lab", 0, 0),
        (f"{10**30} {10**30}", "somebody", LONGEST_S, LONGEST_S),
        ("", "somebody", 0, 0),
        ("1e999 nan 3", "somebody", 0, 0),
    ],
)
def test_a_holder_is_read_as_far_as_it_is_reported(printed: str, who: str, held_s: float, left_s: float) -> None:
    found: Any = read_holder(printed)
    assert isinstance(found, Holder)
    assert (found.who, found.held_s, found.left_s) == (who, held_s, left_s)
