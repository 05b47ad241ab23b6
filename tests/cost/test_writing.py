"""Writing is forecast by calls as the runners make them, and bounded by what each token reads of memory."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.cost.decoding_structures import generating_structures
from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.cost.writing import WritingArtifact, token_bytes, writing_forecast
from edgewright.models.decoder import DecoderModel
from edgewright.models.decoder_shape import DecoderLayerShape, DecoderShape
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.generation import typical_prompt
from edgewright.specs.profiles import load_profile
from tests import tiny_decoders

BOARD = load_profile("raspberry-pi-4")
PRICES = Roofline(profile=BOARD, precision="int8")
SCRIPTS = Path(__file__).parents[2] / "device_scripts"
CONTEXT = 60


def artifact(
    runtime: str = "executorch", context: int = CONTEXT, sizes: tuple[int, ...] = (8, 32), cache: str = "float32"
) -> WritingArtifact:
    model = tiny_decoders.decoder("llama")
    described = RUNTIMES[runtime]
    signature = generating_input(model, described, context=context, prefill_sizes=sizes, cache_format=cache).signature
    found = generating_structures(model, context=context, cache=cache)
    return WritingArtifact.of(signature, found.prefill, found.decode)


@pytest.mark.parametrize("runtime", ["executorch", "litert", "onnx"])
def test_prompts_are_read_by_the_calls_that_the_runner_makes(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
    program: Any = object.__new__(importlib.import_module("generation").Program)
    writing = artifact(runtime)
    program.prefill = [(f"prefill {least}", least, most) for least, most in writing.entries]
    program.decode = "decode"
    for count in range(1, CONTEXT + 1):
        assert writing.calls(count) == [size for _, _, size in program.chunks(count)]


def test_runtimes_of_fixed_sizes_run_each_of_them_and_the_decode() -> None:
    assert (artifact().shapes, artifact().most_ids) == (1, 32)
    assert (artifact("litert").shapes, artifact("litert").most_ids) == (3, 32)
    assert artifact().row_bytes == artifact("onnx").row_bytes == 3 * 2 * 2 * 8 * 4


def test_a_first_token_takes_what_its_calls_take_and_a_longer_prompt_longer() -> None:
    writing = artifact()
    found = writing_forecast(writing, PRICES, BOARD, threads=1, file_bytes=40_000, prompts=(33, 8, 1, 1000))
    assert [each.prompt_tokens for each in found.first_tokens] == [1, 7, 8, 30, 33, 60]
    one, _, eight, typical, long, _ = (each.first_token_ms for each in found.first_tokens)
    assert typical == found.typical().first_token_ms
    assert one == pytest.approx(found.whole.token_ms)
    assert one < eight < typical < long
    parts = predict(PRICES, writing.prefill, length=32).latency_ms + found.whole.token_ms
    assert long == pytest.approx(parts)
    assert typical_prompt(4096) == 64
    assert all(each.low_ms < each.first_token_ms < each.high_ms for each in found.first_tokens)


def test_a_longer_context_costs_time_for_each_token_and_memory() -> None:
    found = writing_forecast(artifact(), PRICES, BOARD, threads=1, file_bytes=40_000)
    assert [each.context for each in found.rates] == [15, 30, 60]
    assert [each.token_ms for each in found.rates] == sorted(each.token_ms for each in found.rates)
    for each in found.rates:
        assert each.tokens_per_second == pytest.approx(1e3 / each.token_ms)
        assert each.low_tokens_per_second < each.tokens_per_second < each.high_tokens_per_second
    grown = found.rates[2].peak_memory_bytes - found.rates[1].peak_memory_bytes
    assert grown >= 30 * artifact().row_bytes
    assert found.largest_context > 100_000
    assert found.document()["rates"][0]["context"] == 15  # type: ignore[index]


def test_narrower_weights_are_told_by_the_file_and_read_less() -> None:
    writing = artifact()
    matrices, tables = writing.decode.matrix_weights, writing.decode.table_weights
    around = tables + 4 * (writing.decode.table_rows + writing.decode.other_weights)
    assert writing.weight_bytes(around + matrices) == 1.0
    assert writing.weight_bytes(around + 0.5625 * matrices) == pytest.approx(0.5625)
    int8, int4 = (
        token_bytes(writing.decode, CONTEXT, row_bytes=writing.row_bytes, weight_bytes=each) for each in (1.0, 0.5)
    )
    assert int8 - int4 == pytest.approx(matrices / 2)
    cache = CONTEXT * artifact().row_bytes
    row = 32  # of the table of tokens
    assert int8 >= matrices + cache + row


def test_a_cache_in_int8_is_read_in_its_own_bytes_and_made_floats_at_a_price() -> None:
    wide, narrow = artifact(), artifact(cache="int8")
    assert narrow.row_bytes == 3 * 2 * 2 * (8 + 4)  # a scale for each head's row
    reads = [token_bytes(each.decode, CONTEXT, row_bytes=each.row_bytes) for each in (wide, narrow)]
    assert reads[0] - reads[1] == CONTEXT * (wide.row_bytes - narrow.row_bytes)
    cache = 3 * 2 * 2 * CONTEXT * 8
    floats, widened = (
        sum(each.count * each.at(CONTEXT)[0] for each in one.decode.operators if each.kind == "elementwise")
        for one in (wide, narrow)
    )
    assert widened - floats >= 2 * cache  # to float32, and by their scales
    rates = [
        writing_forecast(each, PRICES, BOARD, threads=1, file_bytes=40_000).whole.bytes_per_token
        for each in (wide, narrow)
    ]
    assert rates == pytest.approx(reads)


def smollm2() -> DecoderModel:
    """Of SmolLM2-135M's sizes, without its weights."""
    shape = DecoderShape(
        family="llama",
        vocabulary=49_152,
        positions=512,
        width=576,
        head_width=64,
        queries=3,
        layers=(DecoderLayerShape(groups=3, neurons=1536),) * 30,
        frequencies=tuple(1e5 ** (-pair / 32) for pair in range(32)),
    )
    with torch.device("meta"):
        model = DecoderModel(shape)
    return model.to_empty(device="cpu").eval()


def test_smollm2_on_a_raspberry_pi_4_is_bounded_by_its_memory() -> None:
    model = smollm2()
    assert model.parameters_count == 134_515_008
    found = generating_structures(model, context=512)
    writing = WritingArtifact(
        prefill=found.prefill, decode=found.decode, context=512, entries=((2, 128),), row_bytes=30 * 2 * 3 * 64 * 4
    )
    read = token_bytes(writing.decode, 512, row_bytes=writing.row_bytes)
    assert read - 512 * writing.row_bytes == pytest.approx(134.5e6, rel=0.01)
    short = token_bytes(writing.decode, 16, row_bytes=writing.row_bytes)
    assert 16 <= 2.2e9 / short <= 2.8e9 / short <= 21
    forecast = writing_forecast(writing, PRICES, BOARD, threads=1, file_bytes=163e6)
    assert forecast.bound == pytest.approx((2.2e9 / read, 4.4e9 / read))
    assert forecast.whole.tokens_per_second < forecast.bound[1]
