"""What an artifact takes of images: the bytes of their pixels.

In:  sizes in pixels, and the scaling that the model wants.
Out: `ImageInputSpec`; the images of a bundle, and the picture in a file, as an artifact takes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from edgewright.errors import BundleError, InputError
from edgewright.modality.base import Facts
from edgewright.modality.color_channels import with_channels
from edgewright.modality.framing import Framing
from edgewright.modality.input_spec import Examples, InputSpec
from edgewright.specs.signature import Array, DType
from edgewright.specs.signature import Tensor as TensorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.models.image import Scaling

NAME = "pixels"


@dataclass(frozen=True, kw_only=True)
class ImageInputSpec(InputSpec):
    """Bytes (batch, height, width, channels), as a decoder or a camera gives them; sizes are in pixels.

    The `scaling` makes them a model's input; without one only a module that takes bytes can be exported.
    """

    height: int
    width: int
    channels: int
    scaling: Scaling | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @override
    def settings(self) -> dict[str, Any]:
        """Sizes alone: the scaling is a constant of the module, which comes with the model's inputs."""
        return {name: value for name, value in super().settings().items() if name != "scaling"}

    @override
    def module(self, model: nn.Module, *, padded: bool = False) -> nn.Module:
        from edgewright.models.image import ImageModule

        assert self.scaling is not None
        return ImageModule(model, self.scaling).eval()

    @override
    def tensors(self, *, fixed_shapes: bool, index_dtype: DType) -> tuple[TensorSpec, ...]:
        return (TensorSpec(name=NAME, dtype="uint8", shape=(self.batch, *self.shape)),)

    @override
    def arrays(self, examples: Examples, index_dtype: DType) -> dict[str, Array]:
        return {NAME: np.array(examples, dtype=np.uint8).reshape(len(examples), *self.shape)}

    @override
    def checked(self, model: nn.Module, examples: Examples) -> Examples:
        for place, image in enumerate(examples):
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != self.shape:
                raise InputError(
                    f"calibration example {place} is {_described(image)}, but the model takes bytes of "
                    f"{' × '.join(map(str, self.shape))} (height, width, channels)"
                )
        return examples

    @override
    def example(self) -> Tensor:
        """Black images."""
        import torch

        return torch.zeros(self.batch, *self.shape, dtype=torch.uint8)


def images_in(file: Path, facts: Facts, count: int) -> NDArray[np.uint8]:
    """The bytes of so many images, one behind the other. Raises `BundleError` where the file has others."""
    shape, pixels = _shape_of(facts), np.frombuffer(file.read_bytes(), dtype=np.uint8)
    if pixels.size != count * math.prod(shape):
        raise BundleError(
            f"{file} has {pixels.size} bytes, which are not {count} images of {' × '.join(map(str, shape))}; build the "
            "bundle again"
        )
    return pixels.reshape(-1, *shape)


def picture(file: Path, facts: Facts) -> NDArray[np.uint8]:
    """The picture in a file as an artifact takes it, (1, height, width, channels). Raises `InputError`."""
    from edgewright.data.image_files import ImageFile, decode

    if not file.is_file():
        raise InputError(f"there is no file {file}; the bundle's model takes images: give one's path with --input")
    shape, framing = _shape_of(facts), facts["framing"]
    framed = Framing(**framing).of if framing else None
    decoded = decode([ImageFile(path=file, label="", name=str(file))], shape[:2], framed=framed)
    return with_channels(decoded.pixels, shape[2])


def _shape_of(facts: Facts) -> tuple[int, int, int]:
    return facts["height"], facts["width"], facts["channels"]


def _described(image: Any) -> str:
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__}"
    return f"{image.dtype} of {' × '.join(map(str, image.shape))}"
