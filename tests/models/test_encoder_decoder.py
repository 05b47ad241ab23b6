"""An encoder-decoder's scores are its library's, padding changes nothing, and a cut is what a mask makes of it."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from edgewright.models.encoder_decoder import EncoderDecoderModel, bucket_rows
from edgewright.models.encoder_decoder_shape import StackCut, everything
from tests import tiny_t5

EXACT = 3e-5  # of logits up to 27, in float32
WRITTEN = 6


def padded(source: Tensor, before: int, behind: int) -> tuple[Tensor, Tensor]:
    ids = torch.nn.functional.pad(source, (before, behind), value=5)
    return ids, torch.nn.functional.pad(torch.ones_like(source), (before, behind))


@pytest.mark.parametrize("variant", tiny_t5.VARIANTS)
@torch.inference_mode()
def test_logits_are_those_of_transformers_at_every_length_with_padding_and_without(variant: str) -> None:
    model, ids = tiny_t5.model_of(variant), tiny_t5.ids_of(2, WRITTEN, seed=4)
    for length in tiny_t5.LENGTHS:
        source = tiny_t5.ids_of(2, length)
        wanted = tiny_t5.original(variant)(input_ids=source, decoder_input_ids=ids).logits
        assert (model(source, None, ids) - wanted).abs().max() < EXACT
        for before, behind in ((0, 5), (3, 0), (2, 9)):
            assert (model(*padded(source, before, behind), ids) - wanted).abs().max() < EXACT


@torch.inference_mode()
def test_padding_is_masked_and_not_merely_small() -> None:
    model, ids, source = tiny_t5.model_of("t5"), tiny_t5.ids_of(2, WRITTEN, seed=4), tiny_t5.ids_of(2, 7)
    filled, mask = padded(source, 0, 5)
    other = torch.where(mask.bool(), filled, 9)
    assert torch.equal(model(filled, mask, ids), model(other, mask, ids))
    assert (model(filled, None, ids) - model(source, None, ids)).abs().max() > 0.1


@torch.inference_mode()
def test_no_token_sees_one_behind_it() -> None:
    model, ids, source = tiny_t5.model_of("flan-t5"), tiny_t5.ids_of(1, 8, seed=4), tiny_t5.ids_of(1, 5)
    whole = model(source, None, ids)
    assert torch.allclose(model(source, None, ids[:, :3]), whole[:, :3], atol=EXACT)


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("buckets", "reach"), [(32, 128), (8, 20)])
def test_distances_are_in_the_buckets_of_transformers(both_ways: bool, buckets: int, reach: int) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    distances = torch.arange(-300, 300) if both_ways else torch.arange(300)
    wanted = T5Attention._relative_position_bucket(-distances, both_ways, buckets, reach)
    found = bucket_rows(distances, buckets=buckets, reach=reach, both_ways=both_ways)
    assert torch.equal(found, wanted)
    assert set(found.tolist()) == set(range(buckets)) - ({buckets // 2} if both_ways else set())


CUTS: dict[str, tuple[list[StackCut], list[StackCut]]] = {
    "encoder layers": ([StackCut(layer=i, heads=(0, 1, 2, 3), neurons=tuple(range(48))) for i in (0, 2)], []),
    "decoder layers": ([], [StackCut(layer=1, heads=(0, 1, 2, 3), neurons=tuple(range(48)), cross_heads=(0, 1, 2, 3))]),
    "heads": (
        [StackCut(layer=i, heads=(1, 3), neurons=tuple(range(48))) for i in range(3)],
        [StackCut(layer=i, heads=(2, 3), neurons=tuple(range(48)), cross_heads=(0, 3)) for i in range(2)],
    ),
    "unlike heads and neurons": (
        [
            StackCut(layer=0, heads=(), neurons=(5, 7)),
            StackCut(layer=1, heads=(2,), neurons=()),
            StackCut(layer=2, heads=(), neurons=()),
        ],
        [
            StackCut(layer=0, heads=(3,), neurons=(40, 41), cross_heads=()),
            StackCut(layer=1, heads=(), neurons=(), cross_heads=(1, 2)),
        ],
    ),
}


def masked(model: EncoderDecoderModel, encoder: list[StackCut], decoder: list[StackCut]) -> EncoderDecoderModel:
    """The same model, in which what does not stay writes nothing."""
    width = model.shape.head_width
    for stack, cuts in ((model.encoder, encoder), (model.decoder, decoder)):
        stays = {cut.layer: cut for cut in cuts}
        for index in range(len(stack.layers)):
            layer, cut = stack.layer(index), stays.get(index, StackCut(layer=index, heads=(), neurons=()))
            _silence(layer.attention_output.weight, cut.heads, width)
            _silence(layer.down.weight, cut.neurons, 1)
            if layer.shape.cross_heads:
                _silence(layer.cross_output.weight, cut.cross_heads, width)
    return model


def _silence(weight: Tensor, stays: tuple[int, ...], width: int) -> None:
    columns = torch.ones(weight.shape[1] // width)
    columns[list(stays)] = 0
    weight.data[:, columns.repeat_interleave(width).bool()] = 0


@pytest.mark.parametrize("what", CUTS)
@pytest.mark.parametrize("variant", ["t5", "flan-t5"])
@torch.inference_mode()
def test_a_cut_is_what_a_mask_makes_of_the_model(variant: str, what: str) -> None:
    model, (encoder, decoder) = tiny_t5.model_of(variant), CUTS[what]
    encoder, decoder = (
        encoder or list(everything(model.shape.encoder)),
        decoder or list(everything(model.shape.decoder)),
    )
    source, ids = tiny_t5.ids_of(2, 20), tiny_t5.ids_of(2, WRITTEN, seed=4)
    cut = model.sliced(encoder, decoder)
    found = cut(*padded(source, 0, 4), ids)
    assert cut.parameters_count < model.parameters_count
    assert (found - model(source, None, ids)).abs().max() > 0.1
    assert (found - masked(model, encoder, decoder)(source, None, ids)).abs().max() < EXACT


@pytest.mark.parametrize("variant", ["t5", "flan-t5"])
@torch.inference_mode()
def test_a_narrow_model_is_one_whose_other_dimensions_hold_nothing(variant: str) -> None:
    model, stays = tiny_t5.model_of(variant), [0, 1, 5, 6, 7, 11, 20, 22, 30, 31]
    goes = torch.ones(model.shape.width, dtype=torch.bool)
    goes[stays] = False
    model.tokens.weight.data[:, goes] = 0
    for stack in (model.encoder, model.decoder):
        for index in range(len(stack.layers)):
            layer = stack.layer(index)
            for part in ("attention_output", "cross_output", "down"):
                if hasattr(layer, part):
                    getattr(layer, part).weight.data[goes] = 0
    narrow = model.sliced(everything(model.shape.encoder), everything(model.shape.decoder), width=stays)
    source, ids = tiny_t5.ids_of(2, 12), tiny_t5.ids_of(2, WRITTEN, seed=4)
    assert narrow.shape.width == len(stays)
    assert (narrow(source, None, ids) - model(source, None, ids)).abs().max() < EXACT


@torch.inference_mode()
def test_tokens_that_stay_keep_their_scores() -> None:
    kept = [0, 1, 50, 7, 96]
    for variant in ("t5", "flan-t5"):
        model = tiny_t5.model_of(variant)
        small, ids = model.with_vocabulary(kept), torch.tensor([[2, 3, 4, 1]])
        theirs = torch.tensor(kept)[ids]
        assert torch.allclose(small(ids, None, ids), model(theirs, None, theirs)[..., kept], atol=EXACT)


@torch.inference_mode()
def test_fewer_positions_change_nothing_of_shorter_texts() -> None:
    model, source = tiny_t5.model_of("t5 with usual distances"), tiny_t5.ids_of(2, 9)
    short = model.with_positions(10)
    assert short.shape == replace(model.shape, positions=10)
    assert torch.equal(short(source, None, source), model(source, None, source))
