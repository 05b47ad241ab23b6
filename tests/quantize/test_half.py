"""float16 as the runtimes compute it: half of the bytes, and next to nothing else changed."""

from pathlib import Path
from statistics import median

import pytest
import torch

from edgewright.measure.deployment import deploy
from edgewright.measure.measuring import measure_in_turn
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models import text as texts
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.transformer_shape import LayerShape
from edgewright.quantize.half import Half
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.targets import open_target
from tests import artifacts, tiny
from tests.calls import answered, compared, rows_of, text_calls


def test_a_module_in_float16_answers_in_float32_and_is_a_copy() -> None:
    module = torch.nn.Linear(8, 3)
    given = torch.rand(2, 8)
    small = Half(torch.nn.Sequential(module))
    assert {parameter.dtype for parameter in small.parameters()} == {torch.float16}
    assert module.weight.dtype == torch.float32
    found = small(given.half())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, module(given), atol=5e-3, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_an_artifact_in_float16_takes_half_of_the_bytes_and_says_what_the_model_says(
    tmp_path: Path, runtime: str
) -> None:
    model, made_for = tiny.teacher().model, RUNTIMES[runtime]
    subject = Subject(model=model, spec=artifacts.FORM)
    half, whole = (tmp_path / f"{name}{made_for.suffix}" for name in ("half", "float"))
    made_for.write_float(subject.for_runtime(made_for), whole)
    told = made_for.write("float16", subject.for_runtime(made_for), whole, half, Int8())
    assert not [name for name in told.get("fallbacks", {}) if "linear" in name or "addmm" in name]
    assert whole.stat().st_size - half.stat().st_size > 0.9 * 2 * model.parameters_count
    rows = artifacts.rows_of_every_length()
    found = answered(runtime, half, artifacts.FORM, [row.ids for row in rows])
    assert 0.9999 < compared(found, texts.outputs(model, rows)).cosine_min < 1 - 1e-12


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_core_with_arithmetic_for_it_computes_in_float16(tmp_path: Path, runtime: str) -> None:
    """On a Cortex-A76 fewer instructions are counted than for float32."""
    model, made_for = _wide(), RUNTIMES[runtime]
    subject = Subject(model=model, spec=TextInputSpec(max_length=16, lengths=(16,)))
    half, whole = (tmp_path / f"{name}{made_for.suffix}" for name in ("half", "float"))
    made_for.write_float(subject.for_runtime(made_for), whole)
    made_for.write("float16", subject.for_runtime(made_for), whole, half, Int8())
    target = open_target("emulated://raspberry-pi-5", instruction_clock=True)
    try:
        places = [deploy(target, file, runtime=runtime) for file in (half, whole)]
        narrow, wide = measure_in_turn(
            target,
            [(place.artifact, place.runtime) for place in places],
            text_calls([[5] * 16], runtime=runtime, lengths=(16,)),
            clock="instructions",
        )
    finally:
        target.close()
    assert compared(rows_of(narrow.outputs), rows_of(wide.outputs)).cosine_min > 0.999
    assert median(narrow.latency_ms) < 0.8 * median(wide.latency_ms)


def _wide() -> TransformerModel:
    """Layers wide enough for products to be what takes the time."""
    layer = LayerShape(heads=4, head_width=32, neurons=512)
    torch.manual_seed(0)
    encoder = Encoder(EncoderShape(vocabulary=50, positions=16, width=128, layers=(layer,) * 2))
    return TransformerModel(encoder, Head(HeadShape(pooling="mean"), 128)).eval()
