"""With a draft the larger decoder's greedy text is the same, token for token, in fewer passes."""

import copy

import pytest
import torch

from edgewright.errors import InputError
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_loading import from_transformers
from edgewright.models.speculative import DraftedText, write_drafted
from tests.tiny_decoders import POSITIONS, VOCABULARY, decoder, ids_of, made

KINDS = ("llama", "mistral with a window", "qwen3", "gpt2")
TOKENS = 24


def greedy(model: DecoderModel, ids: list[int], count: int) -> list[int]:
    """The likeliest token, `count` times, each by reading the whole text before it."""
    text = list(ids)
    with torch.inference_mode():
        for _ in range(count):
            text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    return text[len(ids) :]


def roughened(model: DecoderModel, share: float) -> DecoderModel:
    """A copy that agrees with the model for some of its tokens."""
    with torch.inference_mode(False):
        draft, chance = copy.deepcopy(model), torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weights in draft.parameters():
                weights.add_(torch.randn(weights.shape, generator=chance) * weights.std(correction=0) * share)
    return draft


def drafted(model: DecoderModel, draft: DecoderModel, ids: list[int], **how: int) -> DraftedText:
    return write_drafted(model, draft, ids, max_tokens=TOKENS, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 3.0])
def test_the_text_is_that_of_the_larger_one_alone_however_good_the_draft(kind: str, share: float) -> None:
    model = decoder(kind)
    draft = roughened(model, share)
    for ids in ids_of(3, 5).tolist():
        for ahead in (1, 4, 7):
            found = drafted(model, draft, ids, ahead=ahead)
            assert list(found.tokens) == greedy(model, ids, TOKENS)
            assert found.accepted <= found.drafted <= ahead * found.passes
            assert found.passes <= TOKENS - 1
            assert len(found.tokens) == 1 + found.passes + found.accepted


def test_a_draft_that_is_the_model_is_taken_whole_and_one_that_knows_nothing_costs_no_pass_more() -> None:
    model, (ids,) = decoder("llama"), ids_of(1, 6).tolist()
    same = drafted(model, model, ids)
    assert (same.acceptance, same.passes) == (1.0, 5)  # the first token, then 5, 5, 5, 5 and 3
    assert same.passes_saved == pytest.approx(23 / 5)
    other = drafted(model, roughened(model, 3.0), ids)
    assert other.passes <= TOKENS - 1
    assert other.acceptance is not None
    assert other.acceptance < 0.5


def test_it_ends_with_a_stop_at_the_most_tokens_or_where_the_context_is_full() -> None:
    model, (ids,) = decoder("llama"), ids_of(1, 6).tolist()
    plain = greedy(model, ids, TOKENS)
    for place in (0, 1, 7):
        first = plain.index(plain[place])
        found = write_drafted(model, model, ids, max_tokens=TOKENS, stop=[plain[place]])
        assert list(found.tokens) == plain[: first + 1]
        assert found.accepted <= found.drafted
    assert list(write_drafted(model, model, ids, max_tokens=1).tokens) == plain[:1]
    assert write_drafted(model, model, ids, max_tokens=1).acceptance is None
    assert write_drafted(model, model, ids, max_tokens=1).passes_saved is None
    (long,) = ids_of(1, POSITIONS - 3).tolist()
    assert len(write_drafted(model, model, long, max_tokens=50).tokens) == 4
    (full,) = ids_of(1, POSITIONS).tolist()
    assert len(write_drafted(model, model, full, max_tokens=50).tokens) == 1


def test_a_draft_of_other_tokens_and_a_prompt_that_does_not_fit_are_refused() -> None:
    model = decoder("llama")
    with torch.inference_mode(False):
        other = from_transformers(made("llama", vocab_size=50))
    with pytest.raises(InputError, match=f"the draft has a vocabulary of 50 and the model one of {VOCABULARY}"):
        drafted(model, other, [1])
    for ids in ([], [1] * (POSITIONS + 1)):
        with pytest.raises(InputError, match=f"the prompt has {len(ids)} ids, and the context takes 1 to {POSITIONS}"):
            drafted(model, model, ids)
