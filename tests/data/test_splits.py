"""An example's part depends on its key alone, and parts that cannot be learned from are refused."""

import pytest

from edgewright.data.splits import PARTS, check_labels, check_sizes, part_of, share_of, shortened
from edgewright.errors import BadDataError


def test_a_share_is_the_same_on_every_machine() -> None:
    assert share_of("edgewright") == pytest.approx(0.193492, abs=1e-6)
    assert 0.4 < sum(share_of(str(n)) for n in range(1000)) / 1000 < 0.6


@pytest.mark.parametrize(("test", "validation"), [(0.2, 0.1), (0.0, 0.5), (0.5, 0.0), (0.0, 0.0)])
def test_parts_have_about_the_shares_that_are_held_out(test: float, validation: float) -> None:
    parts = [part_of(str(number), test=test, validation=validation) for number in range(4000)]
    assert parts.count("test") / 4000 == pytest.approx(test, abs=0.03)
    assert parts.count("validation") / 4000 == pytest.approx(validation, abs=0.03)
    assert set(parts) <= set(PARTS)


def test_what_is_in_test_stays_there_when_more_is_held_out() -> None:
    keys = [str(number) for number in range(300)]
    few = {key for key in keys if part_of(key, test=0.1, validation=0.3) == "test"}
    many = {key for key in keys if part_of(key, test=0.3, validation=0.0) == "test"}
    assert few < many


def test_an_empty_part_is_reported_by_its_name() -> None:
    check_sizes([("train", 1), ("test", 1)])
    with pytest.raises(BadDataError, match=r"the validation split is empty; add rows, or change data\.split"):
        check_sizes([("train", 3), ("validation", 0), ("test", 0)])


def test_held_out_labels_must_be_learned_or_configured() -> None:
    check_labels(["a", "b"], ["a"], [])
    check_labels(["a", "b"], ["c"], ["c"])
    with pytest.raises(BadDataError, match="labels c, d stand in held-out rows but not in the train split"):
        check_labels(["a", "b"], ["d", "a", "c", "d"], [])


def test_one_label_alone_cannot_be_learned_even_where_more_are_configured() -> None:
    with pytest.raises(BadDataError, match="only the label a; two or more are needed"):
        check_labels(["a"], ["a"], ["b"])


def test_many_names_are_shortened_with_their_number() -> None:
    assert shortened(["a", "b"]) == "a, b"
    assert shortened(list("abcde")) == "a, b, c, d, e"
    assert shortened(list("abcdefg")) == "a, b, c, d, e and 2 more"
