"""What models write beside what is wanted: figures of both, of retrieval, and the examples that lost most."""

import pytest

from edgewright.data.documents import TextDocument
from edgewright.tasks.written import account_of_written, nearest_completions
from tests.tasks.writing import ByteExamples


def pair(prompt: str, completion: str) -> TextDocument:
    return TextDocument(prompt=prompt, completion=completion)


TRAIN = (pair("how to open a file", "Open a file."), pair("how to close a door", "Close a door. 🚪"))
TEST = (
    pair("open the file of a user", "Open a file."),
    pair("door that is to be closed", "Close the door."),
    pair("🙂🙂", "Smile."),
)
EXAMPLES = ByteExamples(train=TRAIN, test=TEST)


def test_both_models_and_the_nearest_prompt_are_judged_by_what_is_wanted() -> None:
    teacher = {0: "Open a file.", 1: "Close the door."}
    student = {0: "Open a file. ", 1: "Close it."}
    found = account_of_written(EXAMPLES, teacher, student)
    assert found is not None
    assert (found.count, found.equal) == (2, 0.5)
    assert (found.teacher.rouge_l, found.teacher.exact) == (1.0, 1.0)
    assert (found.student.rouge_l, found.student.exact) == (pytest.approx((1 + 2 / 5) / 2), 0.5)
    assert found.nearest.rouge_l == pytest.approx((1 + 2 * 2 / 6) / 2)
    assert [each.index for each in found.examples] == [1, 0]
    assert (found.examples[0].expected, found.examples[0].student) == ("Close the door.", "Close it.")


def test_prompts_that_only_one_model_was_asked_do_not_count() -> None:
    found = account_of_written(EXAMPLES, {0: "a", 1: "b"}, {1: "b", 2: "c"})
    assert found is not None
    assert (found.count, found.equal) == (1, 1.0)
    assert account_of_written(EXAMPLES, {}, {}) is None


def test_an_empty_text_is_wrong_and_no_fault() -> None:
    found = account_of_written(EXAMPLES, {0: "Open a file."}, {0: ""})
    assert found is not None
    assert (found.student.rouge_l, found.student.exact) == (0.0, 0.0)


def test_a_long_text_is_kept_in_part() -> None:
    found = account_of_written(EXAMPLES, {0: "long " * 500}, {0: "long " * 500})
    assert found is not None
    assert len(found.examples[0].teacher) == 400


def test_the_nearest_prompt_is_by_its_words_and_a_prompt_of_none_has_one_too() -> None:
    prompts = [each.prompt for each in TEST]
    assert nearest_completions(TRAIN, prompts) == ["Open a file.", "Close a door. 🚪", "Open a file."]
    assert nearest_completions(TRAIN[:1], ["anything"]) == ["Open a file."]
