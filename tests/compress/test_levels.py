"""What each layer may keep: nested levels, whose errors rise, and in which padding does not count."""

import itertools

import torch

from edgewright.compress.levels import grams, levels
from edgewright.models.inputs import TextInputs
from edgewright.models.model import TransformerModel
from edgewright.models.transformer_shape import LayerCut
from tests import tiny


def test_padding_does_not_count() -> None:
    rows = tiny.rows(6)
    alone = [grams(tiny.model_copy(), TextInputs([row])) for row in rows]
    together = grams(tiny.model_copy(), TextInputs(rows))
    sizes = torch.tensor([float(len(row.ids)) for row in rows])
    for layer in range(3):
        for name in ("attention", "feed_forward"):
            each = torch.stack([getattr(one[layer], name) for one in alone])
            mean = (each * (sizes / sizes.sum())[:, None, None]).sum(dim=0)
            assert torch.allclose(getattr(together[layer], name), mean, rtol=1e-3, atol=1e-4)


def test_levels_are_nested_and_their_errors_rise_to_all_that_the_part_said() -> None:
    for layer in levels(tiny.model_copy(), TextInputs(tiny.rows(100)), multiple=16):
        assert [len(level.kept) for level in layer.heads] == [4, 3, 2, 1, 0]
        assert [len(level.kept) for level in layer.neurons] == [64, 48, 32, 16, 0]
        for part in (layer.heads, layer.neurons):
            assert part[0].error == 0
            assert part[-1].error > 0.01
            for before, after in itertools.pairwise(part):
                assert set(after.kept) < set(before.kept)
                assert after.error > before.error


def test_a_part_that_is_constant_already_has_one_level() -> None:
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=0, heads=(), neurons=(1, 2)), LayerCut(layer=1, heads=(0,), neurons=())]
    student = TransformerModel(teacher.encoder.sliced(cuts), teacher.head).eval()
    first, second = levels(student, TextInputs(tiny.rows(50)))
    assert [level.kept for level in first.heads] == [level.kept for level in second.neurons] == [()]
    assert first.heads[0].error == second.neurons[0].error == 0
