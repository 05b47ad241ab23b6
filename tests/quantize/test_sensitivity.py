"""Parts that int8 harms are found by simulating it, and left float by every runtime's real quantiser."""

import copy
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgewright.errors import UnknownNameError
from edgewright.models import text as texts
from edgewright.models.model import TransformerModel, reading
from edgewright.models.next_tokens import divergence
from edgewright.quantize.sensitivity import Degradation, Limits, sensitivity
from edgewright.quantize.simulated import as_int8, linear_parts, parts_of, rounded_rows, rounded_tokens
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES, runtimes_that
from tests import artifacts, tiny, tiny_decoders
from tests.calls import answered, compared

HARMED = "encoder.layers.1.attention_output"
INNER = 32  # heads × head width of the tiny model


def with_an_outlier() -> TransformerModel:
    """The tiny model, saying the same: one channel that an attention output reads is a thousand times larger."""
    model = copy.deepcopy(tiny.teacher().model)
    layer = model.encoder.layer(1)
    with torch.no_grad():
        for values in (layer.query_key_value.weight, layer.query_key_value.bias):
            values[2 * INNER + 5] *= 1000
        layer.attention_output.weight[:, 5] /= 1000
    return model


def run(model: TransformerModel) -> Tensor:
    return texts.outputs(model, artifacts.rows_of_every_length())


def mean_cosine(found: Tensor, wanted: Tensor) -> float:
    return float(torch.cosine_similarity(found, wanted).mean())


class Heard:
    """Keeps the progress that it hears of."""

    def hear(self, done: float, of: float) -> None:
        self.last = (done, of)


def test_weights_are_rounded_to_127ths_of_each_rows_largest() -> None:
    weights = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    weights[3] = 0
    steps = weights.abs().amax(dim=1, keepdim=True) / 127
    found = rounded_rows(weights)
    assert ((found - weights).abs() <= 0.501 * steps + 1e-9).all()
    whole = (found / steps.clamp_min(1e-9)).abs()
    assert torch.allclose(whole, whole.round(), atol=1e-3)
    assert not found[3].any()


def test_activations_are_rounded_to_256_steps_of_each_token_that_hold_zero() -> None:
    hidden = torch.randn(3, 4, 60, generator=torch.Generator().manual_seed(0)) + 3
    hidden[0, 0, :7] = 0
    hidden[1, 1] = 0
    found = rounded_tokens(hidden)
    spans = hidden.amax(dim=-1, keepdim=True).clamp_min(0) - hidden.amin(dim=-1, keepdim=True).clamp_max(0)
    assert ((found - hidden).abs() <= 1.01 * spans / 255 + 1e-9).all()
    assert not found[0, 0, :7].any()
    assert not found[1, 1].any()
    assert max(len(token.unique()) for token in found.flatten(0, 1)) <= 256


def test_within_it_parts_are_int8_and_after_it_as_they_were() -> None:
    model = copy.deepcopy(tiny.teacher().model)
    before, named = run(model), dict(model.named_modules())
    with suppress(KeyError), as_int8(model, list(parts_of(model))):
        within = run(model)
        raise KeyError
    assert not torch.equal(within, before)
    assert dict(model.named_modules()) == named
    assert torch.equal(run(model), before)


def test_of_an_ordinary_model_every_part_is_measured_and_none_is_kept() -> None:
    model = reading(tiny.teacher().model)
    heard = Heard()
    found = sensitivity(model, run, limits=Limits(error=0.1), on_progress=heard.hear)
    assert {part.name for part in found.parts} == set(parts_of(model))
    assert [part.error for part in found.parts] == sorted((part.error for part in found.parts), reverse=True)
    assert 0 < found.parts[0].error < found.error < 0.1
    assert found.excluded == ()
    assert found.left == found.error
    assert heard.last[0] <= heard.last[1]
    # Independent errors add up as squares do.
    assert sum(part.error**2 for part in found.parts) == pytest.approx(found.error**2, rel=0.5)


def test_the_part_that_an_outlier_spoils_is_kept_float_and_no_other() -> None:
    model = with_an_outlier()
    assert torch.allclose(run(model), run(tiny.teacher().model), atol=1e-3)
    found = sensitivity(model, run, limits=Limits(error=0.1))
    assert found.parts[0].name == HARMED
    assert found.error > 0.1
    assert found.excluded == (HARMED,)
    assert found.left < 0.1


def test_without_a_limit_only_what_was_asked_for_stays_float() -> None:
    found = sensitivity(with_an_outlier(), run, limits=Limits(error=None), excluded=["encoder.tokens"])
    assert found.excluded == ("encoder.tokens",)
    assert found.left > 0.1


