"""Number formats."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.specs.recipe.faults import MINIMAL, faults


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ('[stages.quantize]\nweights = "int4"\nscheme = "static-int8"', "not both: no runtime has kernels for it"),
        (
            '[stages.quantize]\nweights = "int4"\n[stages.export]\nruntimes = ["litert", "onnx", "tflite"]',
            "with the runtimes executorch and litert alone: onnx, tflite has no fast kernels for it",
        ),
        ('[stages.quantize]\nweights = "int4"\nscheme = "float16"', 'scheme = "float16", not both'),
        ('[stages.quantize]\nscheme = "float16"\nexclude = ["encoder.tokens"]', "without qat and exclude"),
        (
            '[stages.quantize]\nscheme = "float16"\n[stages.export]\nruntimes = ["executorch", "tflite"]',
            "with the runtimes executorch and litert alone: tflite does not compute in it",
        ),
        ('[stages.export]\nbatch = 8\nruntimes = ["onnx"]', "takes batch = 8 with other runtimes than onnx"),
    ],
)
def test_number_formats_are_refused_where_nothing_runs_them_fast(
    toml_file: Callable[[str], Path], settings: str, sentence: str
) -> None:
    (what,) = faults(toml_file, f"{MINIMAL}{settings}\n").values()
    assert sentence in what
