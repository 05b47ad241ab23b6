"""A bundle: everything one build made, with a manifest that says of each file what it is and what its bytes must be.

In:  a folder, or the same folder as a `.zip` archive.
Out: `Bundle`: a validated manifest and the paths of verified files; or a new bundle, written whole or not at all.
What a bundle answers is `answer`'s concern, how fast it is `benchmark`'s.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from edgewright.base.digest import sha256_of
from edgewright.base.reading import validated
from edgewright.base.untrusted import parse_json
from edgewright.bundles.files import (
    AGAIN,
    MANIFEST,
    archived,
    file_names,
    place_for,
    read_manifest,
    require_replaceable,
    seal,
    swap,
    unpacked,
    verify,
)
from edgewright.errors import BundleError, UnknownNameError
from edgewright.specs.budget import Budget
from edgewright.specs.profiles import Runtime
from edgewright.specs.recipe import TaskKind
from edgewright.specs.signature import Signature
from edgewright.specs.structure import SIZES, Structure
from edgewright.tasks.table import TASKS
from edgewright.tasks.task import Task

if TYPE_CHECKING:
    from edgewright.bundles.answering import Answerer

TOKENIZER = "tokenizer.json"
VECTORS = "vectors.json"
IMAGES = "images.bin"
CORPUS = "corpus.json"
INDEX = "index.safetensors"

OLDER = (1, 2)  # versions of the manifest that are no longer read

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelFacts(_Part):
    """A float model: its score on the held-out part, its size, and one inference on the build's machine."""

    score: float
    parameters: int
    bytes: int
    latency_ms: float | None


class BaselineFacts(_Part):
    """What a method without a network scores."""

    name: str
    score: float


class ParityFacts(_Part):
    """How close an artifact's outputs are to the float student's, at the worst over all held-out texts."""

    passed: bool
    cosine_min: float
    max_abs_error: float | None
    cosine_limit: float


class TimingFacts(_Part):
    """How artifacts were timed where the bundle was built: on which processor, by what, and what marks the times.

    `marks` say who else had the processor; with any, ratios are of processor times. `float_speedup` is the float
    student's time over the artifact's, None where it cannot be told. `length` and `teacher_length` are the medians of
    the timed texts in the student's and the teacher's tokens; an image has 0.
    """

    processor: str | None
    by: Literal["wall", "processor time"]
    marks: tuple[str, ...] = ()
    float_speedup: FiniteFloat | None
    length: Annotated[int, Field(ge=0)]
    teacher_length: Annotated[int, Field(ge=0)]


class ArtifactFacts(_Part):
    """One exported file; its `signature` says what it takes and gives.

    `float_file` is the float reference of the same signature, where the bundle has that too. `structure` is what it
    computes, and `teacher_structure` what the teacher does under the same runtime, for predictions. Latencies and
    `speedup`, the float teacher's time over its own, are of the machine that built, as `timing` says.
    """

    runtime: Runtime
    runtime_version: str
    file: str
    bytes: int
    sha256: Sha256
    signature: Signature
    score: float
    parity: ParityFacts
    latency_ms: float
    float_latency_ms: float
    teacher_latency_ms: float
    speedup: float | None
    peak_rss_bytes: int
    float_file: str | None = None
    structure: Structure | None = None
    teacher_structure: Structure | None = None
    timing: TimingFacts | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """The sizes that its entries are made for, as lengths in tokens; none where it takes any."""
        return self.signature.buckets

    @property
    def batch(self) -> int:
        """How many examples it takes at once, besides one alone; 1 where it takes no more."""
        return self.signature.batch


class StageFacts(_Part):
    """A stage of the build: its settings, what it found, how long it took this time and when it was made."""

    name: str
    seconds: float
    made_in_seconds: float
    cached: bool
    settings: dict[str, Any] = {}
    findings: dict[str, Any] = {}


class FramingFacts(_Part):
    """How a picture of any size becomes one that the artifact takes, in pixels; see `modality.framing`."""

    resize: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    shortest: Annotated[int, Field(gt=0)] | None = None
    crop: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] | None = None
    resample: Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"] = "bilinear"


class ImageFacts(_Part):
    """What an artifact takes of an image, in pixels; without a `framing` pictures are resized to its size."""

    height: Annotated[int, Field(gt=0)]
    width: Annotated[int, Field(gt=0)]
    channels: Literal[1, 3]
    framing: FramingFacts | None = None


