"""A decoder with a cache says, token by token, what it says of the whole text."""

import pytest
import torch

from edgewright.models.decoder import DecoderModel, everything
from edgewright.models.decoding import CachedDecoder, Int8CachedDecoder, int8_rows
from edgewright.models.transformer_shape import LayerCut
from tests import tiny_decoders

LIMIT = 1e-4
CONTEXT = 40


def polluted(model: DecoderModel, context: int = CONTEXT) -> list[torch.Tensor]:
    """A cache that an earlier text left something in everywhere."""
    generator = torch.Generator().manual_seed(5)
    return [9 * torch.randn(size, generator=generator) for _, size in model.shape.state(context)]


def run_on(model: DecoderModel, *, by_operator: bool, every: bool = False) -> CachedDecoder:
    """The model with a cache, whose attention is in parts or one operator."""
    cached = CachedDecoder(model, context=CONTEXT, every=every)
    return cached.with_operators() if by_operator else cached


@pytest.mark.parametrize("by_operator", [False, True])
@pytest.mark.parametrize("variant", tiny_decoders.VARIANTS)
@pytest.mark.parametrize("steps", [(33,), (1,) * 9, (7, 1, 1, 20, 1), (1, 32)])
@torch.inference_mode()
def test_steps_of_any_size_give_the_logits_of_the_whole(
    variant: str, steps: tuple[int, ...], *, by_operator: bool
) -> None:
    model = tiny_decoders.decoder(variant)
    cached, state, at = run_on(model, by_operator=by_operator, every=True), polluted(model), 0
    ids = tiny_decoders.ids_of(1, sum(steps))
    found = []
    for step in steps:
        logits, *state = cached(ids[:, at : at + step], torch.tensor([at]), *state)
        found.append(logits)
        at += step
    assert float((torch.cat(found, dim=1) - model(ids)).abs().max()) < LIMIT


@torch.inference_mode()
def test_the_last_token_alone_is_said_unless_all_are_asked_for() -> None:
    model = tiny_decoders.decoder("llama")
    ids, state = tiny_decoders.ids_of(1, 5), polluted(model)
    last, *_ = CachedDecoder(model, context=CONTEXT)(ids, torch.tensor([0]), *state)
    every, *_ = CachedDecoder(model, context=CONTEXT, every=True)(ids, torch.tensor([0]), *state)
    assert last.shape == (1, tiny_decoders.VOCABULARY)
    assert every.shape == (1, 5, tiny_decoders.VOCABULARY)
    assert float((every[:, -1] - last).abs().max()) < 1e-5


@pytest.mark.parametrize("by_operator", [False, True])
@pytest.mark.parametrize("variant", ["llama", "gpt2", "mistral with a window"])
@torch.inference_mode()
def test_ids_in_a_column_have_logits_of_each_and_those_read_in_vain_are_overwritten(
    variant: str, *, by_operator: bool
) -> None:
    model = tiny_decoders.decoder(variant)
    cached, state = run_on(model, by_operator=by_operator), polluted(model)
    ids = tiny_decoders.ids_of(1, 20)
    _, *state = cached(ids[:, :10], torch.tensor([0]), *state)
    _, *state = cached((ids[:, 10:15] + 1).T % tiny_decoders.VOCABULARY, torch.tensor([10]), *state)
    logits, *state = cached(ids[:, 10:15].T, torch.tensor([10]), *state)
    last, *_ = cached(ids[:, 15:], torch.tensor([15]), *state)
    assert logits.shape == (5, tiny_decoders.VOCABULARY)
    assert float((torch.cat([logits, last]) - model(ids)[0][[10, 11, 12, 13, 14, 19]]).abs().max()) < LIMIT


@torch.inference_mode()
def test_prompts_in_any_order_give_the_same() -> None:
    model = tiny_decoders.decoder("qwen3")
    cached = CachedDecoder(model, context=CONTEXT)
    prompts = [tiny_decoders.ids_of(1, length, seed=length) for length in (30, 2, 9)]
    found: dict[int, list[torch.Tensor]] = {0: [], 1: [], 2: []}
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        state = [torch.zeros(size) for _, size in model.shape.state(CONTEXT)]
        for prompt in order:
            logits, *state = cached(prompts[prompt], torch.tensor([0]), *state)
            found[prompt].append(logits)
    for same in found.values():
        assert torch.equal(same[0], same[1])
        assert torch.equal(same[0], same[2])


