"""Texts are read by prefills of every size and token by token, all places in order and none twice."""

from itertools import pairwise

import pytest

from edgewright.measure.text_reading import DECODED_AFTER, DECODED_BETWEEN, parts_of, prefill_sizes, read_texts
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from tests import tiny_decoders
from tests.torch_session import torch_session


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 40, 41, 63, 500])
@pytest.mark.parametrize("turn", range(4))
def test_parts_follow_each_other_and_are_of_sizes_that_there_are(length: int, turn: int) -> None:
    parts = parts_of(length, (4, 16, 32), turn=turn)
    assert parts[0][0] == 0
    assert all(end == start for (_, end), (start, _) in pairwise(parts))
    assert {end - start for start, end in parts} <= {1, 4, 16, 32}
    assert parts[-1][1] <= length
    if length >= 100:
        assert len(parts) == 2 + DECODED_BETWEEN + DECODED_AFTER


def test_prefills_of_every_size_are_used_from_the_beginning_and_behind_it() -> None:
    sizes = (4, 16, 32)
    found = [parts_of(200, sizes, turn=turn) for turn in range(3)]
    assert [parts[0][1] for parts in found] == [4, 16, 32]
    assert {end - start for parts in found for start, end in parts if start and end - start > 1} == set(sizes)


def test_a_text_shorter_than_every_prefill_is_read_token_by_token() -> None:
    assert parts_of(3, (4, 16), turn=1) == ((0, 1), (1, 2), (2, 3))


def test_where_sizes_are_free_the_fewest_the_most_and_one_between_are_asked_for() -> None:
    model = tiny_decoders.decoder("llama")
    for runtime, sizes in (("executorch", (2, 12, 32)), ("litert", (8, 32)), ("onnx", (2, 12, 32))):
        source = generating_input(model, RUNTIMES[runtime], context=40)
        plan = source.signature.generation
        assert plan is not None
        assert prefill_sizes(source.signature.method(plan.prefill)) == sizes


def test_a_text_is_read_no_further_than_the_context() -> None:
    model = tiny_decoders.decoder("llama")
    source = generating_input(model, RUNTIMES["litert"], context=20)
    texts = [tiny_decoders.ids_of(1, 50)[0].tolist(), [5, 6]]
    read = list(read_texts(torch_session(source.module, source.signature), source.signature, texts, first=3))
    assert [(each.text, each.place) for each in read][-3:] == [(3, 19), (4, 0), (4, 1)]
    assert {each.logits.shape for each in read} == {(tiny_decoders.VOCABULARY,)}
