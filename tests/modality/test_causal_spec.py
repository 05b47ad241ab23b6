"""What an artifact that writes takes: read back from a manifest's facts, and a prompt made tokens as in training."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgewright.errors import BadModelError, InputError
from edgewright.modality.causal_spec import (
    CHAT_TEMPLATE,
    CausalTextSpec,
    read_chat_template,
    written_chat_template,
)
from edgewright.modality.chat_template import ChatTemplate
from tests import tiny_decoders

SPEC = CausalTextSpec(max_length=32, context=48, prefill_lengths=(8, 16), begin=(1,), stop=(2, 0), chat=True)
TEMPLATE = ChatTemplate(tiny_decoders.TEMPLATE, {"eos_token": "<|end|>"})


def test_it_comes_back_from_what_a_manifest_says() -> None:
    facts = json.loads(json.dumps(SPEC.facts({})))
    assert CausalTextSpec.from_facts({**facts, "max_length": 32, "tags": 0}) == SPEC
    plan = SPEC.writes
    assert plan is not None
    assert (plan.context, plan.prefill_lengths, plan.begin, plan.stop) == (48, (8, 16), 1, (2, 0))


def test_a_prompt_is_read_as_documents_are(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tiny_decoders.definition())
    (tmp_path / CHAT_TEMPLATE).write_text(written_chat_template(TEMPLATE))
    plain = replace(SPEC, chat=False).reader(tmp_path.joinpath)("Return a file")
    (ids,) = plain.examples
    assert ids[0] == 1
    (asked,) = SPEC.reader(tmp_path.joinpath)("Return a file").examples
    assert len(asked) > len(ids)
    assert asked[0] != 1
    for text, why in (("", "is empty"), ("\udce4", "no Unicode text")):
        with pytest.raises(InputError, match=why):
            SPEC.reader(tmp_path.joinpath)(text)


def test_a_chat_template_comes_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / CHAT_TEMPLATE
    file.write_text(written_chat_template(TEMPLATE))
    assert read_chat_template(file) == TEMPLATE
    file.write_text("{")
    with pytest.raises(BadModelError, match="chat_template"):
        read_chat_template(file)
    with pytest.raises(BadModelError, match="No such file"):
        read_chat_template(tmp_path / "other")


def test_examples_that_do_not_fit_the_cache_are_refused() -> None:
    model = tiny_decoders.decoder("llama")
    assert SPEC.checked(model, [[1] * 48]) == [[1] * 48]
    with pytest.raises(InputError, match="has 49 tokens, but the cache holds 1 to 48"):
        SPEC.checked(model, [[1] * 49])


def test_a_whole_text_is_run_at_once_to_see_what_parts_read() -> None:
    model = tiny_decoders.decoder("llama")
    assert SPEC.module(model)(SPEC.example()).shape == (1, 16, tiny_decoders.VOCABULARY)
