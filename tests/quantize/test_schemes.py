"""Quantisation schemes by name: ours, and one that somebody adds with the support of a runtime."""

from pathlib import Path
from typing import Any

import pytest

from edgewright.errors import InputError, UnknownNameError
from edgewright.quantize.schemes import QUANTIZATION_SCHEMES, Scheme, rounds_to_integers
from edgewright.runtimes.table import RUNTIMES, runtimes_that


def test_a_scheme_says_whether_it_rounds_to_integers_and_has_fixed_scales() -> None:
    assert {name: (each.is_integer, each.static) for name, each in QUANTIZATION_SCHEMES.items()} == {
        "dynamic-int8": (True, False),
        "static-int8": (True, True),
        "int4": (True, False),
        "float16": (False, False),
    }
    assert rounds_to_integers(None)
    assert not rounds_to_integers("float16")


@pytest.mark.parametrize(
    ("scheme", "runtimes"),
    [
        ("dynamic-int8", ("executorch", "litert", "onnx")),
        ("static-int8", ("executorch", "litert", "onnx", "tflite")),
        ("int4", ("executorch", "litert")),
        ("float16", ("executorch", "litert")),
    ],
)
def test_each_runtime_says_which_schemes_it_has_kernels_for(scheme: str, runtimes: tuple[str, ...]) -> None:
    assert runtimes_that(lambda each: each.supports(scheme)) == runtimes


def test_a_runtime_without_kernels_for_dynamic_scales_is_given_fixed_ones() -> None:
    assert RUNTIMES["tflite"].chosen("dynamic-int8") == "static-int8"
    assert RUNTIMES["litert"].chosen("dynamic-int8") == "dynamic-int8"


def test_a_scheme_that_somebody_adds_brings_the_support_of_a_runtime(tmp_path: Path) -> None:
    written: list[Any] = []

    def write(*given: Any) -> dict[str, Any]:
        written.append(given)
        return {"levels": 3}

    ternary = Scheme(name="ternary", weight_bits=2, activation_bits=8, writers={"onnx": write})
    source: Any = "an export's input"
    with QUANTIZATION_SCHEMES.registered("ternary", ternary):
        assert runtimes_that(lambda each: each.supports("ternary")) == ("onnx",)
        asked: Any = None
        assert RUNTIMES["onnx"].write("ternary", source, tmp_path, tmp_path, asked) == {"levels": 3}
        with pytest.raises(InputError, match="litert has no kernels for it; choose another scheme than ternary"):
            RUNTIMES["litert"].write("ternary", source, tmp_path, tmp_path, asked)
    assert len(written) == 1
    with pytest.raises(UnknownNameError, match="there is no quantisation scheme 'ternary'"):
        _ = QUANTIZATION_SCHEMES["ternary"]
