"""What a file is written of: a model, what an artifact of it takes, and what is asked of its int8.

In:  a float model and its form.
Out: `Subject`, which a runtime's `write_float`, `write_int8` and `write_half` get.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewright.errors import InputError
from edgewright.models.convnet import ConvNet
from edgewright.models.encoder import Encoder
from edgewright.models.image import ImageModule, Scaling
from edgewright.models.model import TransformerModel
from edgewright.models.text import TextModule
from edgewright.quantize.ranges import DEFAULT, Calibration
from edgewright.quantize.simulated import Part, parts_of
from edgewright.runtimes.forms import Form, Given, ImageForm

PLACE = "model"  # of the model in the module that is exported


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model, and what an artifact of it takes; `scaling` is how an image is made the model's input."""

    model: TransformerModel | ConvNet
    form: Form
    scaling: Scaling | None = None

    def module(self, *, padded: bool = False) -> nn.Module:
        """What is exported: the model of one example, as it is run. With `padded` ids of 0 are no text."""
        if self.scaling is not None:
            return ImageModule(self.model, self.scaling).eval()
        assert isinstance(self.model, TransformerModel)
        return TextModule(self.model, padded=padded).eval()

    @property
    def products_only(self) -> bool:
        """Whether fixed scales are for products alone: between a transformer's there are norms and masks."""
        return isinstance(self.model, TransformerModel)

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
        assert isinstance(self.model, TransformerModel)
        assert isinstance(self.model.encoder, Encoder)
        pieces = self.model.encoder.shape.vocabulary
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
        found = self.module().get_submodule(PLACE)
        return parts_of(found)


def _described(image: Any) -> str:
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__}"
    return f"{image.dtype} of {' × '.join(map(str, image.shape))}"


@dataclass(frozen=True, kw_only=True)
class Int8:
    """What is asked of an int8 artifact.

    Parts at the places `kept_float` stay float, linear layers at the places `int4` have such weights. Fixed scales are
    taken from the `examples` by the `calibration`; without any, activations are quantised as they come.
    """

    kept_float: Sequence[str] = ()
    int4: Sequence[str] = ()
    examples: Given = ()
    calibration: Calibration = DEFAULT


def weights_at(subject: Subject, places: Sequence[str]) -> list[NDArray[np.float32]]:
    """By which a part is found in a finished file, where places have other names."""
    parts = subject.parts() if places else {}
    return [layout for place in places for layout in _layouts(parts[place].weight.detach())]


def _layouts(weight: Tensor) -> Iterator[NDArray[np.float32]]:
    """A part's weights in each order that a file may have them in: LiteRT has channels last."""
    yield weight.numpy()
    if weight.ndim == 4:
        yield weight.permute(0, 2, 3, 1).contiguous().numpy()
        yield weight.permute(1, 2, 3, 0).contiguous().numpy()  # of a convolution of each channel by itself
