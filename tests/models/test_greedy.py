"""What is written greedily, several texts at a time, is what one would write alone without a cache."""

import pytest
import torch

from edgewright.errors import InputError
from edgewright.models import greedy as writing
from edgewright.models.decoder import DecoderModel
from edgewright.models.greedy import greedy
from tests import tiny_decoders


@torch.inference_mode()
def alone(model: DecoderModel, prompt: list[int], *, ends: set[int], most: int) -> tuple[int, ...]:
    """Each token from the whole text before it."""
    text = list(prompt)
    while len(text) - len(prompt) < most and len(text) <= model.shape.positions:
        token = int(model(torch.tensor([text]))[0, -1].argmax())
        if token in ends:
            break
        text.append(token)
    return tuple(text[len(prompt) :])


def prompts(*lengths: int) -> list[list[int]]:
    return [tiny_decoders.ids_of(1, length, seed=length)[0].tolist() for length in lengths]


@pytest.mark.parametrize("variant", ["llama", "llama with one table", "mistral with a window", "qwen3", "gpt2"])
def test_texts_together_are_what_each_is_alone(variant: str) -> None:
    model = tiny_decoders.decoder(variant)
    asked = prompts(9, 1, 30, 4)
    ends = {alone(model, asked[0], ends=set(), most=5)[-1]}  # one that comes
    wanted = [alone(model, prompt, ends=ends, most=12) for prompt in asked]
    assert greedy(model, asked, ends=ends, most=12) == wanted
    assert len(wanted[0]) < 12


def test_many_texts_are_written_in_several_lots(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = tiny_decoders.decoder("llama"), prompts(3, 17, 5, 8, 2)
    wanted = greedy(model, asked, ends=(), most=6)
    heard: list[int] = []
    monkeypatch.setattr(writing, "TOGETHER", 2)
    assert greedy(model, asked, ends=(), most=6, on_progress=heard.append) == wanted
    assert heard == [2, 4, 5]


def test_a_text_ends_where_the_model_has_no_more_positions() -> None:
    model = tiny_decoders.decoder("llama")
    (asked,) = prompts(tiny_decoders.POSITIONS - 2)
    written = greedy(model, [asked, asked[:5]], ends=(), most=50)
    assert [len(each) for each in written] == [3, 50]  # the last token is told at the last position, and not read
    assert written[0] == alone(model, asked, ends=set(), most=3)


def test_a_model_whose_first_token_ends_writes_nothing() -> None:
    model, asked = tiny_decoders.decoder("llama"), prompts(4)
    assert greedy(model, asked, ends=set(range(tiny_decoders.VOCABULARY)), most=5) == [()]
    assert greedy(model, [], ends=(), most=5) == []


def test_a_model_that_does_not_generate_is_refused() -> None:
    from tests import tiny

    with pytest.raises(InputError, match="no text to go on with"):
        greedy(tiny.model_copy(), [[1]], ends=(), most=2)
