"""Float models between stages: read back as they were written, measured as a manifest says, priced for the device."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from edgewright.errors import InputError
from edgewright.models.schedule import Trained
from edgewright.stages import float_models
from edgewright.stages.float_models import KeptLayer, ModelFindings, Sizes, TrainedFindings
from tests import tiny, tiny_decoders
from tests.compress.test_families import model_of


def build(**plan: Any) -> Any:
    """A build as far as these functions look at one."""
    usual: dict[str, Any] = {
        "recipe": SimpleNamespace(model=SimpleNamespace(factory=None)),
        "progress": SimpleNamespace(update=lambda *_: None),
        "modality": SimpleNamespace(has_length=True, counted_units=16),
    }
    return SimpleNamespace(plan=SimpleNamespace(**{**usual, **plan}))


class Examples:
    """A dataset of six numbers that a model is to double."""

    def __init__(self, count: int = 6, *, metric: str = "accuracy") -> None:
        self.metric = metric
        self.numbers = list(range(count))
        self.parts: list[str] = []

    def held_out(self, part: str = "test") -> list[int]:
        self.parts.append(part)
        return self.numbers

    def score(self, part: str = "test") -> Any:
        self.parts.append(part)
        return SimpleNamespace(metric=self.metric, of=lambda outputs: float(outputs.mean()))

    def outputs(self, model: Any, inputs: list[int], *, on_progress: Any = None) -> torch.Tensor:
        for done in range(len(inputs)):
            if on_progress:
                on_progress(done + 1)
        return torch.tensor([float(model(each)) for each in inputs])

    def as_scored(self, outputs: torch.Tensor, inputs: list[int], score: Any) -> torch.Tensor:
        return outputs / 2


def test_a_model_is_read_back_as_it_was_written(tmp_path: Any) -> None:
    model = tiny.model_copy()
    float_models.save(model, tmp_path)
    back = float_models.load(build(), tmp_path)
    assert all(torch.equal(each, back.state_dict()[name]) for name, each in model.state_dict().items())
    assert not back.training


def test_a_score_is_of_the_held_out_part_and_told_as_it_grows() -> None:
    told: list[tuple[float, float, str]] = []
    examples: Any = Examples()
    made = build(progress=SimpleNamespace(update=lambda *heard: told.append(heard)))
    assert float_models.scored(made, lambda number: 2 * number, examples) == 2.5
    assert told[-1] == (6, 6, "scoring")
    assert set(examples.parts) == {"test"}


def test_findings_of_a_training_are_what_it_returned() -> None:
    examples: Any = Examples()
    trained = Trained(
        steps=3,
        tokens=30,
        seconds=1.5,
        losses=(2.0, 1.0),
        best_validation=0.5,
        stopped_early=True,
        resumed_from_step=None,
    )
    found = TrainedFindings(
        parameters=1,
        macs=2,
        score=0.5,
        **float_models.trained_findings(trained, examples),  # type: ignore[arg-type]
    )
    assert (found.steps, found.tokens_seen, found.losses) == (3, 30, (2.0, 1.0))
    assert (found.stopped_early, found.best_validation) == (True, 0.5)


def test_the_layers_that_are_left_are_told_by_their_numbers() -> None:
    layers = tuple(KeptLayer(from_layer=number, heads=1, neurons=2) for number in (0, 3))
    assert ModelFindings(parameters=1, macs=1, score=1.0, layers=layers).from_layers == [0, 3]
    assert ModelFindings(parameters=1, macs=1, score=1.0).from_layers == []


@pytest.mark.parametrize("patience", [None, 2])
def test_a_training_is_validated_only_where_the_recipe_ends_it_by_that(patience: int | None) -> None:
    stages = SimpleNamespace(distill=SimpleNamespace(patience=patience))
    made = build(recipe=SimpleNamespace(stages=stages))
    examples: Any = Examples()
    validate = float_models.validation(made, lambda number: 2 * number, examples, section="distill")
    assert (validate is None) is (patience is None)
    if validate is not None:
        assert validate() == 2.5
        assert set(examples.parts) == {"validation"}


def test_bits_are_better_the_fewer_to_a_training_and_findings_tell_them_as_bits() -> None:
    stages = SimpleNamespace(distill=SimpleNamespace(patience=2))
    examples: Any = Examples(metric="bits per byte")
    made = build(recipe=SimpleNamespace(stages=stages))
    validate = float_models.validation(made, lambda number: 2 * number, examples, section="distill")
    assert validate is not None
    assert validate() == -2.5
    points = ((4, validate()), (8, float("nan")))
    trained = Trained(steps=1, tokens=8, seconds=1.0, losses=(1.0,), validations=points, best_validation=validate())
    assert float_models.trained_findings(trained, examples)["validations"] == [{"tokens": 4, "score": 2.5}]
    assert float_models.trained_findings(trained, examples)["best_validation"] == 2.5
    never = Trained(steps=1, tokens=1, seconds=1.0, losses=(1.0,))
    assert float_models.trained_findings(never, examples)["best_validation"] is None


def test_patience_without_a_validation_part_is_told_by_its_setting() -> None:
    stages = SimpleNamespace(distill=SimpleNamespace(patience=2))
    nothing: Any = Examples(0)
    with pytest.raises(InputError, match=r"stages\.distill\.patience ends training by .* which is empty; raise"):
        float_models.validation(build(recipe=SimpleNamespace(stages=stages)), None, nothing, section="distill")


def test_sizes_of_texts_are_counted_whole_and_those_of_images_part_by_part() -> None:
    from edgewright.models import convnet, convnet_sources
    from tests import tiny_vision

    model = tiny.model_copy()
    batch = (torch.ones(1, 16, dtype=torch.long), torch.ones(1, 16))
    texts: Any = SimpleNamespace(example=lambda: batch)
    found = float_models.sizes_of(build(), model, texts)
    assert found.parameters == sum(each.numel() for each in model.parameters())
    assert found.parts == ()
    net = convnet_sources.from_factory(f"{tiny_vision.MODULE}:digits_net")
    images: Any = SimpleNamespace(example=lambda: convnet.example_inputs(net))
    of_images = build(modality=SimpleNamespace(has_length=False))
    parts = float_models.sizes_of(of_images, net, images)
    assert isinstance(parts, Sizes)
    assert sum(each.macs for each in parts.parts) == parts.macs > 0
    assert all(each.macs for each in parts.parts)


def test_a_model_of_texts_is_priced_anew_for_the_device_and_one_of_images_is_not(tmp_path: Any) -> None:
    from edgewright.specs.profiles import load_profile

    float_models.save(tiny.model_copy(), tmp_path)
    result: Any = SimpleNamespace(folder=tmp_path, findings=ModelFindings(parameters=1, macs=1, score=1.0))
    prices = {}
    for name in ("raspberry-pi-zero-2-w", "raspberry-pi-5"):
        made = build(profile=load_profile(name))
        prices[name] = float_models.priced(made, result).predicted_layers_ms
    slow, quick = prices.values()
    assert slow is not None
    assert quick is not None
    assert slow > 1.3 * quick > 0
    assert result.findings.predicted_layers_ms is None
    of_images = build(modality=SimpleNamespace(has_length=False))
    assert float_models.priced(of_images, result) is result.findings


@pytest.mark.parametrize("family", ["modernbert", "llama", "gpt2"])
def test_layers_are_priced_with_the_matrices_that_their_family_has(family: str, tmp_path: Any) -> None:
    from edgewright.cost.part_costs import PricedLayer
    from edgewright.cost.part_estimates import from_profile
    from edgewright.specs.profiles import load_profile

    model: Any = tiny_decoders.decoder(family) if family != "modernbert" else model_of(family)
    float_models.save(model, tmp_path)
    result: Any = SimpleNamespace(folder=tmp_path, findings=ModelFindings(parameters=1, macs=1, score=1.0))
    profile = load_profile("raspberry-pi-4")
    found = float_models.priced(build(profile=profile), result).predicted_layers_ms
    neurons, heads = model.shape.layers[0].neurons, 4
    layer = PricedLayer(
        length=16,
        width=32,
        head_width=8,
        heads=heads,
        neurons=neurons,
        gated=family != "gpt2",
        queries=2 if family == "llama" else 1,
    )
    table = from_profile(profile, layer)
    assert found == pytest.approx(3 * (table.attention(heads) + table.feed_forward(neurons)))
