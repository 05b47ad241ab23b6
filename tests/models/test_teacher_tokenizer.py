"""A tokenizer as transformers has it becomes ours, with padding first."""

from types import SimpleNamespace
from typing import Any

import pytest
import transformers

from edgewright.errors import InputError
from edgewright.models.teacher_tokenizer import tokenizer_of
from edgewright.specs.recipe import ModelSource
from tests import tiny

SOURCE = ModelSource(factory="a:b")


@pytest.fixture(scope="module")
def given() -> Any:
    return transformers.AutoTokenizer.from_pretrained(tiny.bert_folder())


def test_its_ids_are_those_that_were_given_in_its_order(given: Any) -> None:
    own, order = tokenizer_of(given, SOURCE, tiny.MAX_LENGTH, lower_case=False)
    text = tiny.sentences(1)[0]
    (row,) = own.encode([text])
    assert [order[each] for each in row.ids] == given(text)["input_ids"][: tiny.MAX_LENGTH]
    assert order[0] == given.pad_token_id


def test_texts_are_made_lower_case_first_where_that_is_asked_for(given: Any) -> None:
    own, _ = tokenizer_of(given, SOURCE, tiny.MAX_LENGTH, lower_case=True)
    text = tiny.sentences(1)[0]
    assert own.encode([text.upper()])[0].ids == own.encode([text])[0].ids


def test_what_has_no_definition_is_refused() -> None:
    without: Any = SimpleNamespace(pad_token="<pad>")
    with pytest.raises(InputError, match=r"has no tokenizer\.json; give one of the `tokenizers` library"):
        tokenizer_of(without, SOURCE, 16, lower_case=False)
