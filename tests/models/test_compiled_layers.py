"""Layers run compiled where it is worth it, with the same outputs and gradients, and as they are where it is not."""

from collections.abc import Iterator

import pytest
import torch

from edgewright.models import compiled_layers as module
from edgewright.models.compiled_layers import layer_runner
from edgewright.models.decoder import DecoderModel, plainly
from edgewright.models.packing import PackedRows
from tests import tiny_decoders
from tests.tiny_rows import rows

PACKED = PackedRows.of(rows(12), 20)
SIZE = (2, 20)


@pytest.fixture(autouse=True)
def nothing_left_compiled() -> Iterator[None]:
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def loss_and_gradients(model: DecoderModel, through: object) -> tuple[float, list[torch.Tensor]]:
    batch = PACKED.batch([0, 1])
    model.zero_grad(set_to_none=True)
    states = model.packed_hidden(batch.ids, batch.places, batch.texts, through)  # type: ignore[arg-type]
    loss = model.logits(model.closed(states[-1])).logsumexp(dim=-1).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach()), [each.grad.clone() for each in model.parameters() if each.grad is not None]


def fresh(variant: str) -> DecoderModel:
    from edgewright.models.decoder_loading import from_transformers

    kind, changes = tiny_decoders.VARIANTS[variant]
    return from_transformers(tiny_decoders.made(kind, **changes))


def test_little_work_is_not_compiled() -> None:
    assert layer_runner(tiny_decoders.decoder("llama"), tokens=1e3, size=SIZE, training=False) is plainly


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["llama", "gpt2", "qwen2 with windows in some layers"])
def test_compiled_layers_give_the_same_loss_and_gradients(variant: str) -> None:
    model = fresh(variant)
    through = layer_runner(model, tokens=1e15, size=SIZE, training=True)
    assert through is not plainly
    assert all(each.grad is None for each in model.parameters())  # of the trial nothing is left
    (loss, gradients), (expected, wanted) = loss_and_gradients(model, through), loss_and_gradients(model, plainly)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert all(torch.allclose(one, other, atol=1e-5) for one, other in zip(gradients, wanted, strict=True))


@pytest.mark.slow
def test_layers_alike_share_one_program_and_other_sizes_run_as_they_are() -> None:
    model = fresh("llama")
    through = layer_runner(model, tokens=1e15, size=SIZE, training=False)
    counted = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    batch = PACKED.batch([0, 1, 2])
    with torch.inference_mode():
        states = model.packed_hidden(batch.ids, batch.places, batch.texts, through)
        plain = model.packed_hidden(batch.ids, batch.places, batch.texts)
    assert all(torch.equal(one, other) for one, other in zip(states, plain, strict=True))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == counted == 1


def test_without_a_compiler_layers_run_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> torch.Tensor:
        raise RuntimeError("no working C++ compiler was found")

    monkeypatch.setattr(module, "_program", missing)
    model = fresh("llama")
    assert layer_runner(model, tokens=1e15, size=SIZE, training=True) is plainly
    assert all(each.grad is None for each in model.parameters())
