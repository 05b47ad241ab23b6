"""Scores are written and read back the same, and scores that are no numbers are refused by their place."""

from pathlib import Path

import pytest
import torch

from edgewright.compress.importance_scores import Importance, LayerImportance, Scores
from edgewright.errors import ModelError
from tests import tiny


def scored(layers: int = 12) -> Importance:
    chance = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=chance)

    return Importance(
        kind="fisher",
        layers=tuple(
            LayerImportance(heads=drawn(4), neurons=drawn(6), query_key=drawn(4, 2), value=drawn(2, 4).T, layer=drawn())
            for _ in range(layers)
        ),
        width=drawn(8),
    )


def test_scores_are_read_back_as_they_were_also_of_more_than_ten_layers(tmp_path: Path) -> None:
    whole = scored(layers=12)
    whole.save(tmp_path / "scores.safetensors")
    back = Importance.load(tmp_path / "scores.safetensors")
    assert back.kind == "fisher"
    assert torch.equal(back.width, whole.width)
    assert len(back.layers) == 12
    for found, wanted in zip(back.layers, whole.layers, strict=True):
        for name, scores in vars(wanted).items():
            assert torch.equal(getattr(found, name), scores), name


def test_totals_begin_at_nothing_in_the_shapes_of_the_model() -> None:
    scores = Scores(tiny.model_copy())
    found = scores.finished("activation")
    assert [tuple(each.shape) for each in vars(found.layers[0]).values()] == [(4,), (64,), (4, 8), (4, 8), ()]
    assert not found.width.any()
    assert scores.readers.shape == (2 * 3 + 1, 32)


def test_matrices_that_read_a_dimension_count_alike_whatever_their_scale() -> None:
    scores = Scores(tiny.model_copy())
    scores.readers[0, 0], scores.readers[0, 1] = 3e6, 1e6
    scores.readers[1, 1] = 2e-6
    width = scores.finished("activation").width
    torch.testing.assert_close(width[:3], torch.tensor([0.75, 1.25, 0.0]))


@pytest.mark.parametrize("fault", [torch.nan, torch.inf])
def test_a_score_that_is_not_finite_is_reported_by_its_layer_and_part(fault: float) -> None:
    scores = Scores(tiny.model_copy())
    scores.layers[1].neurons[3] = fault
    with pytest.raises(ModelError, match="taylor importance of layer 1's neurons is not finite"):
        scores.finished("taylor")


def test_and_so_is_one_of_the_width() -> None:
    scores = Scores(tiny.model_copy())
    scores.width[0] = torch.nan
    with pytest.raises(ModelError, match="fisher importance of the width is not finite"):
        scores.finished("fisher")