class TaskFacts(_Part):
    """What the model is for; a regression's value is its one output times `value_std`, plus `value_mean`.

    Texts have at most `max_length` tokens; of images `image` says what the artifacts take.
    """

    kind: TaskKind
    metric: str
    max_length: int
    image: ImageFacts | None = None
    labels: tuple[str, ...] = ()
    value_mean: float = 0.0
    value_std: float = 1.0

    @property
    def task(self) -> Task[Any]:
        """The task of this kind."""
        return TASKS[self.kind]

    @property
    def tags(self) -> int:
        """How many numbers each token has for an output; 0 where a text or an image has one as a whole."""
        return len(self.labels) if self.task.per_token else 0

    def of_tokens(
        self, outputs: Sequence[Sequence[float]], inputs: Sequence[Any] | NDArray[np.uint8]
    ) -> list[Sequence[float]]:
        """What an artifact said of each input, without what it says of padding where each token has an output."""
        if not self.tags:
            return list(outputs)
        return [row[: len(ids) * self.tags] for row, ids in zip(outputs, inputs, strict=True)]


class Manifest(_Part):
    """What a bundle is, what it was built from and by what, and the sha256 of every other file in it."""

    schema_version: Literal[3] = 3
    name: str
    edgewright: str
    created: str
    profile: str
    recipe: dict[str, Any]
    task: TaskFacts
    teacher: ModelFacts
    student: ModelFacts
    baseline: BaselineFacts
    artifacts: Annotated[tuple[ArtifactFacts, ...], Field(min_length=1)]
    best: Runtime
    stages: tuple[StageFacts, ...]
    budget: Budget
    verdict: dict[str, Any]
    packages: dict[str, str]
    machine: dict[str, Any]
    files: dict[str, Sha256]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An opened bundle: `path` is what the user named, `folder` is where the files lie."""

    path: Path
    folder: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: str | Path) -> Bundle:
        """Read the manifest and check every file against it.

        Raises `BundleError` naming the file that is missing or altered, `InvalidFileError` for a faulty manifest.
        """
        place = Path(path)
        with _readable(place):
            folder = unpacked(place) if place.is_file() else place
            document = folder / MANIFEST
            if document.is_symlink() or not document.is_file():
                raise BundleError(f"{place} is no bundle: it has no {MANIFEST}; make one with `edgewright build`")
            values = read_manifest(document.read_bytes(), shown=str(document))
            if values.get("schema_version") in OLDER:
                raise BundleError(
                    f"{place} was made by an older version of Edgewright, which said less of what its artifacts take; "
                    "build it again with this one"
                )
            manifest = validated(Manifest, _without_old_structures(values), file=str(document))
            verify(folder, manifest.files, shown=place)
            _verify_named(folder, manifest, shown=place)
        return cls(path=place, folder=folder, manifest=manifest)

    def artifact(self, runtime: str | None = None) -> ArtifactFacts:
        """The artifact for a runtime, or the best one. Raises `UnknownNameError` for a runtime it has none for."""
        artifacts = {artifact.runtime: artifact for artifact in self.manifest.artifacts}
        wanted = runtime or self.manifest.best
        for name, artifact in artifacts.items():
            if name == wanted:
                return artifact
        raise UnknownNameError(f"artifact in {self.path} for the runtime", wanted, artifacts)

    def file(self, name: str) -> Path:
        """The path of one of the bundle's files. Raises `BundleError` for one that the manifest does not list."""
        if name not in self.manifest.files:
            raise BundleError(f"the manifest of {self.path} has no hash for {name}; {AGAIN}")
        return self.folder / name

    def answer(self, given: str, *, top: int = 5) -> dict[str, Any]:
        """What the model says of a text, or of an image's file, on this machine: see `edgewright.bundles.answering`.

        The runner stays, so that a further question takes milliseconds; `close` ends it, as does the end of a `with`.
        """
        from edgewright.bundles.answering import answer_of

        return answer_of(self, given, top=top)

    @cached_property
    def answerer(self) -> Answerer:
        """Asks this bundle, and keeps what that takes."""
        from edgewright.bundles.answering import Answerer

        return Answerer(self)

    def close(self) -> None:
        """End what runs for this bundle. Safe to call twice; it can be asked again."""
        if "answerer" in vars(self):  # one that was never asked started nothing
            self.answerer.close()

    def __enter__(self) -> Bundle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def vectors(self) -> Vectors:
        """What the artifacts are timed and checked on. Raises `InvalidFileError`, `BundleError` for other counts."""
        file, image = self.file(VECTORS), self.manifest.task.image
        found = validated(_Examples, _json_of(file), file=str(file))
        inputs: Sequence[Sequence[int]] | NDArray[np.uint8] = found.inputs
        if image is not None:
            pixels = np.frombuffer(self.file(IMAGES).read_bytes(), dtype=np.uint8)
            shape = (image.height, image.width, image.channels)
            if pixels.size != len(found.outputs) * math.prod(shape):
                raise BundleError(
                    f"{self.file(IMAGES)} has {pixels.size} bytes, which are not {len(found.outputs)} images of "
                    f"{' × '.join(map(str, shape))}; build the bundle again"
                )
            inputs = pixels.reshape(-1, *shape)
        if len(inputs) != len(found.outputs):
            raise BundleError(
                f"{file} has {len(found.outputs)} outputs for {len(inputs)} inputs; build the bundle again"
            )
        return Vectors(inputs=inputs, outputs=found.outputs)


