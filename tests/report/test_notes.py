"""What the stages of a build want known: each sentence once, in the order of the stages."""

from typing import Any

from edgewright.bundles.schema import Manifest
from edgewright.report.notes import notes_of
from tests.report.test_compression import manifest


def with_notes(*notes: Any) -> Manifest:
    stages = [
        {
            "name": f"stage {place}",
            "seconds": 0.1,
            "made_in_seconds": 0.1,
            "cached": False,
            "settings": {},
            "findings": {} if each is None else {"notes": each},
        }
        for place, each in enumerate(notes)
    ]
    return manifest(stages)


def test_notes_are_told_once_each_and_in_order() -> None:
    assert notes_of(with_notes(["two", "one"], None, ["one", "three"])) == ("two", "one", "three")


def test_what_is_no_list_of_sentences_is_left_out() -> None:
    assert notes_of(with_notes("a sentence", {"one": 1}, [3, None, "kept"])) == ("kept",)
    assert notes_of(with_notes()) == ()
