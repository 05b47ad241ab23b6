"""A student's layers are held against its teacher's at the depth each of them ends at."""

import pytest
import torch

from edgewright.compress.drift import drift
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.inputs import TextInputs
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.transformer_shape import LayerCut, LayerShape
from tests import tiny


def of_layers(*layers: int) -> TransformerModel:
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=layer, heads=(0, 1, 2, 3), neurons=tuple(range(64))) for layer in layers]
    return TransformerModel(teacher.encoder.sliced(cuts), teacher.head).eval()


def test_a_copy_leaves_its_teacher_nowhere() -> None:
    rows = drift(tiny.model_copy(), tiny.model_copy(), (0, 1, 2), TextInputs(tiny.rows(12)))
    assert [row["layer"] for row in rows] == [row["from_layer"] for row in rows] == [0, 1, 2]
    assert [row["cosine"] for row in rows] == pytest.approx([1.0] * 3, abs=1e-5)


def test_a_layer_that_stands_for_several_is_compared_with_the_last_of_them() -> None:
    inputs = TextInputs(tiny.rows(12))
    first, second = drift(of_layers(0, 2), tiny.model_copy(), (0, 2), inputs)
    assert (first["from_layer"], second["from_layer"]) == (0, 2)
    # Its first layer is the teacher's first, but stands for two: it is compared with what the second gives.
    student, teacher = of_layers(0, 2), tiny.model_copy()
    totals = tokens = 0.0
    for index in range(12):
        batch = inputs.batch([index])
        with torch.inference_mode():
            ours, theirs = student.encoder.all_hidden(*batch)[1], teacher.encoder.all_hidden(*batch)[2]
        totals += float(torch.nn.functional.cosine_similarity(ours, theirs, dim=-1).sum())
        tokens += ours.shape[1]
    assert first["cosine"] == pytest.approx(totals / tokens, abs=1e-5)
    assert first["cosine"] < 0.9999


def test_padding_counts_for_nothing() -> None:
    rows = sorted(tiny.rows(12), key=lambda row: len(row.ids))
    together = drift(of_layers(0, 2), tiny.model_copy(), (0, 2), TextInputs(rows))
    alone = [drift(of_layers(0, 2), tiny.model_copy(), (0, 2), TextInputs([row])) for row in rows]
    sizes = [len(row.ids) for row in rows]
    for layer in range(2):
        weighted = sum(size * each[layer]["cosine"] for size, each in zip(sizes, alone, strict=True)) / sum(sizes)
        assert together[layer]["cosine"] == pytest.approx(weighted, abs=1e-5)


def test_where_widths_differ_or_no_layers_are_left_there_is_nothing_to_compare() -> None:
    layer = LayerShape(heads=2, head_width=8, neurons=32)
    shape = EncoderShape(vocabulary=len(tiny.pieces()), positions=32, width=16, layers=(layer,))
    narrow = TransformerModel(Encoder(shape), Head(HeadShape(pooling="mean", projected=32), 16)).eval()
    inputs = TextInputs(tiny.rows(3))
    assert drift(narrow, tiny.model_copy(), (0,), inputs) == []
    assert drift(tiny.model_copy(), tiny.model_copy(), (), inputs) == []
