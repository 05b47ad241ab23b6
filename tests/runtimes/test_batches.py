"""Artifacts that take several examples at once as well as one: the same answers, by the same weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edgewright.errors import RunnerError
from edgewright.measure.deployment import HERE, deploy
from edgewright.measure.measuring import infer
from edgewright.modality.image_spec import ImageInputSpec
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.encoder import Encoder, EncoderShape
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import outputs
from edgewright.models.transformer_shape import LayerShape
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from edgewright.targets import open_target
from tests import artifacts, tiny
from tests.calls import answered, compared, text_calls
from tests.runtimes.test_images import pictures, said, subject_of

pytestmark = pytest.mark.slow

BATCH = 4
FORM = TextInputSpec(max_length=tiny.MAX_LENGTH, lengths=(16, tiny.MAX_LENGTH), batch=BATCH)


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_texts_of_unlike_lengths_are_answered_together_as_they_are_alone(
    tmp_path: Path, runtime: str, static: bool
) -> None:
    subject, made_for = Subject(model=tiny.teacher().model, spec=FORM), RUNTIMES[runtime]
    twin, small = (tmp_path / f"{name}{made_for.suffix}" for name in ("float", "int8"))
    made_for.write_float(subject.for_runtime(made_for), twin)
    rows = artifacts.rows_of_every_length()
    assert len(rows) % BATCH
    given = [row.ids for row in rows]
    made_for.write_int8(
        subject.for_runtime(made_for),
        twin,
        small,
        Int8(examples=subject.calibration(given, made_for) if static else ()),
    )
    for file, atol in ((twin, 1e-4), (small, 0.05)):
        alone, together = (answered(runtime, file, call, given) for call in FORM.calls())
        assert together.shape == (len(rows), 32)
        assert torch.allclose(together, alone, atol=atol)
    assert torch.allclose(answered(runtime, twin, FORM, given), outputs(tiny.teacher().model, rows), atol=1e-4)
    assert not torch.allclose(answered(runtime, small, FORM, given), outputs(tiny.teacher().model, rows), atol=1e-5)


@pytest.mark.parametrize(("runtime", "kind"), [("executorch", "resnet-basic"), ("litert", "vit")])
def test_images_are_answered_together_as_they_are_alone(tmp_path: Path, runtime: str, kind: str) -> None:
    subject, made_for = subject_of(tmp_path, kind), RUNTIMES[runtime]
    assert isinstance(subject.spec, ImageInputSpec)
    subject = replace(subject, spec=replace(subject.spec, batch=BATCH))
    seen = pictures(38, subject.spec.shape)
    twin, small = (tmp_path / f"{name}{made_for.suffix}" for name in ("float", "int8"))
    made_for.write_float(subject.for_runtime(made_for), twin)
    made_for.write_int8(
        subject.for_runtime(made_for),
        twin,
        small,
        Int8(examples=subject.calibration(seen[:32], made_for) if kind != "vit" else ()),
    )
    asked: Any = seen[32:]
    assert len(asked) % BATCH
    found = answered(runtime, twin, subject.spec, asked)
    assert torch.allclose(found, said(subject, asked), rtol=1e-3, atol=1e-3)
    alone, together = (answered(runtime, small, call, asked) for call in subject.spec.calls())
    assert compared(together, alone, cosine_limit=0.99).passed


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_one_and_several_share_the_weights(tmp_path: Path, runtime: str) -> None:
    shape = EncoderShape(
        vocabulary=2000, positions=32, width=128, layers=(LayerShape(heads=4, head_width=32, neurons=512),) * 2
    )
    torch.manual_seed(0)
    model = TransformerModel(Encoder(shape), Head(HeadShape(pooling="mean"), 128)).eval()
    made_for, sizes = RUNTIMES[runtime], []
    for batch in (1, BATCH):
        subject = Subject(model=model, spec=TextInputSpec(max_length=32, lengths=(32,), batch=batch))
        twin, small = (tmp_path / f"{name}{batch}{made_for.suffix}" for name in ("float", "int8"))
        made_for.write_float(subject.for_runtime(made_for), twin)
        made_for.write_int8(subject.for_runtime(made_for), twin, small, Int8())
        sizes.append(small.stat().st_size)
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert sizes[0] > weights
    assert sizes[1] - sizes[0] < 0.1 * weights


@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_an_artifact_for_one_at_a_time_says_that_it_takes_no_batch(runtime: str) -> None:
    file = artifacts.int8_pte()[0] if runtime == "executorch" else artifacts.int8_tflite()
    lengths = artifacts.LENGTHS if RUNTIMES[runtime].fixed_shapes else ()
    target = open_target(HERE)
    try:
        place = deploy(target, file, runtime=runtime)
        calls = text_calls([[1, 2, 3]], runtime=runtime, lengths=lengths, batch=3)
        with pytest.raises(RunnerError, match=r"no entry .batch.|no entry .batch_length_8."):
            infer(target, place.artifact, place.runtime, calls)
    finally:
        target.close()
