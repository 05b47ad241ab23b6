"""What a build needs to know of each runtime: how an artifact is written for it, and how it is run here to be checked.

In:  a runtime's name, as recipes and profiles say it.
Out: a `Runtime` of `RUNTIMES`. A new one is a module in `export`, one in `quantize`, and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgewright.devices.deploy import HERE, deploy
from edgewright.errors import InputError
from edgewright.measure.protocol import infer
from edgewright.models.convnet import ConvNet
from edgewright.models.encoder import Encoder
from edgewright.models.image import ImageModule, Scaling
from edgewright.models.model import TransformerModel
from edgewright.models.text import TextModule
from edgewright.quantize.half import Half
from edgewright.quantize.ranges import DEFAULT, Calibration
from edgewright.quantize.simulated import Part, parts_of
from edgewright.runtimes.executorch import export as executorch
from edgewright.runtimes.executorch.export_int8 import executorch_int8
from edgewright.runtimes.forms import Form, Given, ImageForm, Input
from edgewright.runtimes.litert import export as litert
from edgewright.runtimes.litert import int8 as flatbuffer
from edgewright.runtimes.litert.compact import compact
from edgewright.runtimes.onnx import export as onnx
from edgewright.runtimes.onnx import int8 as onnx_int8
from edgewright.targets import open_target

Run = Callable[[Input], Tensor]
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


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One runtime's verbs.

    `write_int8` gets the subject, its float twin's file and what is asked, and says what it found; so does
    `write_half`, for float16, where there is one and nothing is asked. A runtime that is `static` has no right or fast
    kernels for dynamic int8. Where there is no `session`, and for several examples at once, an artifact is run by the
    runner that devices have. `packages` shape an artifact and are not among those every build has.
    """

    suffix: str
    fixed_lengths: bool
    write_float: Callable[[Subject, Path], None]
    write_int8: Callable[[Subject, Path, Path, Int8], Mapping[str, Any]]
    session: Callable[[Path, Form], Run] | None
    write_half: Callable[[Subject, Path, Path], Mapping[str, Any]] | None = None
    static: bool = False
    stem: str = "model"
    packages: tuple[str, ...] = ()

    def versions(self) -> dict[str, str]:
        """Of its own packages, as far as they are installed."""
        found = {}
        for name in self.packages:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        return found


def _executorch_float(subject: Subject, file: Path) -> None:
    executorch.export(subject.module(), file, form=subject.form)


def _executorch_int8(subject: Subject, _twin: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    found = executorch_int8(
        subject.module(),
        file,
        form=subject.form,
        examples=subject.checked(asked.examples),
        calibration=asked.calibration,
        products_only=bool(len(asked.examples)) and subject.products_only,
        kept_float=[f"{PLACE}.{name}" for name in asked.kept_float],
        int4=[f"{PLACE}.{name}" for name in asked.int4],
    )
    return {"delegated": found.delegated, "fallbacks": found.fallbacks}


def _executorch_half(subject: Subject, _twin: Path, file: Path) -> Mapping[str, Any]:
    found = executorch.export(Half(subject.module()), file, form=subject.form)
    return {"delegated": found.delegated, "fallbacks": found.fallbacks}


def _litert_float(subject: Subject, file: Path) -> None:
    litert.export(subject.module(padded=True), file, form=subject.form)


def _litert_int8(
    subject: Subject, twin: Path, file: Path, asked: Int8, *, one_scale: bool = False
) -> Mapping[str, Any]:
    flatbuffer.with_int8(
        twin,
        file,
        examples=by_signature(subject.form, subject.checked(asked.examples)),
        calibration=asked.calibration,
        products_only=subject.products_only,
        one_scale=one_scale,
        kept_float=_weights(subject, asked.kept_float),
        int4=_weights(subject, asked.int4),
    )
    compact(file)
    return {}


def _litert_half(_subject: Subject, twin: Path, file: Path) -> Mapping[str, Any]:
    flatbuffer.with_half(twin, file)
    compact(file)
    return {}


def by_signature(form: Form, examples: Given) -> dict[str, list[dict[str, Any]]]:
    """The examples as each signature takes them: all need scales, also one that no example is as long as."""
    found: dict[str, list[dict[str, Any]]] = {}
    for example in examples:
        for call in form.calls():
            for name, given in call.every_fixed(example).items():
                found.setdefault(name, []).append({form.name: given.numpy()})
    return found


def _onnx_float(subject: Subject, file: Path) -> None:
    onnx.export(subject.module(), file, form=subject.form)


def _onnx_int8(subject: Subject, twin: Path, file: Path, asked: Int8) -> Mapping[str, Any]:
    given = [{subject.form.name: subject.form.one.tensor(each).numpy()} for each in subject.checked(asked.examples)]
    onnx_int8.with_int8(
        twin,
        file,
        examples=given,
        calibration=asked.calibration,
        products_only=subject.products_only,
        kept_float={layout.tobytes() for layout in _weights(subject, asked.kept_float)},
    )
    return {}


def _weights(subject: Subject, places: Sequence[str]) -> list[NDArray[np.float32]]:
    """By which a part is found in a finished file, where places have other names."""
    parts = subject.parts() if places else {}
    return [layout for place in places for layout in _layouts(parts[place].weight.detach())]


def _layouts(weight: Tensor) -> Iterator[NDArray[np.float32]]:
    """A part's weights in each order that a file may have them in: LiteRT has channels last."""
    yield weight.numpy()
    if weight.ndim == 4:
        yield weight.permute(0, 2, 3, 1).contiguous().numpy()
        yield weight.permute(1, 2, 3, 0).contiguous().numpy()  # of a convolution of each channel by itself


RUNTIMES: Mapping[str, Runtime] = {
    "executorch": Runtime(
        suffix=".pte",
        fixed_lengths=False,
        write_float=_executorch_float,
        write_int8=_executorch_int8,
        write_half=_executorch_half,
        session=executorch.Session,
    ),
    "litert": Runtime(
        suffix=".tflite",
        fixed_lengths=True,
        write_float=_litert_float,
        write_int8=_litert_int8,
        write_half=_litert_half,
        session=litert.Session,
    ),
    "onnx": Runtime(
        suffix=".onnx",
        fixed_lengths=False,
        write_float=_onnx_float,
        write_int8=_onnx_int8,
        session=onnx.Session,
        packages=onnx.PACKAGES,
    ),
    # The same file, for an interpreter that has no fast kernels for activations which are quantised as they come.
    "tflite": Runtime(
        suffix=".tflite",
        fixed_lengths=True,
        write_float=_litert_float,
        write_int8=partial(_litert_int8, one_scale=True),
        session=None,
        static=True,
        stem="model-tflite",  # a bundle may have LiteRT's beside it
    ),
}


def outputs_of(runtime: str, file: Path, form: Form, given: Given, told: Callable[[int], None]) -> Tensor:
    """What an artifact says of each input here, `joined` by the form, asked as this call of it wants it.

    `told` hears how many are done.
    """
    made_for = RUNTIMES[runtime]
    if made_for.session is None or form.batch > 1:
        lengths = form.lengths if made_for.fixed_lengths else ()
        target = open_target(HERE)
        try:
            place = deploy(target, file, runtime=runtime, lengths=lengths)
            found = infer(target, place.artifact, place.runtime, given, batch=form.batch)
        finally:
            target.close()
        told(len(given))
        return form.joined([torch.tensor(row) for row in found], given)
    run, said = made_for.session(file, form), []
    for each in given:
        said.append(run(each))
        told(len(said))
    return form.joined(said, given)
