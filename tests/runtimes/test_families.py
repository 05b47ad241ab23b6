"""Every family of texts as an artifact of every runtime: float as torch has it, int8 near to it, at every length."""

from math import prod
from pathlib import Path

import pytest
import torch

from edgewright.cost.exported import structure_for
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.loading import from_transformers
from edgewright.models.macs import sizes
from edgewright.models.model import Head, HeadShape, TransformerModel
from edgewright.models.text import TextModule
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject
from edgewright.runtimes.table import RUNTIMES
from tests import tiny
from tests.calls import answered, compared

NEW = ("mpnet", "albert", "modernbert", "deberta-v2")  # XLM-RoBERTa and CamemBERT are RoBERTa with other weights
LENGTHS = (2, 5, 9, 16, 24, 32)


def model_of(family: str, pooling: str = "mean") -> TransformerModel:
    encoder = from_transformers(tiny.family_model(family)).with_positions(32)
    torch.manual_seed(1)
    return TransformerModel(encoder, Head(HeadShape(pooling=pooling), 32)).eval()


def texts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(4, 90, (length,), generator=generator).tolist() for length in LENGTHS]


def expected(model: TransformerModel) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([model(torch.tensor([row])) for row in texts()])


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert", "onnx"])
@pytest.mark.parametrize("family", NEW)
def test_artifacts_of_every_family_answer_as_the_model_does(tmp_path: Path, family: str, runtime: str) -> None:
    model, made_for = model_of(family), RUNTIMES[runtime]
    form = TextInputSpec(max_length=32, lengths=(32,), batch=3 if runtime == "executorch" else 1)
    subject = Subject(model=model, spec=form)
    twin, small = (tmp_path / f"{name}{made_for.suffix}" for name in ("float", "int8"))
    made_for.write_float(subject.for_runtime(made_for), twin)
    for call in form.calls():
        assert (answered(runtime, twin, call, texts()) - expected(model)).abs().max() < 1e-4
    made_for.write_int8(subject.for_runtime(made_for), twin, small, Int8())
    found = answered(runtime, small, form.one, texts())
    assert compared(found, expected(model), cosine_limit=0.99).passed
    assert small.stat().st_size < twin.stat().st_size


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("family", NEW)
def test_a_prediction_counts_every_product_and_every_weight_of_a_family(family: str, padded: bool) -> None:
    model = model_of(family)
    module = TextModule(model, padded=padded).eval()
    structure = structure_for(module, TextInputSpec(max_length=32))
    for length in (8, 20, 32):
        products = sum(
            each.count * prod(each.at(length)) for each in structure.operators if each.kind in ("linear", "matmul")
        )
        assert products == sizes(module, (torch.ones(1, length, dtype=torch.long),)).macs
    # Cosines and sines for 32 positions and half of 8 channels, of layers that look everywhere and nearby.
    constants = 2 * 2 * 32 * 4 if family == "modernbert" else 0
    assert structure.weights == model.parameters_count + constants


def test_distances_of_deberta_are_taken_number_by_number() -> None:
    structure = structure_for(TextModule(model_of("deberta-v2"), padded=False).eval(), TextInputSpec(max_length=32))
    taken = [each for each in structure.operators if each.kind == "slice" and each.at(20) == (4 * 20 * 20,) * 2]
    assert sum(each.count for each in taken) == 6
