"""The examples of a bundle with the float student's outputs, on which its artifacts are timed and checked."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat

from edgewright.base.reading import validated
from edgewright.base.untrusted import parse_json
from edgewright.bundles.files import readable
from edgewright.bundles.schema import TaskFacts
from edgewright.errors import BundleError
from edgewright.modality.input_spec import Examples, InputSpec

VECTORS = "vectors.json"


Saved = TypeVar("Saved")


class _Saved(BaseModel, Generic[Saved]):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    inputs: list[Saved] = []  # where they are in no file of their own
    outputs: list[list[FiniteFloat]]


def _json_of(file: Path) -> object:
    def fault(where: str, what: str) -> BundleError:
        return BundleError(f"{file} cannot be read: {where} {what}; build the bundle again")

    with readable(file):
        return parse_json(file.read_bytes(), name=str(file), error=fault)


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Examples as an artifact takes them, with the float student's outputs."""

    inputs: Examples
    outputs: list[list[float]]

    @classmethod
    def read(cls, file: Path, task: TaskFacts, file_of: Callable[[str], Path]) -> Self:
        """Read them from a bundle's file, and from those of its others that `file_of` gives to their input spec.

        Raises `InvalidFileError` for a faulty document, `BundleError` where the counts do not agree.
        """
        document: Any = _Saved  # mypy takes no type that is only known now
        saved = validated(document[task.input_spec.saved_example], _json_of(file), file=str(file))
        inputs = task.input_spec.load_examples(saved.inputs, file_of, len(saved.outputs))
        if len(inputs) != len(saved.outputs):
            raise BundleError(
                f"{file} has {len(saved.outputs)} outputs for {len(inputs)} inputs; build the bundle again"
            )
        return cls(inputs=inputs, outputs=saved.outputs)

    def write(self, folder: Path, spec: InputSpec) -> None:
        """Put them into a bundle that is being made, as artifacts of this spec take them."""
        document = {**spec.save_examples(self.inputs, folder), "outputs": self.outputs}
        (folder / VECTORS).write_text(json.dumps(document), encoding="utf-8")
