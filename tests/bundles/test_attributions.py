"""What answers rest on: read of any build's findings, whatever they hold, and shared out among words."""

import pytest

from edgewright.base.fields import Fields
from edgewright.bundles.attributions import STRONGEST, GridAttribution, WordAttribution, attributions_of

FLIP = {"text": "the rain", "expected": "weather"}
WORDS = {"shown": ["the", "rain"], "teacher": [0.0, 2.0], "student": [-1.0, 0.5]}
IMAGE = {"shown": [[0.0, 1.0], [1.0, 0.0]], "teacher": [[1, 2], [3, 4]], "student": [[0, 0], [0, 0.5]]}


def account(*attributions: object, flips: object = None) -> Fields:
    found = {"attributions": list(attributions), "flips": [FLIP] * len(attributions) if flips is None else flips}
    return Fields(found)


def test_words_and_images_are_read_with_what_both_models_say() -> None:
    words, image = attributions_of(account(WORDS, IMAGE))
    assert isinstance(words, WordAttribution)
    assert (words.text, words.expected, words.words) == ("the rain", "weather", ("the", "rain"))
    assert words.says == {"teacher": (0.0, 2.0), "student": (-1.0, 0.5)}
    assert isinstance(image, GridAttribution)
    assert image.image == ((0.0, 1.0), (1.0, 0.0))
    assert image.says["student"] == ((0, 0), (0, 0.5))


@pytest.mark.parametrize(
    "findings",
    [
        Fields({}),
        Fields({"attributions": None, "flips": None}),
        Fields({"attributions": {}, "flips": []}),
        account("text"),
        account(WORDS, flips=["none"]),
        account({**WORDS, "shown": []}),
        account({**WORDS, "shown": ["the"]}),
        account({**WORDS, "shown": ["the", 3]}),
        account({**WORDS, "teacher": [0.0, float("nan")]}),
        account({**WORDS, "student": ["a", "b"]}),
        account({**WORDS, "student": None}),
        account({**IMAGE, "shown": [[]]}),
        account({**IMAGE, "shown": [[0.0], [1.0, 2.0]]}),
        account({**IMAGE, "student": [[0, 0]]}),
    ],
)
def test_what_is_not_whole_is_left_out_and_raises_nothing(findings: Fields) -> None:
    assert attributions_of(findings) == ()


def test_one_that_is_broken_hides_none_of_the_others() -> None:
    assert len(attributions_of(account({**WORDS, "teacher": 3}, WORDS, IMAGE))) == 2


def test_shares_are_of_the_strongest_also_where_nothing_says_anything() -> None:
    (found,) = attributions_of(account(WORDS))
    assert isinstance(found, WordAttribution)
    assert found.shares("teacher") == (0.0, 1.0)
    assert found.shares("student") == (-1.0, 0.5)
    silent = WordAttribution(text="", expected="", words=("a",), says={"teacher": (0.0,), "student": ()})
    assert silent.shares("teacher") == (0.0,)
    assert silent.shares("student") == ()


def test_the_strongest_words_come_first_be_they_for_or_against() -> None:
    says = tuple(float(place) if place % 2 else -float(place) for place in range(8))
    found = WordAttribution(text="", expected="", words=tuple("abcdefgh"), says={"teacher": says, "student": says})
    strongest = found.strongest("teacher")
    assert [word for word, _ in strongest] == ["h", "g", "f", "e", "d"]
    assert len(strongest) == STRONGEST
    assert strongest[1][1] == -6
