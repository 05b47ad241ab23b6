"""What is exported gives, token by token with a cache, what the model gives of whole texts, whatever was there."""

import pytest
import torch
from torch import Tensor

from edgewright.errors import InputError
from edgewright.models.encoder_decoder import EncoderDecoderModel
from edgewright.models.encoder_decoder_methods import PADDING, CachedTarget, EncodeSource, SourceKeysValues
from edgewright.models.encoder_decoder_shape import StackCut, everything
from tests import tiny_t5

CONTEXT, EXACT = 24, 3e-5
UNLIKE = [
    StackCut(layer=0, heads=(3,), neurons=(40, 41), cross_heads=()),
    StackCut(layer=1, heads=(), neurons=(), cross_heads=(1, 2)),
]


def read(model: EncoderDecoderModel, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    encoded, seen = EncodeSource(model)(source)
    return (*SourceKeysValues(model)(encoded), seen)


def written(model: EncoderDecoderModel, source: Tensor, ids: Tensor, sizes: list[int], cache: list[Tensor]) -> Tensor:
    """The logits of the last token of each call; the cache is left as it is then."""
    of_source, place, found = read(model, source), 0, []
    target = CachedTarget(model, context=CONTEXT)
    for size in sizes:
        logits, *cache[:] = target(ids[:, place : place + size], torch.tensor([place]), *of_source, *cache)
        place += size
        found.append(logits)
    return torch.cat(found)


def empty(model: EncoderDecoderModel) -> list[Tensor]:
    return [torch.zeros(sizes) for _, sizes in model.shape.state(CONTEXT)]


@pytest.mark.parametrize("variant", [*tiny_t5.VARIANTS, "cut"])
@torch.inference_mode()
def test_with_a_cache_logits_are_those_without_one_however_the_source_is_padded(variant: str) -> None:
    model = tiny_t5.model_of("t5" if variant == "cut" else variant)
    if variant == "cut":
        model = model.sliced(everything(model.shape.encoder), UNLIKE)
    ids, cache = tiny_t5.ids_of(1, 9, seed=4), empty(model)
    for length in tiny_t5.LENGTHS:
        source = tiny_t5.ids_of(1, length)
        wanted = model(source, None, ids)[0]
        for padding in (0, 6):
            given = torch.nn.functional.pad(source, (0, padding), value=PADDING)
            assert (written(model, given, ids, [1] * 9, cache) - wanted).abs().max() < EXACT
            assert (written(model, given, ids, [4, 1, 3, 1], cache) - wanted[[3, 4, 7, 8]]).abs().max() < EXACT


@torch.inference_mode()
def test_padding_is_no_token_that_there_is() -> None:
    model = tiny_t5.model_of("t5")
    source = torch.tensor([[0, 5, 0]])  # a source may hold the id that transformers pads with
    encoded, seen = EncodeSource(model)(source)
    assert torch.equal(seen, torch.zeros(1, 3))
    assert (encoded - model.encoded(source)).abs().max() < EXACT


def test_what_has_nothing_to_run_on_with_or_too_few_positions_is_refused() -> None:
    model = tiny_t5.model_of("t5")
    deaf = [StackCut(layer=0, heads=(0,), neurons=(1,))]
    with pytest.raises(InputError, match="without attention to its source says the same of all"):
        CachedTarget(model.sliced(everything(model.shape.encoder), deaf), context=8)
    blank = [StackCut(layer=0, heads=(), neurons=(1,), cross_heads=(0,))]
    with pytest.raises(InputError, match="no cache to run on with; keep at least one head"):
        CachedTarget(model.sliced(everything(model.shape.encoder), blank), context=8)
    with pytest.raises(InputError, match="a context of 65 tokens is asked for, but the model has 64 positions"):
        CachedTarget(model, context=65)
