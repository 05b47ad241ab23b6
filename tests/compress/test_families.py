"""Every family of texts through every stage that makes it smaller; what one cannot do is refused by name."""

from dataclasses import replace

import pytest
import torch

from edgewright.compress.importance import importance
from edgewright.compress.levels import levels
from edgewright.compress.low_rank import factorise
from edgewright.compress.prune import prune
from edgewright.compress.reconstruct import reconstructed
from edgewright.compress.unit_counts import PruneSizes
from edgewright.errors import InputError
from edgewright.modality.encoded import Encoded
from edgewright.models.inputs import TextInputs
from edgewright.models.loading import from_transformers
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.smoothing import pairs_of
from edgewright.models.text import outputs, padded
from edgewright.models.transformer_shape import LINEARS
from tests import tiny

KINDS = ("magnitude", "activation", "taylor", "fisher")
NEW = ("xlm-roberta", "mpnet", "albert", "modernbert", "deberta-v2")


def rows(count: int = 60) -> list[Encoded]:
    return tiny.rows(count)


def model_of(family: str) -> TransformerModel:
    encoder = from_transformers(tiny.family_model(family)).with_positions(tiny.MAX_LENGTH)
    torch.manual_seed(1)
    return TransformerModel(encoder, Head(HeadShape(pooling="mean"), 32)).eval()


def likeness(one: TransformerModel, other: TransformerModel) -> float:
    return float(torch.cosine_similarity(outputs(one, rows()), outputs(other, rows())).mean())


@pytest.mark.parametrize("family", NEW)
@pytest.mark.parametrize("kind", KINDS)
def test_heads_neurons_and_layers_of_every_family_are_ranked_and_cut(family: str, kind: str) -> None:
    model = model_of(family)
    scores = importance(model, TextInputs(rows()), kind=kind)
    # A head, a neuron of gated ones too, whose outputs nobody reads, matters least.
    layer = model.encoder.layer(1)
    with torch.no_grad():
        layer.attention_output.weight[:, 8:16] = 0
        layer.down.weight[:, 5] = 0
    silent = importance(model, TextInputs(rows()), kind=kind).layers[1]
    if kind != "magnitude":
        assert int(silent.heads.argmin()) == 1
        assert int(silent.neurons.argmin()) == 5
    small = prune(model, scores, PruneSizes(layers=2, heads=2, neurons=24)).model
    assert [(each.heads, each.neurons) for each in small.encoder.shape.layers] == [(2, 24)] * 2
    assert outputs(small, rows(8)).isfinite().all()
    narrow = prune(model, scores, PruneSizes(width=24)).model
    assert narrow.encoder.shape.width == 24
    assert outputs(narrow, rows(8)).isfinite().all()


@pytest.mark.parametrize("family", NEW)
def test_what_is_cut_is_refitted_and_comes_nearer_to_the_whole(family: str) -> None:
    model, sample = model_of(family), TextInputs(rows(300))
    found = levels(model, sample)
    cuts = [
        replace(cut, heads=found[index].heads[2].kept, neurons=found[index].neurons[40].kept)
        for index, cut in enumerate(whole_cuts(model))
    ]
    width = list(range(0, 32, 2)) + list(range(1, 17, 2))
    for kept in (None, sorted(width)):
        encoder = model.encoder.sliced(cuts, width=kept)
        head = model.head if kept is None else model.head.sliced(kept, 32)
        cut = TransformerModel(encoder, head).eval()
        refitted = reconstructed(cut, model, cuts, sample, width=kept)
        assert likeness(refitted, model) > likeness(cut, model)


def whole_cuts(model: TransformerModel) -> list:  # type: ignore[type-arg]
    from edgewright.models.transformer_shape import LayerCut

    shapes = enumerate(model.encoder.shape.layers)
    return [LayerCut(layer=i, heads=tuple(range(s.heads)), neurons=tuple(range(s.neurons))) for i, s in shapes]


@pytest.mark.parametrize("family", NEW)
def test_matrices_and_the_token_table_of_every_family_become_products(family: str) -> None:
    model, sample = model_of(family), TextInputs(rows(200))
    found = factorise(model, sample, parts=("tokens", *LINEARS), energy=0.999, multiple=1)
    assert likeness(found.model, model) > 0.95
    ranks = factorise(model, sample, parts=("tokens",), ranks={"tokens": 6}, multiple=1).model
    assert ranks.encoder.shape.token_rank == 6
    again = factorise(ranks, sample, parts=("tokens",), ranks={"tokens": 4}, multiple=1).model
    assert again.encoder.shape.token_rank == 4
    cut = prune(ranks, importance(ranks, sample, kind="activation"), PruneSizes(heads=2, width=24)).model
    assert outputs(cut, rows(8)).isfinite().all()


@pytest.mark.parametrize("family", NEW)
@torch.no_grad()
def test_channels_of_pairs_may_be_rescaled(family: str) -> None:
    model = model_of(family)
    before = outputs(model, rows(12))
    count = 0
    for made, reader in pairs_of(model):
        scale = torch.rand(reader.weight.shape[1]) + 0.5
        for tensor in made:
            tensor.mul_(scale.view(-1, *[1] * (tensor.ndim - 1)))
        reader.weight.div_(scale)
        count += 1
    assert count >= 3
    assert (outputs(model, rows(12)) - before).abs().max() < 1e-4


@pytest.mark.parametrize("family", NEW)
def test_every_parameter_of_every_family_learns(family: str) -> None:
    """What the mask hides and queries and keys share is the exception: a key's bias moves all scores alike."""
    model = model_of(family).train()
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    ids, mask = padded(rows(40))
    model(ids, mask).square().mul(torch.randn(32)).sum().backward()
    still = [name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()]
    assert not [name for name in still if "distance" not in name]


def test_channels_of_heads_that_turn_in_pairs_are_not_cut() -> None:
    model = model_of("modernbert")
    scores = importance(model, TextInputs(rows()), kind="activation")
    with pytest.raises(InputError, match=r"head_width asks for 4 of 8 channels, but this model's rotary positions"):
        prune(model, scores, PruneSizes(head_width=4))
    for family in ("mpnet", "albert", "deberta-v2"):
        whole = model_of(family)
        narrow = prune(whole, importance(whole, TextInputs(rows()), kind="activation"), PruneSizes(head_width=4)).model
        assert narrow.encoder.shape.layers[0].head_width == 4
        assert outputs(narrow, rows(8)).isfinite().all()