class _Examples(_Part):
    inputs: list[list[Annotated[int, Field(ge=0)]]] = []  # where they are no images
    outputs: list[list[FiniteFloat]]


@contextmanager
def _readable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BundleError(f"{str(place)[:200]} cannot be read ({error.strerror}); check its path and rights") from error


def _json_of(file: Path) -> Any:
    def fault(where: str, what: str) -> BundleError:
        return BundleError(f"{file} cannot be read: {where} {what}; build the bundle again")

    with _readable(file):
        return parse_json(file.read_bytes(), name=str(file), error=fault)


def _verify_named(folder: Path, manifest: Manifest, *, shown: Path) -> None:
    """Check that each file which is going to be read is a listed one, and that all who speak of one say the same."""
    twins = {artifact.float_file for artifact in manifest.artifacts if artifact.float_file}
    asked = {IMAGES} if manifest.task.image else {TOKENIZER}
    searched = {CORPUS, INDEX} if manifest.task.task.searched else set()
    named = {artifact.file for artifact in manifest.artifacts} | twins | asked | searched | {VECTORS}
    if unlisted := sorted(named - set(manifest.files)):
        raise BundleError(f"the manifest of {shown} has no hash for {', '.join(unlisted)}; {AGAIN}")
    for artifact in manifest.artifacts:
        if artifact.sha256 != manifest.files[artifact.file]:
            raise BundleError(f"the manifest of {shown} has two sha256 for {artifact.file}; {AGAIN}")
        if artifact.bytes != (size := (folder / artifact.file).stat().st_size):
            raise BundleError(f"{shown}/{artifact.file} has {size} bytes, not {artifact.bytes}; {AGAIN}")


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """Inputs (ids of texts, or images) with the float student's outputs."""

    inputs: Sequence[Sequence[int]] | NDArray[np.uint8]
    outputs: list[list[float]]

    def write(self, folder: Path) -> None:
        """Put them into a bundle that is being made."""
        document: dict[str, Any] = {"outputs": self.outputs}
        if isinstance(self.inputs, np.ndarray):
            (folder / IMAGES).write_bytes(np.ascontiguousarray(self.inputs).tobytes())
        else:
            document = {"inputs": self.inputs, **document}
        (folder / VECTORS).write_text(json.dumps(document), encoding="utf-8")


def write(
    output: Path,
    manifest: Callable[[dict[str, str]], Manifest],
    fill: Callable[[Path], None],
    *,
    force: bool = False,
) -> Bundle:
    """Write a bundle whole or not at all: a folder, or an archive where `output` ends in `.zip`.

    `fill` puts the files into an empty folder; `manifest` is then given their hashes. A bundle that was there before
    is replaced in one step, anything else only with `force`; raises `InputError` otherwise.
    """
    require_replaceable(output, force=force)
    output.parent.mkdir(parents=True, exist_ok=True)
    with place_for(output) as unfinished:
        inside = unfinished / "bundle"
        inside.mkdir()
        fill(inside)
        hashes = {name: sha256_of(inside / name) for name in file_names(inside)}
        (inside / MANIFEST).write_text(seal(manifest(hashes).model_dump(mode="json")), encoding="utf-8")
        finished = archived(inside, unfinished / "bundle.zip") if output.suffix == ".zip" else inside
        require_replaceable(output, force=force)  # what came there while it was made
        swap(finished, output, unfinished / "before")
    return Bundle.open(output)


def _without_old_structures(values: Any) -> Any:
    """A manifest without structures that an earlier version told in other kinds and sizes: it is whole all the same."""
    artifacts = values.get("artifacts") if isinstance(values, dict) else None
    for artifact in artifacts if isinstance(artifacts, list) else ():
        for name in ("structure", "teacher_structure"):
            structure = artifact.get(name) if isinstance(artifact, dict) else None
            operators = structure.get("operators") if isinstance(structure, dict) else None
            if isinstance(operators, list) and not all(map(_is_told_now, operators)):
                artifact[name] = None
    return values


def _is_told_now(operator: Any) -> bool:
    if not isinstance(operator, dict) or not isinstance(operator.get("sizes"), list):
        return True  # damaged, which is told where it is read
    names = dict[Any, Any](SIZES).get(operator.get("kind"))
    return names is not None and len(names) == len(operator["sizes"])
