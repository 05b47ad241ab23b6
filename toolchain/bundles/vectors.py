"""The examples of a bundle with the float student's outputs, on which its artifacts are timed and checked."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from edgewright.base.reading import validated
from edgewright.base.untrusted import parse_json
from edgewright.bundles.files import readable
from edgewright.bundles.schema import ImageFacts
from edgewright.errors import BundleError

VECTORS = "vectors.json"
PIXELS = "images.bin"


class _Examples(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    inputs: list[list[Annotated[int, Field(ge=0)]]] = []  # where they are no images
    outputs: list[list[FiniteFloat]]


def _json_of(file: Path) -> Any:
    def fault(where: str, what: str) -> BundleError:
        return BundleError(f"{file} cannot be read: {where} {what}; build the bundle again")

    with readable(file):
        return parse_json(file.read_bytes(), name=str(file), error=fault)


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Inputs (ids of texts, or images) with the float student's outputs."""

    inputs: Sequence[Sequence[int]] | NDArray[np.uint8]
    outputs: list[list[float]]

    @classmethod
    def read(cls, file: Path, *, image: ImageFacts | None = None, pixels: Path | None = None) -> Self:
        """Read them from a bundle's file; those of images have theirs in the file `pixels`.

        Raises `InvalidFileError` for a faulty document, `BundleError` where the counts do not agree.
        """
        found = validated(_Examples, _json_of(file), file=str(file))
        inputs: Sequence[Sequence[int]] | NDArray[np.uint8] = found.inputs
        if image is not None and pixels is not None:
            values = np.frombuffer(pixels.read_bytes(), dtype=np.uint8)
            shape = (image.height, image.width, image.channels)
            if values.size != len(found.outputs) * math.prod(shape):
                raise BundleError(
                    f"{pixels} has {values.size} bytes, which are not {len(found.outputs)} images of "
                    f"{' × '.join(map(str, shape))}; build the bundle again"
                )
            inputs = values.reshape(-1, *shape)
        if len(inputs) != len(found.outputs):
            raise BundleError(
                f"{file} has {len(found.outputs)} outputs for {len(inputs)} inputs; build the bundle again"
            )
        return cls(inputs=inputs, outputs=found.outputs)

    def write(self, folder: Path) -> None:
        """Put them into a bundle that is being made."""
        document: dict[str, Any] = {"outputs": self.outputs}
        if isinstance(self.inputs, np.ndarray):
            (folder / PIXELS).write_bytes(np.ascontiguousarray(self.inputs).tobytes())
        else:
            document = {"inputs": self.inputs, **document}
        (folder / VECTORS).write_text(json.dumps(document), encoding="utf-8")
