"""An artifact writes on this machine what torch does, token for token, under every runtime, and is timed as it does."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from edgewright.measure.generating import Writing, generate_here
from edgewright.measure.prompts import Decoding, Prompt
from edgewright.runtimes.table import runtimes_that
from tests.runtimes.tiny_decoder import CONTEXT, GENERATION, VOCABULARY, decoder_file, greedy, tiny_decoder, tiny_input

TOKENS = 32
LENGTHS = (1, 2, 3, 4, 5, 7, 16, 17, 21, 30)
GREEDY = Decoding(max_tokens=TOKENS)
STOP = GENERATION.stop[0]


def prompts(lengths: Sequence[int] = LENGTHS, decoding: Decoding = GREEDY) -> list[Prompt]:
    chance = np.random.default_rng(0)
    ids = [tuple(int(each) for each in chance.integers(0, VOCABULARY, length)) for length in lengths]
    return [Prompt(ids=each, decoding=decoding) for each in ids]


def written(runtime: str, asked: Sequence[Prompt]) -> Writing:
    return generate_here(runtime, decoder_file(runtime), tiny_input(runtime).signature, asked)


def until_stop(tokens: Sequence[int]) -> list[int]:
    return list(tokens[: tokens.index(STOP) + 1]) if STOP in tokens else list(tokens)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", runtimes_that(lambda each: each.generates))
def test_each_runtime_writes_what_torch_does_in_any_order_of_prompts(runtime: str) -> None:
    asked, model = prompts(), tiny_decoder()
    wanted = [until_stop(greedy(model, each.ids, TOKENS)) for each in asked]
    found = written(runtime, [*asked, *reversed(asked)])
    assert [list(each.tokens) for each in found.texts] == wanted + wanted[::-1]
    assert [each.ended for each in found.texts[: len(wanted)]] == [
        "stop" if tokens[-1] == STOP else "length" for tokens in wanted
    ]
    assert found.token is not None
    assert found.token.count == sum(len(each) - 1 for each in wanted) * 2
    assert found.first_token is not None
    assert found.first_token.count == 2 * len(asked)
    assert found.tokens_per_second
    assert found.prefill_tokens_per_second > 0
    assert list(found.memory) == ["start", "loaded", "prefill", "decode"]
    assert found.state_bytes == tiny_input(runtime).signature.state_bytes


SAMPLED = (
    Decoding(max_tokens=TOKENS, temperature=1.0, seed=1),
    Decoding(max_tokens=TOKENS, temperature=1.0, seed=2),
    Decoding(max_tokens=TOKENS, temperature=1.5, top_k=7, seed=1),
    Decoding(max_tokens=TOKENS, temperature=2.0, top_p=0.8, seed=1),
    Decoding(max_tokens=TOKENS, temperature=0.9, top_k=20, top_p=0.9, repetition_penalty=1.3, seed=3),
    Decoding(max_tokens=TOKENS, repetition_penalty=1.5),
)


def sampled(runtime: str) -> list[tuple[int, ...]]:
    asked = [replace(prompt, decoding=each) for each in SAMPLED for prompt in prompts((3, 9))]
    return [each.tokens for each in written(runtime, asked).texts]


@pytest.mark.slow
def test_the_native_and_the_python_runner_draw_the_same_tokens_of_the_same_seed() -> None:
    native, python = sampled("executorch"), sampled("onnx")
    assert native == python
    assert len(set(native)) == len(native)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "onnx"])
def test_text_ends_by_a_stop_sequence_at_the_most_tokens_or_where_the_context_is_full(runtime: str) -> None:
    (prompt,) = prompts((5,))
    plain = written(runtime, [prompt]).texts[0].tokens
    stop = (plain[6], plain[7])
    first = next(place for place in range(7) if plain[place : place + 2] == stop)
    endings = [
        replace(prompt, decoding=replace(GREEDY, stop=((98, 98), stop))),
        replace(prompt, decoding=replace(GREEDY, max_tokens=3)),
        Prompt(ids=tuple(range(CONTEXT - 2)), decoding=replace(GREEDY, max_tokens=100)),
        Prompt(ids=tuple(range(CONTEXT)), decoding=GREEDY),
    ]
    found = written(runtime, endings).texts
    assert [each.ended for each in found] == ["stop", "length", "context", "context"]
    assert found[0].tokens == plain[: first + 2]
    assert (found[0].stop, found[0].without_stop(((98, 98), stop))) == (1, plain[:first])
    assert [len(each.tokens) for each in found[1:]] == [3, 3, 1]
