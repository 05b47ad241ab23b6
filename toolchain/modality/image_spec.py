"""What an artifact takes of images: the bytes of their pixels.

In:  sizes in pixels, and the scaling that the model wants; or what a manifest says of sizes and framing.
Out: `ImageInputSpec`; the images of a bundle, and the picture in a file, as an artifact takes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import override

from edgewright.errors import BundleError, InputError
from edgewright.modality.color_channels import with_channels
from edgewright.modality.framing import Framing
from edgewright.modality.input_spec import BundleFile, Examples, Facts, InputSpec, ReadExample, read_facts
from edgewright.specs.signature import Array, DType
from edgewright.specs.signature import Tensor as TensorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.models.image import Scaling

NAME = "pixels"
IMAGE_BYTES = "images.bin"  # of a bundle: the images that its artifacts are checked on
Pixels = Annotated[int, Field(gt=0)]


class FramingFacts(BaseModel):
    """How a picture of any size becomes one that the artifact takes, in pixels; see `framing`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: tuple[Pixels, Pixels] | None = None
    shortest: Pixels | None = None
    crop: tuple[Pixels, Pixels] | None = None
    resample: Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] = "bilinear"


class ImageFacts(BaseModel):
    """What a manifest says of an image, in pixels; without a `framing` pictures are resized to its size."""

    model_config = ConfigDict(frozen=True)

    height: Pixels
    width: Pixels
    channels: Literal[1, 3]
    framing: FramingFacts | None = None


@dataclass(frozen=True, kw_only=True)
class ImageInputSpec(InputSpec):
    """Bytes (batch, height, width, channels), as a decoder or a camera gives them; sizes are in pixels.

    The `scaling` makes them a model's input; without one only a module that takes bytes can be exported. `framing` is
    how a picture gets that size, where it is not just resized; a spec that is exported has none.
    """

    height: int
    width: int
    channels: int
    scaling: Scaling | None = None
    framing: Framing | None = None

    @override
    def facts(self, reading: Facts) -> Mapping[str, JsonValue]:
        """Its sizes, and how the pictures were framed that were read."""
        height, width, channels = self.shape
        return {"height": height, "width": width, "channels": channels, "framing": reading.get("framing")}

    @classmethod
    @override
    def from_facts(cls, facts: Facts) -> Self:
        read = read_facts(ImageFacts, facts)
        framing = Framing(**read.framing.model_dump()) if read.framing else None
        return cls(height=read.height, width=read.width, channels=read.channels, framing=framing)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels

    @override
    def settings(self) -> dict[str, object]:
        """Sizes alone: the scaling is a constant of the module, which comes with the model's inputs."""
        return {name: value for name, value in super().settings().items() if name not in ("scaling", "framing")}

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

    @override
    def save_examples(self, examples: Examples, folder: Path) -> Mapping[str, JsonValue]:
        (folder / IMAGE_BYTES).write_bytes(np.ascontiguousarray(examples).tobytes())
        return {}

    @override
    def load_examples(self, saved: Examples, file: BundleFile, count: int) -> NDArray[np.uint8]:
        """So many images, whose bytes lie one behind the other. Raises `BundleError` where the file has others."""
        place = file(IMAGE_BYTES)
        pixels = np.frombuffer(place.read_bytes(), dtype=np.uint8)
        if pixels.size != count * math.prod(self.shape):
            raise BundleError(
                f"{place} has {pixels.size} bytes, which are not {count} images of {' × '.join(map(str, self.shape))}; "
                "build the bundle again"
            )
        return pixels.reshape(-1, *self.shape)

    @override
    def reader(self, file: BundleFile) -> Callable[[str], ReadExample]:
        return lambda path: ReadExample(examples=self.picture(Path(path)))

    def picture(self, file: Path) -> NDArray[np.uint8]:
        """The picture in a file as an artifact takes it, (1, height, width, channels). Raises `InputError`."""
        from edgewright.data.image_files import ImageFile, decode

        if not file.is_file():
            raise InputError(f"there is no file {file}; the bundle's model takes images: give one's path with --input")
        framed = self.framing.of if self.framing else None
        decoded = decode([ImageFile(path=file, label="", name=str(file))], self.shape[:2], framed=framed)
        return with_channels(decoded.pixels, self.channels)


def _described(image: object) -> str:
    if not isinstance(image, np.ndarray):
        return f"a {type(image).__name__}"
    return f"{image.dtype} of {' × '.join(map(str, image.shape))}"
