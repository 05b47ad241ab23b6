"""Artifacts of one model write the same tokens; where they do not, a tie is told from a fault."""

import numpy as np
import pytest
import torch
from torch import nn

from edgewright.measure.token_equality import GreedyText, compare_greedy, compared_texts, write_greedy
from edgewright.quantize.simulated import as_int8, parts_of
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from tests import tiny_decoders
from tests.torch_session import torch_session

CONTEXT, TOKENS = 60, 24
PROMPTS = [tiny_decoders.ids_of(1, length, seed=length)[0].tolist() for length in (5, 9, 33)]


def text(*logits: tuple[float, ...]) -> GreedyText:
    rows = tuple(np.array(each, dtype=np.float32) for each in logits)
    return GreedyText(tokens=tuple(int(each.argmax()) for each in rows), logits=rows)


def test_a_text_is_what_the_model_itself_says_token_by_token() -> None:
    model = tiny_decoders.decoder("llama")
    source = generating_input(model, RUNTIMES["onnx"], context=CONTEXT, stop=(96,))
    found = write_greedy(torch_session(source.module, source.signature), source.signature, PROMPTS[1], TOKENS)
    ids = list(PROMPTS[1])
    for token, logits in zip(found.tokens, found.logits, strict=True):
        with torch.no_grad():
            wanted = model(torch.tensor([ids]))[0, -1].numpy()
        assert np.abs(wanted - logits).max() < 1e-4
        assert token == int(wanted.argmax())
        ids.append(token)
    assert len(found.tokens) == TOKENS or found.tokens[-1] == 96


def test_a_text_ends_where_the_context_is_full() -> None:
    source = generating_input(tiny_decoders.decoder("llama"), RUNTIMES["litert"], context=12)
    found = write_greedy(torch_session(source.module, source.signature), source.signature, PROMPTS[1], TOKENS)
    assert len(found.tokens) == 12 - len(PROMPTS[1]) + 1


def test_runtimes_read_a_prompt_by_other_calls_and_write_the_same() -> None:
    sides = []
    for runtime in ("litert", "onnx"):
        source = generating_input(tiny_decoders.decoder("gpt2"), RUNTIMES[runtime], context=CONTEXT)
        sides.append((torch_session(source.module, source.signature), source.signature))
    found = compare_greedy(sides[0], sides[1], PROMPTS, TOKENS)
    assert found.passed
    assert found.equal == found.compared == 3 * TOKENS
    assert found.error < 1e-4
    assert found.sentence().startswith("72 of 72 greedy tokens after 3 prompts are the same")


def test_another_model_is_no_tie() -> None:
    source = generating_input(tiny_decoders.decoder("llama"), RUNTIMES["litert"], context=CONTEXT)
    model = tiny_decoders.decoder("llama").with_positions(CONTEXT)
    other = generating_input(model, RUNTIMES["litert"], context=CONTEXT)
    with torch.no_grad():
        rolled = nn.Parameter(source.module.model.output.weight.roll(1, dims=0))
    other.module.model.output.weight = rolled
    runs = [(torch_session(each.module, each.signature), each.signature) for each in (source, other)]
    found = compare_greedy(runs[0], runs[1], PROMPTS, TOKENS)
    assert not found.passed
    assert "which rounding does not explain" in found.sentence()


def test_int8_and_float_part_by_no_more_than_rounding_explains() -> None:
    source = generating_input(tiny_decoders.decoder("qwen3"), RUNTIMES["litert"], context=CONTEXT)
    run = torch_session(source.module, source.signature)
    wanted = [write_greedy(run, source.signature, prompt, TOKENS) for prompt in PROMPTS]
    with as_int8(source.module.model, list(parts_of(source.module.model))):
        found = [write_greedy(run, source.signature, prompt, TOKENS) for prompt in PROMPTS]
    judged = compared_texts(zip(wanted, found, strict=True))
    assert judged.passed, judged.sentence()
    assert judged.error > 0


def test_a_tie_is_within_twice_the_error_and_what_comes_after_it_does_not_count() -> None:
    ours = text((3.0, 1.0), (2.0, 1.95), (0.0, 9.0))
    theirs = text((2.9, 1.1), (1.95, 2.0), (9.0, 0.0))
    found = compared_texts([(ours, theirs)])
    assert (found.compared, found.equal) == (2, 1)
    assert found.error == pytest.approx(0.1)
    assert found.partings[0].gap == pytest.approx(0.1)
    assert found.passed


def test_a_gap_beyond_the_error_is_wrong() -> None:
    ours = text((3.0, 1.0), (2.0, 1.0))
    theirs = text((2.99, 1.0), (1.0, 2.0))
    found = compared_texts([(ours, theirs)])
    assert not found.passed
    assert found.wrong[0].tokens == (0, 1)
    assert "the text of prompt 1 parts after 1 tokens by a gap of 2" in found.sentence()


def test_nothing_written_is_no_agreement() -> None:
    assert not compared_texts([]).passed