def test_what_is_kept_is_no_more_than_the_limit_asks_for() -> None:
    model = with_an_outlier()
    parts = list(parts_of(model))
    wanted = run(model)

    def error(kept: Sequence[str]) -> float:
        with as_int8(model, [name for name in parts if name not in kept]):
            return float((run(model) - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())

    limit = 0.6 * error([HARMED])
    found = sensitivity(model, run, limits=Limits(error=limit))
    assert found.left == pytest.approx(error(found.excluded))
    assert found.left <= limit
    assert len(found.excluded) > 1
    for name in found.excluded:
        assert error([each for each in found.excluded if each != name]) > limit


def test_of_parts_that_do_much_the_same_harm_those_stay_float_that_cost_the_device_least() -> None:
    model = reading(tiny.teacher().model)
    parts = list(parts_of(model))
    limits = Limits(error=0.7 * sensitivity(model, run, limits=Limits(error=None)).error)
    free = sensitivity(model, run, limits=limits, float_ms=dict.fromkeys(parts, 1.0))
    assert 0 < len(free.excluded) < len(parts) // 2
    dear = {name: 1000.0 if name in free.excluded else 0.001 for name in parts}
    found = sensitivity(model, run, limits=limits, float_ms=dear)
    assert limits.tolerate(Degradation(error=found.left))
    assert sum(dear[name] for name in found.excluded) < sum(dear[name] for name in free.excluded)
    assert {part.name: part.float_ms for part in found.parts} == dear


def test_a_limit_that_int8_cannot_meet_leaves_everything_float() -> None:
    model = reading(tiny.teacher().model)
    found = sensitivity(model, run, limits=Limits(error=1e-9))
    assert set(found.excluded) == set(parts_of(model))
    assert found.left == 0


def test_as_many_linear_layers_get_int4_weights_as_the_limit_allows() -> None:
    model = reading(tiny.teacher().model)
    linear = linear_parts(model)
    every = sensitivity(model, run, limits=Limits(error=None), narrow_bits=4)
    assert every.narrow == linear
    assert {part.name for part in every.narrow_parts} == set(linear)
    assert every.error < every.narrow_parts[0].error < every.left
    limit = (every.error + every.left) / 2
    heard = Heard()
    some = sensitivity(model, run, limits=Limits(error=limit), narrow_bits=4, on_progress=heard.hear)
    assert 0 < len(some.narrow) < len(linear)
    assert some.left <= limit
    with as_int8(model, list(parts_of(model)), weight_bits=dict.fromkeys(some.narrow, 4)):
        found = run(model)
    wanted = run(model)
    error = float((found - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())
    assert some.left == pytest.approx(error)
    assert heard.last[0] == heard.last[1]
    assert sensitivity(model, run, limits=Limits(error=every.error * 1.001), narrow_bits=4).narrow == ()


def test_parts_stay_float_for_the_points_of_a_score_that_they_cost() -> None:
    model = with_an_outlier()
    wanted = run(model)

    def score(trial: TransformerModel) -> float:
        """The share of texts whose nearest other text is the one it was."""
        nearest = [(each @ each.T).fill_diagonal_(-1).argmax(dim=1) for each in (run(trial), wanted)]
        return float((nearest[0] == nearest[1]).float().mean())

    free = sensitivity(model, run, limits=Limits(error=None), score=score)
    assert free.excluded == ()
    assert free.points == free.left_points
    assert free.points is not None
    assert free.points > 5
    assert {part.name: part.points for part in free.parts}[HARMED] == pytest.approx(free.points, abs=20)
    bound = sensitivity(model, run, limits=Limits(error=None, points=free.points / 2), score=score)
    assert HARMED in bound.excluded
    assert bound.left_points is not None
    assert bound.left_points <= free.points / 2
    assert sensitivity(model, run, limits=Limits(error=None)).points is None


def test_a_layer_that_stays_float_is_not_made_int4() -> None:
    found = sensitivity(with_an_outlier(), run, limits=Limits(error=None), excluded=[HARMED], narrow_bits=4)
    assert HARMED not in found.narrow
    assert HARMED not in {part.name for part in found.narrow_parts}


def test_a_name_that_is_no_part_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"encoder\.layers\.1\.attention_output"):
        sensitivity(tiny.teacher().model, run, limits=Limits(error=None), excluded=["encoder.layers.1.atention_output"])


@pytest.mark.slow
@pytest.mark.parametrize("runtime", [name for name, each in RUNTIMES.items() if each.supports("dynamic-int8")])
def test_an_artifact_keeps_the_part_float_and_says_what_the_model_says(runtime: str, tmp_path: Path) -> None:
    model, made_for = with_an_outlier(), RUNTIMES[runtime]
    subject = Subject(model=model, spec=artifacts.FORM)
    twin = tmp_path / f"float{made_for.suffix}"
    made_for.write_float(subject.for_runtime(made_for), twin)
    given = [row.ids for row in artifacts.rows_of_every_length()]
    cosines, sizes = {}, {}
    for name, kept in (("spoilt", ()), ("kept", (HARMED, "encoder.tokens"))):
        file = tmp_path / f"{name}{made_for.suffix}"
        made_for.write_int8(
            subject.for_runtime(made_for),
            twin,
            file,
            Int8(
                excluded=kept,
                examples=subject.calibration(given, made_for) if not made_for.supports("dynamic-int8") else (),
            ),
        )
        found = answered(runtime, file, artifacts.FORM, given)
        cosines[name], sizes[name] = compared(found, run(model)).cosine_min, file.stat().st_size
    assert cosines["spoilt"] < 0.98
    assert cosines["kept"] > 0.99
    parts = parts_of(model)
    more = 3 * (parts[HARMED].weight.numel() + parts["encoder.tokens"].weight.numel())
    assert sizes["kept"] - sizes["spoilt"] == pytest.approx(more, rel=0.25)
    assert isinstance(parts["encoder.tokens"], nn.Embedding)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", runtimes_that(lambda each: each.supports("int4")))
def test_an_artifact_has_int4_weights_where_they_are_asked_for_and_says_what_the_simulation_says(
    runtime: str, tmp_path: Path
) -> None:
    model, made_for = reading(tiny.teacher().model), RUNTIMES[runtime]
    subject = Subject(model=model, spec=artifacts.FORM)
    twin = tmp_path / f"float{made_for.suffix}"
    made_for.write_float(subject.for_runtime(made_for), twin)
    given = [row.ids for row in artifacts.rows_of_every_length()]
    linear = linear_parts(model)
    cosines, sizes = {}, {}
    for count in (0, 1, len(linear)):
        file, narrow = tmp_path / f"{count}{made_for.suffix}", linear[:count]
        made_for.write_int8(subject.for_runtime(made_for), twin, file, Int8(narrow=narrow))
        found = answered(runtime, file, artifacts.FORM, given)
        with as_int8(model, list(parts_of(model)), weight_bits=dict.fromkeys(narrow, 4)):
            simulated = run(model)
        cosines[count], sizes[count] = mean_cosine(found, run(model)), file.stat().st_size
        # LiteRT's steps are coarser: the largest weight is seven of them.
        assert mean_cosine(found, simulated) > (0.995 if runtime == "executorch" else 0.97)
    assert cosines[0] > cosines[1] > cosines[len(linear)]
    saved = [sum(parts_of(model)[name].weight.numel() for name in linear[:count]) / 2 for count in (1, len(linear))]
    assert sizes[0] - sizes[len(linear)] == pytest.approx(saved[1], rel=0.25)
    assert sizes[0] - sizes[1] == pytest.approx(saved[0], rel=0.6)


def test_a_decoder_s_parts_are_judged_by_the_divergence_of_what_they_expect_next() -> None:
    model = copy.deepcopy(tiny_decoders.decoder("llama"))
    with torch.no_grad():  # the same outputs, but a row of `down` is a hundred times coarser than its others need
        layer = model.layer(1)
        layer.up.weight[48 + 5] *= 500
        layer.down.weight[:, 5] /= 500
    ids = tiny_decoders.ids_of(3, 30)

    def expected_next(trial: torch.nn.Module) -> Tensor:
        with torch.no_grad():
            return trial(ids).flatten(0, 1).log_softmax(dim=-1)

    found = sensitivity(model, expected_next, limits=Limits(error=None), distance=divergence)
    assert found.parts[0].name == "layers.1.down"
    limited = sensitivity(model, expected_next, limits=Limits(error=0.6 * found.error), distance=divergence)
    assert "layers.1.down" in limited.excluded
    assert limited.left <= 0.6 * found.error
    plain = tiny_decoders.decoder("llama")
    whole, grouped = (
        sensitivity(plain, expected_next, limits=Limits(error=None), distance=divergence, narrow_bits=4, group=group)
        for group in (None, 8)
    )
    assert set(grouped.narrow) == set(linear_parts(plain))
    assert grouped.error < grouped.left < whole.left


def test_divergence_is_the_root_of_twice_the_nats_a_token() -> None:
    wanted = torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log()
    found = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log()
    expected = 0.5 * (0.5 * torch.tensor(2.0).log() + 0.5 * torch.tensor(2 / 3).log())
    assert divergence(found, wanted) ** 2 / 2 == pytest.approx(float(expected), rel=1e-5)
    assert divergence(wanted, wanted) == 0.0
