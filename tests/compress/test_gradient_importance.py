"""Importance by gradients is what a loop over examples and weights gives, and leaves no gate in the model."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from edgewright.compress.gradient_importance import add_gradients, directions, projection
from edgewright.compress.importance_scores import Scores
from tests.compress.test_importance import images, layer_of, scores_of, text_model, texts, vision_model


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (text_model, texts),
        (lambda: text_model(classes=4, inner=6), texts),
        (lambda: text_model(pooling="each", classes=3), texts),
        (vision_model, images),
    ],
    ids=["embedding", "classes", "each token", "vision"],
)
def test_fisher_and_taylor_are_what_a_loop_over_examples_and_weights_gives(make: Any, inputs: Any) -> None:
    """A gate's gradient is that of a factor on the weights behind it: found here from weight gradients, one by one."""
    model, examples = make(), inputs(9)
    model.requires_grad_(True)
    wanted: dict[str, list[Tensor]] = {"heads": [], "value": [], "query_key": [], "neurons": []}
    for index in range(len(examples)):
        batch = examples.batch([index])
        outputs = model(*batch)
        noise = directions([3 * len(examples) + index], outputs, model.encoder.mask(*batch))
        model.zero_grad()
        projection(outputs, noise, classes=model.head.shape.classes > 1).backward()
        layer = layer_of(model, 1)
        value = (layer.attention_output.weight.grad * layer.attention_output.weight).sum(dim=0).view(4, 8).detach()
        rows = layer.query_key_value
        query = (rows.weight.grad * rows.weight).sum(dim=1) + rows.bias.grad * rows.bias
        wanted["value"].append(value)
        wanted["heads"].append(value.sum(dim=1))
        wanted["query_key"].append(query[:32].view(4, 8).detach())
        wanted["neurons"].append((layer.down.weight.grad * layer.down.weight).sum(dim=0).detach())
    for kind, measure in (("fisher", torch.square), ("taylor", torch.abs)):
        found = scores_of(model, examples, kind, seed=3).layers[1]
        for name, each in wanted.items():
            expected = measure(torch.stack(each)).sum(dim=0)
            torch.testing.assert_close(getattr(found, name), expected, rtol=1e-3, atol=1e-5 * float(expected.max()))


def test_with_many_probes_fisher_foretells_what_closing_a_gate_costs() -> None:
    """Half of a gate's Fisher score is the divergence from the whole model when the gate is closed a little."""
    model, examples = vision_model(), images(6)
    found = scores_of(model, examples, "fisher", probes=400).layers[2].neurons / 400
    batch = examples.batch(range(6))
    closed, part = copy.deepcopy(model).double(), 0.05
    neuron = int(found.argmax())
    with torch.no_grad():
        before = closed(batch[0].double()).log_softmax(dim=-1)
        layer_of(closed, 2).down.weight[:, neuron] *= 1 - part
        after = closed(batch[0].double()).log_softmax(dim=-1)
    cost = float((before.exp() * (before - after)).sum())
    assert cost == pytest.approx(part**2 / 2 * float(found[neuron]), rel=0.15)


def test_directions_are_each_examples_own_and_nothing_at_padding() -> None:
    outputs, mask = torch.zeros(2, 4, 3), torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1]])
    both = directions([5, 6], outputs, mask)
    alone = directions([5], outputs[:1, :2], mask[:1, :2])
    assert torch.equal(both[0, :2], alone[0])
    assert not both[0, 2:].any()
    assert both[1].count_nonzero() == 12
    assert not torch.equal(both[0, :2], both[1, :2])


def test_the_projection_of_classes_is_of_roots_of_shares_that_are_not_learned_through() -> None:
    outputs = torch.tensor([[1.0, 3.0, -2.0]], requires_grad=True)
    noise = torch.tensor([[1.0, 0.0, 0.0]])
    projection(outputs, noise, classes=True).backward()
    shares = outputs.detach().softmax(dim=-1)[0]
    expected = shares[0].sqrt() * (torch.tensor([1.0, 0.0, 0.0]) - shares)
    torch.testing.assert_close(outputs.grad, expected[None])
    assert float(projection(outputs.detach(), noise, classes=False)) == 1.0


def test_a_model_is_as_it_was_also_after_a_run_that_failed() -> None:
    model = text_model()
    batch = texts(4).batch(range(4))
    before = model(*batch)

    def broken(gradient: Tensor) -> Tensor:
        raise RuntimeError("no measure")

    with pytest.raises(RuntimeError, match="no measure"):
        add_gradients(model, batch, [[0, 1, 2, 3]], broken, Scores(model))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert torch.equal(model(*batch), before)
