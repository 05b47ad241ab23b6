"""float16 as ExecuTorch computes it: half of the bytes, and next to nothing else changed."""

from pathlib import Path

import pytest
import torch

from tests import artifacts, tiny
from toolchain.export.parity import compare
from toolchain.models import text as texts
from toolchain.quantize.half import Half
from toolchain.stages.runtimes import RUNTIMES, Subject, outputs_of


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
def test_an_artifact_in_float16_takes_half_of_the_bytes_and_says_what_the_model_says(tmp_path: Path) -> None:
    model, made_for = tiny.teacher().model, RUNTIMES["executorch"]
    subject = Subject(model=model, form=artifacts.FORM)
    assert made_for.write_half is not None
    told = made_for.write_half(subject, tmp_path / "half.pte")
    made_for.write_float(subject, tmp_path / "float.pte")
    assert told["delegated"] > 0
    assert not [name for name in told["fallbacks"] if "linear" in name or "addmm" in name]
    sizes = {name: (tmp_path / f"{name}.pte").stat().st_size for name in ("half", "float")}
    assert sizes["float"] - sizes["half"] == pytest.approx(2 * model.parameters_count, rel=0.1)
    rows = artifacts.rows_of_every_length()
    found = outputs_of("executorch", tmp_path / "half.pte", artifacts.FORM, [row.ids for row in rows], lambda _: None)
    assert compare(found, texts.outputs(model, rows)).cosine_min > 0.9999