@pytest.mark.parametrize("by_operator", [False, True])
@torch.inference_mode()
def test_what_is_to_be_written_is_what_is_written(*, by_operator: bool) -> None:
    model = tiny_decoders.decoder("mistral with a window")
    cached, state = run_on(model, by_operator=by_operator), polluted(model)
    ids, position = tiny_decoders.ids_of(1, 6), torch.tensor([4])
    _, *written = cached(ids, position, *state)
    _, *rows = cached.advance(ids, position, *state)
    for before, after, new in zip(state, written, rows, strict=True):
        assert new.shape == (3, 2, 6, 8)
        assert torch.equal(after[:, :, 4:10], new)
        assert torch.equal(after[:, :, :4], before[:, :, :4])
        assert torch.equal(after[:, :, 10:], before[:, :, 10:])


@pytest.mark.parametrize("by_operator", [False, True])
@torch.inference_mode()
def test_layers_of_unlike_groups_share_a_cache(*, by_operator: bool) -> None:
    model = tiny_decoders.decoder("llama with biases")
    whole = everything(model.shape)
    cuts = (LayerCut(layer=0, heads=(1,), neurons=(3, 4)), LayerCut(layer=1, heads=(), neurons=(0, 7)), whole[2])
    cut = model.sliced(cuts)
    assert cut.shape.state(CONTEXT)[0] == ("cache_k", (2, 2, CONTEXT, 8))
    cached, state = run_on(cut, by_operator=by_operator, every=True), polluted(cut)
    ids = tiny_decoders.ids_of(1, 11)
    first, *state = cached(ids[:, :6], torch.tensor([0]), *state)
    second, *state = cached(ids[:, 6:], torch.tensor([6]), *state)
    assert float((torch.cat([first, second], dim=1) - cut(ids)).abs().max()) < LIMIT


@pytest.mark.parametrize("by_operator", [False, True])
@pytest.mark.parametrize("variant", ["llama", "mistral with a window", "gpt2"])
@torch.no_grad()
def test_it_is_exported_for_any_length_and_for_one_token(variant: str, *, by_operator: bool) -> None:
    model = tiny_decoders.decoder(variant)
    cached, state = run_on(model, by_operator=by_operator), tuple(polluted(model))
    length = torch.export.Dim("length", min=2, max=CONTEXT)
    for ids, free in ((tiny_decoders.ids_of(1, 6), {1: length}), (tiny_decoders.ids_of(1, 1), None)):
        inputs = (ids, torch.tensor([2]), *state)
        program = torch.export.export(cached, inputs, dynamic_shapes=(free, None, None, None)).module()
        other = tiny_decoders.ids_of(1, 17 if free else 1, seed=8)
        found, wanted = program(other, torch.tensor([3]), *state), cached(other, torch.tensor([3]), *state)
        for ours, theirs in zip(found, wanted, strict=True):
            assert float((ours - theirs).abs().max()) < LIMIT


@torch.inference_mode()
def test_a_model_of_float16_has_its_attention_in_parts() -> None:
    model = tiny_decoders.decoder("llama")
    cached, ids = run_on(model, by_operator=True).half(), tiny_decoders.ids_of(1, 5)
    state = [torch.zeros(size).half() for _, size in model.shape.state(CONTEXT)]
    logits, *_ = cached(ids, torch.tensor([0]), *state)
    assert logits.dtype == torch.float16
    assert float((logits.float() - model.float()(ids)[:, -1]).abs().max()) < 0.1


@pytest.mark.parametrize("variant", ["llama", "mistral with a window", "gpt2", "qwen3"])
@pytest.mark.parametrize("steps", [(33,), (1,) * 9, (7, 1, 1, 20, 1)])
@torch.inference_mode()
def test_a_cache_in_int8_says_nearly_what_one_in_float_does(variant: str, steps: tuple[int, ...]) -> None:
    model = tiny_decoders.decoder(variant)
    cached, at, found = Int8CachedDecoder(model, context=CONTEXT, every=True), 0, []
    state = [torch.full_like(each, 99).to(torch.int8) for each in polluted(model)]
    state += [torch.full_like(each[..., :1], 5.0) for each in polluted(model)]
    ids = tiny_decoders.ids_of(1, sum(steps))
    for step in steps:
        logits, *state = cached(ids[:, at : at + step], torch.tensor([at]), *state)
        found.append(logits)
        at += step
    assert [each.dtype for each in state] == [torch.int8] * 2 + [torch.float32] * 2
    wanted = model(ids)
    off = float((torch.cat(found, dim=1) - wanted).abs().mean())
    assert off < 0.05 * float(wanted.std())
    assert off > 0 or len(steps) == 1


def test_rows_in_int8_are_off_by_half_a_step_at_most() -> None:
    rows = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    rows[1, 2] = 0
    found, scales = int8_rows(rows)
    assert found.dtype == torch.int8
    assert scales.shape == (3, 5, 1)
    assert ((found * scales - rows).abs() <= 0.501 * scales).all()
    assert not found[1, 2].any()
