"""What an int8 artifact is to be like, and how its parts are found again in a finished file.

In:  the places of parts, examples, and a calibration.
Out: `Int8`, which a runtime's `write_int8` gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from edgewright.modality.input_spec import InputSpec
from edgewright.quantize.ranges import DEFAULT, Calibration
from edgewright.runtimes.export_input import ExportInput
from edgewright.specs.signature import Array

INT4_GROUP = 32  # inputs


@dataclass(frozen=True, kw_only=True)
class Int8:
    """What an int8 artifact is to be like.

    Parts at the places `excluded` of the model stay float; linear layers at the places `narrow` have weights of the
    narrower format that a recipe's `quantize.weights` names, with a scale for each `group` of inputs, or where that is
    None for each output. Static scales are taken by the `calibration` from the
    `examples`, the inputs of one each by their names; without any, activations are quantised dynamically.
    """

    excluded: Sequence[str] = ()
    narrow: Sequence[str] = ()
    group: int | None = None
    examples: Sequence[Mapping[str, Array]] = ()
    calibration: Calibration = DEFAULT


def int4_group(spec: InputSpec) -> int | None:
    """How many inputs share a scale of int4 weights; None for all of an output, as where a model does not write."""
    return INT4_GROUP if spec.writes is not None else None


def weights_at(source: ExportInput, places: Sequence[str]) -> list[NDArray[np.float32]]:
    """The weights of parts, by which they are found in a finished file, where places have other names."""
    parts = source.parts() if places else {}
    return [layout for place in places for layout in _layouts(parts[place].weight.detach())]


def _layouts(weight: Tensor) -> Iterator[NDArray[np.float32]]:
    """A part's weights in each order that a file may have them in: LiteRT has channels last."""
    yield weight.numpy()
    if weight.ndim == 4:
        yield weight.permute(0, 2, 3, 1).contiguous().numpy()
        yield weight.permute(1, 2, 3, 0).contiguous().numpy()  # of a convolution of each channel by itself
