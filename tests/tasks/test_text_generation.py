"""Text generation: which data it reads, and that it is judged by its completions alone."""

import pytest

from edgewright.data.documents import TextDocument
from edgewright.tasks.text_generation import TEXT_GENERATION
from tests.tasks.writing import ByteExamples, told

PAIRS = (TextDocument(prompt="a long question", completion="yes"), TextDocument(prompt="another", completion="no 🙂"))


def test_completions_alone_are_judged() -> None:
    examples = ByteExamples(train=PAIRS, test=PAIRS)
    assert TEXT_GENERATION.score(examples).of(told(PAIRS, lambda *_: 0.5)) == pytest.approx(1.0)


def test_it_reads_tables_of_prompts_and_completions_and_no_folders_of_texts() -> None:
    assert TEXT_GENERATION.columns[:2] == ("prompt", "completion")
    assert ".txt" not in TEXT_GENERATION.suffixes
    assert "data.folder" not in TEXT_GENERATION.inputs
    assert TEXT_GENERATION.builtin_data == ("docstring-summaries",)
