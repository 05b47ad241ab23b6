"""A model of texts or images with what an artifact of it takes: what a build has before it knows the runtime.

In:  a float model and its form.
Out: `Subject`, which for a runtime is an `ExportInput`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from edgewright.errors import InputError
from edgewright.models.capabilities import TOKEN_TABLE
from edgewright.models.families import known_family, required
from edgewright.models.image import ImageModule, Scaling
from edgewright.models.text import TextModule
from edgewright.quantize.simulated import Part, parts_of
from edgewright.runtimes.descriptor import Runtime
from edgewright.runtimes.export_input import ExportInput
from edgewright.runtimes.forms import Form, Given, ImageForm, signature_of
from edgewright.specs.signature import Array

PLACE = "model"  # of the model in the module that is exported


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model, and what an artifact of it takes; `scaling` is how an image is made the model's input."""

    model: nn.Module
    form: Form
    scaling: Scaling | None = None

    def module(self, *, padded: bool = False) -> nn.Module:
        """What is exported: the model of one example, as it is run. With `padded` ids of 0 are no text."""
        if self.scaling is not None:
            return ImageModule(self.model, self.scaling).eval()
        return TextModule(self.model, padded=padded).eval()

    @property
    def products_only(self) -> bool:
        """Whether fixed scales are for products alone: between a transformer's there are norms and masks."""
        family = known_family(self.model)
        return family is not None and family.products_only

    @property
    def parameters_count(self) -> int:
        """How many numbers the model holds."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def checked(self, examples: Given) -> Given:
        """These examples for fixed scales. Raises `InputError` with the first that is not what the model takes."""
        if isinstance(self.form, ImageForm):
            for place, image in enumerate(examples):
                if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != self.form.shape:
                    raise InputError(
                        f"calibration example {place} is {_described(image)}, but the model takes bytes of "
                        f"{' × '.join(map(str, self.form.shape))} (height, width, channels)"
                    )
            return examples
        pieces = required(self.model, TOKEN_TABLE, setting="stages.quantize.scheme").pieces(self.model)
        for place, ids in enumerate(examples):
            if not 0 < len(ids) <= self.form.max_length:
                raise InputError(
                    f"calibration example {place} has {len(ids)} tokens, but the model takes 1 to "
                    f"{self.form.max_length}; cut it there"
                )
            if strangers := [int(each) for each in ids if not 0 <= int(each) < pieces]:
                raise InputError(
                    f"calibration example {place} has token {strangers[0]}, but the model's vocabulary has {pieces} "
                    "pieces, counted from 0; encode texts with its own tokenizer, not the teacher's"
                )
        return examples

    def parts(self) -> dict[str, Part]:
        """All that int8 makes smaller, by its place in the model."""
        return parts_of(self.module().get_submodule(PLACE))

    def for_runtime(self, runtime: Runtime) -> ExportInput:
        """What an exporter of this runtime gets."""
        module = self.module(padded=runtime.fixed_shapes)
        return ExportInput(
            module=module,
            signature=signature_of(module, self.form, runtime),
            place=PLACE,
            products_only=self.products_only,
        )

    def calibration(self, examples: Given, runtime: Runtime) -> tuple[Mapping[str, Array], ...]:
        """Examples for fixed scales, as the runtime takes them. Raises `InputError` with the first that it does not."""
        return tuple(self.form.named(each, runtime) for each in self.checked(examples))


def _described(image: Any) -> str:
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__}"
    return f"{image.dtype} of {' × '.join(map(str, image.shape))}"
