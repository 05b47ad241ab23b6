"""A prompt fits the context or is refused by how much it does not; a document tells runners of entries and tokens."""

import pytest

from edgewright.errors import InputError
from edgewright.measure.prompts import Decoding, prompt_of, prompts_document, stops_of
from edgewright.specs.signature import Axis, Method, Signature, Tensor
from tests.runtimes.tiny_decoder import CONTEXT, GENERATION, PREFILL_SIZES, VOCABULARY, tiny_input

SIGNATURE = tiny_input("executorch").signature


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([], "the prompt has no ids; give one"),
        ([1, VOCABULARY], f"has the id {VOCABULARY}, and the vocabulary has those from 0 to {VOCABULARY - 1}"),
        ([-1], "has the id -1"),
        ([1] * (CONTEXT + 6), f"has {CONTEXT + 6} ids, 6 more than the context of {CONTEXT}; shorten it"),
    ],
)
def test_a_prompt_that_the_artifact_cannot_take_is_refused_in_one_sentence(ids: list[int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        prompt_of(ids, SIGNATURE)


@pytest.mark.parametrize("context", [0, CONTEXT + 1])
def test_a_context_beyond_what_the_file_has_is_refused(context: int) -> None:
    with pytest.raises(InputError, match=f"a context of {context} is asked for, and the artifact has 1 to {CONTEXT}"):
        prompt_of([1], SIGNATURE, context=context)


def test_an_artifact_that_does_not_generate_is_refused() -> None:
    plain = SIGNATURE.model_copy(update={"generation": None})
    with pytest.raises(InputError, match=r"does not generate text .it has prefill, decode."):
        prompt_of([1], plain)


def test_a_long_prompt_is_cut_when_asked_with_room_for_what_is_written_and_keeps_how_texts_begin() -> None:
    ids = [GENERATION.begin or 0, *range(2, 92)]
    cut = prompt_of(ids, SIGNATURE, Decoding(max_tokens=10), truncate=True)
    assert len(cut.ids) + 10 == CONTEXT + 1  # the last token needs no place
    assert cut.ids == (1, *ids[len(ids) - len(cut.ids) + 1 :])
    assert cut.dropped == len(ids) - len(cut.ids)
    half = prompt_of(ids[1:], SIGNATURE, Decoding(max_tokens=1000), truncate=True)
    assert half.ids == tuple(ids[-(CONTEXT // 2) :])
    assert prompt_of(ids[:CONTEXT], SIGNATURE, truncate=True).dropped == 0


def test_a_document_names_the_entries_with_the_sizes_that_they_take() -> None:
    free = prompts_document(SIGNATURE, [prompt_of([1], SIGNATURE)])
    assert free["program"] == {
        "prefill": [{"entry": "prefill", "least": 2, "most": PREFILL_SIZES[-1]}],
        "decode": "decode",
        "ids": {"name": "ids", "dtype": "int64"},
        "position": {"name": "position", "dtype": "int64"},
        "logits": "logits",
        "state": [],
        "context": CONTEXT,
        "vocabulary": VOCABULARY,
    }
    bucketed = prompts_document(tiny_input("litert").signature, [prompt_of([1], SIGNATURE)], context=20)
    program = bucketed["program"]
    assert isinstance(program, dict)
    assert program["prefill"] == [{"entry": f"prefill_length_{n}", "least": n, "most": n} for n in PREFILL_SIZES]
    assert (program["state"], program["context"]) == (["cache_k", "cache_v"], 20)


def test_a_prompt_ends_by_its_own_sequences_and_by_the_artifacts_ids() -> None:
    prompt = prompt_of([1], SIGNATURE, Decoding(stop=((4, 5),), seed=3))
    assert stops_of(prompt, GENERATION) == ((4, 5), GENERATION.stop)
    (document,) = prompts_document(SIGNATURE, [prompt])["prompts"]  # type: ignore[misc]
    assert (document["stop"], document["seed"]) == ([[4, 5], list(GENERATION.stop)], 3)


def test_a_method_with_one_size_alone_is_an_entry_of_that_size() -> None:
    axis = Axis(name="length", least=1, most=5)
    inputs = (
        Tensor(name="ids", dtype="int32", shape=(1, axis)),
        Tensor(name="position", dtype="int32", shape=(1,)),
    )
    outputs = (Tensor(name="logits", dtype="float32", shape=(1, VOCABULARY)),)
    method = Method(name="forward", inputs=inputs, outputs=outputs)
    plan = GENERATION.model_copy(update={"prefill": "forward", "decode": "forward"})
    document = prompts_document(Signature(methods=(method,), generation=plan), [])
    program = document["program"]
    assert isinstance(program, dict)
    assert program["prefill"] == [{"entry": "forward", "least": 1, "most": 5}]
