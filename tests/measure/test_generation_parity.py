"""An artifact that generates is refused where its logits, its positions or its state are not the float model's."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgewright.measure.generation_parity import (
    LIMITS,
    GenerationParity,
    ParityLimits,
    compare_generation,
    log_softmax,
)
from edgewright.models.decoding import CachedDecoder
from edgewright.quantize.simulated import as_int8, parts_of
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from tests import tiny_decoders
from tests.torch_session import torch_session

CONTEXT = 60
TEXTS = [tiny_decoders.ids_of(1, length, seed=length)[0].tolist() for length in (55, 47, 58)]
BYTES = [1 + each % 4 for each in range(tiny_decoders.VOCABULARY)]
Mutation = Callable[[CachedDecoder], nn.Module]


def compared(
    variant: str = "llama", mutation: Mutation | None = None, limits: ParityLimits = LIMITS
) -> GenerationParity:
    model = tiny_decoders.decoder(variant)
    source = generating_input(model, RUNTIMES["litert"], context=CONTEXT)
    module: Any = source.module
    if mutation is not None:
        module = mutation(module)

    def expected(number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        with torch.no_grad():
            return model(torch.tensor([TEXTS[number]]))[0].numpy()

    run = torch_session(module, source.signature)
    return compare_generation(run, source.signature, TEXTS, expected, token_bytes=BYTES, limits=limits)


class Around(nn.Module):
    """A decoder that is given other inputs, or whose outputs are changed."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.module(ids, position, *cache))


class Scaled(Around):
    """As a wrapper leaves out a scale."""

    def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
        logits, *state = self.module(ids, position, *cache)
        return (1.2 * logits, *state)


class Unreset(Around):
    """What an earlier text left shines through where a text begins anew."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.left = 0.0

    def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
        logits, *state = self.module(ids, position, *cache)
        self.left = 0.9 * self.left + 0.01 * float(logits[0, 0])
        return (logits + self.left * torch.arange(logits.shape[-1]) / 97, *state)


class Shifted(CachedDecoder):
    """Tokens that are read one by one are turned by the place before theirs."""

    def places(self, text: Tensor, position: Tensor) -> Tensor:
        return super().places(text, position) - (1 if len(text) == 1 and int(position) > 0 else 0)


class LateRow(Around):
    """A decode that writes its row one place behind."""

    def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
        logits, *state = self.module(ids, position, *cache)
        if ids.shape[1] == 1:
            state = [each.roll(1, dims=2) for each in state]
        return (logits, *state)


def shifted(module: CachedDecoder) -> nn.Module:
    return Shifted(module.model, context=module.context).eval()


def test_the_model_itself_agrees_to_rounding() -> None:
    found = compared()
    assert found.passed
    assert found.logit_error_max is not None
    assert found.logit_error_max < 1e-4
    assert found.kl_nats == pytest.approx(0.0, abs=1e-6)
    assert found.greedy_agreement == 1.0
    assert found.repeat_error == 0.0
    assert found.prefill is not None
    assert found.decode is not None
    assert found.tokens == found.prefill.tokens + found.decode.tokens > 50
    assert found.prefill.tokens == 5
    assert found.bits_per_byte == pytest.approx(found.float_bits_per_byte)
    assert found.bits_per_byte is not None
    assert found.bits_per_byte > 1


@pytest.mark.parametrize("variant", ["llama", "mistral with a window", "gpt2", "qwen3"])
def test_int8_of_every_family_is_within_the_limits(variant: str) -> None:
    def rounded(module: CachedDecoder) -> nn.Module:
        copy = CachedDecoder(module.model, context=module.context)

        class Rounded(Around):
            def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
                with as_int8(copy.model, list(parts_of(copy.model))):
                    return super().forward(ids, position, *cache)

        return Rounded(copy)

    found = compared(variant, rounded)
    assert found.passed, found.faults
    assert found.kl_nats is not None
    assert 0 < found.kl_nats < 0.1
    assert found.bits_per_byte != found.float_bits_per_byte


def test_a_scale_that_is_wrong_by_a_constant_is_refused_though_cosine_and_greedy_tokens_are_right() -> None:
    found = compared(mutation=Scaled)
    assert found.greedy_agreement == 1.0
    assert found.cosine_min == pytest.approx(1.0)
    assert not found.passed
    assert found.prefill is not None
    assert found.prefill.scale == pytest.approx(1.2, rel=1e-4)
    assert "logits of prefill are 1.2 times the float model's, where 1 ± 0.1 is allowed" in found.faults


@pytest.mark.parametrize("variant", ["llama", "gpt2", "qwen3"])
@pytest.mark.parametrize("mutation", [shifted, LateRow])
def test_positions_that_are_off_by_one_are_refused(variant: str, mutation: Mutation) -> None:
    found = compared(variant, mutation)
    assert not found.passed
    assert any("of decode" in fault for fault in found.faults)


def test_a_state_that_does_not_reset_is_refused_even_where_it_changes_little() -> None:
    found = compared(mutation=Unreset)
    assert found.repeat_error is not None
    assert found.repeat_error > 0
    assert [fault.partition(":")[0] for fault in found.faults] == ["its state does not reset"]


def test_logits_that_are_no_numbers_are_refused_and_can_be_written_as_json() -> None:
    class Broken(Around):
        def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
            logits, *state = self.module(ids, position, *cache)
            return (logits * (float("nan") if int(position) > 9 else 1.0), *state)

    found = compared(mutation=Broken)
    assert not found.passed
    assert "no numbers" in found.faults[0]
    assert found.document()["kl_nats"] is None


def test_logits_of_another_vocabulary_are_refused() -> None:
    class Narrow(Around):
        def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
            logits, *state = self.module(ids, position, *cache)
            return (logits[:, :-1], *state)

    assert compared(mutation=Narrow).faults == ("its logits are 96 numbers, and the float model's 97",)


def test_every_limit_can_fail() -> None:
    class Noisy(Around):
        def forward(self, ids: Tensor, position: Tensor, *cache: Tensor) -> tuple[Tensor, ...]:
            logits, *state = self.module(ids, position, *cache)
            noise = torch.randn(logits.shape, generator=torch.Generator().manual_seed(int(position)))
            return (logits + 0.3 * logits.std() * noise, *state)

    assert compared(mutation=Noisy, limits=ParityLimits(kl_nats=9.0, agreement=0.0)).passed
    for change in ({"mean_error": 0.05}, {"kl_nats": 1e-3}, {"agreement": 0.999}, {"scale": 1e-5}):
        limits = replace(ParityLimits(kl_nats=9.0, agreement=0.0), **change)
        assert not compared(mutation=Noisy, limits=limits).passed, change


def test_nothing_to_compare_on_is_no_agreement() -> None:
    source = generating_input(tiny_decoders.decoder("llama"), RUNTIMES["litert"], context=CONTEXT)
    found = compare_generation(
        torch_session(source.module, source.signature), source.signature, [], lambda _: np.zeros((1, 1), np.float32)
    )
    assert not found.passed


def test_probabilities_of_large_logits_are_numbers() -> None:
    logs = log_softmax(np.array([1e4, 1e4, -1e4]))
    assert np.exp(logs) == pytest.approx([0.5, 0.5, 0.0])
