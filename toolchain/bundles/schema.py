"""The schema of a manifest: what a bundle is, what it was built from and what each of its files must be.

In:  the values of a manifest, once its seal is checked (`files`).
Out: `Manifest`, whose parts are frozen; how an example is read and answered is not told here.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    FiniteFloat,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from edgewright.bundles.parity_facts import GenerationParityFacts as GenerationParityFacts
from edgewright.bundles.parity_facts import ManifestPart as ManifestPart
from edgewright.bundles.parity_facts import ParityFacts as ParityFacts
from edgewright.errors import InputError
from edgewright.modality.base import Modality
from edgewright.modality.input_spec import InputSpec
from edgewright.modality.table import MODALITIES
from edgewright.specs.budget import Budget
from edgewright.specs.profiles import Runtime
from edgewright.specs.recipe import TaskKind
from edgewright.specs.signature import Signature
from edgewright.specs.structure import SIZES, Structure
from edgewright.tasks.table import TASKS
from edgewright.tasks.task import AnyTask

OLDER = (1, 2)  # versions of the manifest that are no longer read
WITH_IMAGES = 3  # the version whose `task.image` is `task.inputs` since

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ModelFacts(ManifestPart):
    """A float model: its score on the held-out part, its size, and one inference on the build's machine."""

    score: float
    parameters: int
    bytes: int
    latency_ms: float | None


class BaselineFacts(ManifestPart):
    """What a method without a network scores."""

    name: str
    score: float


class TimingFacts(ManifestPart):
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


class ArtifactFacts(ManifestPart):
    """One exported file; its `signature` says what it takes and gives.

    `float_file` is the float reference of the same signature, where the bundle has that too. `structure` is what it
    computes, and `teacher_structure` what the teacher does under the same runtime, for predictions; of an artifact that
    generates `structure` is that of reading some ids, and `decode_structure` that of writing one token with a cache for
    so many. Latencies and `speedup`, the float teacher's time over its own, are of the machine that built, as `timing`
    says.
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
    decode_structure: Structure | None = None
    timing: TimingFacts | None = None

    @model_serializer(mode="wrap")
    def _without_what_does_not_generate(self, serialized: SerializerFunctionWrapHandler) -> dict[str, object]:
        document: dict[str, object] = serialized(self)
        return {name: value for name, value in document.items() if name != "decode_structure" or value is not None}

    @property
    def lengths(self) -> tuple[int, ...]:
        """The sizes that its entries are made for, as lengths in tokens; none where it takes any."""
        return self.signature.buckets

    @property
    def batch(self) -> int:
        """How many examples it takes at once, besides one alone; 1 where it takes no more."""
        return self.signature.batch


class DraftFacts(ManifestPart):
    """An artifact of a smaller model, the bundle `name`, that drafts for the larger one's of the same runtime.

    Where the larger one's likeliest token leads by less than `tie` in a pass of several, a pass of one decides. After
    `prompts` prompts the larger one wrote `tokens` tokens, the same with the draft as without, in `passes` passes
    behind the prompts'; of `drafted` tokens it took those that were `accepted`.
    """

    name: str
    runtime: Runtime
    runtime_version: str
    file: str
    bytes: int
    sha256: Sha256
    signature: Signature
    tie: Annotated[FiniteFloat, Field(ge=0)]
    prompts: Annotated[int, Field(ge=1)]
    tokens: Annotated[int, Field(ge=0)]
    passes: Annotated[int, Field(ge=0)]
    drafted: Annotated[int, Field(ge=0)]
    accepted: Annotated[int, Field(ge=0)]

    @property
    def accepted_share(self) -> float | None:
        """Of the drafted tokens, those that the larger model took; None where none was drafted."""
        return self.accepted / self.drafted if self.drafted else None

    @property
    def passes_saved(self) -> float | None:
        """How many times fewer passes those are than one for each token behind the first."""
        return (self.tokens - self.prompts) / self.passes if self.passes else None


class StageFacts(ManifestPart):
    """A stage of the build: its settings, what it found, how long it took this time and when it was made."""

    name: str
    seconds: float
    made_in_seconds: float
    cached: bool
    settings: dict[str, object] = Field(default_factory=dict)
    findings: dict[str, object] = Field(default_factory=dict)


class TaskFacts(ManifestPart):
    """What the model is for; a regression's value is its one output times `value_std`, plus `value_mean`.

    Texts have at most `max_length` tokens; `inputs` is what else the modality's input spec says of the inputs.
    """

    kind: TaskKind
    metric: str
    max_length: int
    inputs: dict[str, JsonValue] = Field(default_factory=dict)
    labels: tuple[str, ...] = ()
    value_mean: float = 0.0
    value_std: float = 1.0

    @property
    def task(self) -> AnyTask:
        """The task of this kind."""
        return TASKS[self.kind]

    @property
    def modality(self) -> Modality:
        """What its inputs are made by."""
        return MODALITIES[self.task.modality]

    @property
    def input_spec(self) -> InputSpec:
        """What its artifacts take of one example. Raises `InputError` for `inputs` that are not its modality's."""
        return self.modality.spec.from_facts({"max_length": self.max_length, "tags": self.tags, **self.inputs})

    @model_validator(mode="after")
    def _inputs_are_the_modalitys(self) -> Self:
        try:
            _ = self.input_spec
        except (InputError, KeyError, TypeError, ValueError) as error:  # a plug-in may raise any
            raise ValueError(f"cannot be read by the modality {self.task.modality}: {error}") from error
        return self

    @property
    def tags(self) -> int:
        """How many numbers each token has for an output; 0 where a text or an image has one as a whole."""
        return len(self.labels) if self.task.per_token else 0


class Manifest(ManifestPart):
    """What a bundle is, what it was built from and by what, and the sha256 of every other file in it."""

    schema_version: Literal[3, 4] = 4
    name: str
    edgewright: str
    created: str
    profile: str
    recipe: dict[str, object]
    task: TaskFacts
    teacher: ModelFacts
    student: ModelFacts
    baseline: BaselineFacts
    artifacts: Annotated[tuple[ArtifactFacts, ...], Field(min_length=1)]
    best: Runtime
    stages: tuple[StageFacts, ...]
    budget: Budget
    verdict: dict[str, object]
    packages: dict[str, str]
    machine: dict[str, object]
    files: dict[str, Sha256]
    drafts: tuple[DraftFacts, ...] = ()

    @model_serializer(mode="wrap")
    def _without_drafts_that_are_not_there(self, serialized: SerializerFunctionWrapHandler) -> dict[str, object]:
        document: dict[str, object] = serialized(self)
        return {name: value for name, value in document.items() if name != "drafts" or value}


def in_todays_form(values: object) -> object:
    """A manifest of an earlier version that is read all the same.

    Structures that it told in other kinds and sizes are left out, and what it said of an `image` is said of `inputs`.
    """
    task = values.get("task") if isinstance(values, dict) and values.get("schema_version") == WITH_IMAGES else None
    if isinstance(task, dict) and "image" in task:
        image = task.pop("image")
        task["inputs"] = image if isinstance(image, dict) else task.get("inputs", {})
    return _without_old_structures(values)


def _without_old_structures(values: object) -> object:
    artifacts = values.get("artifacts") if isinstance(values, dict) else None
    for artifact in artifacts if isinstance(artifacts, list) else ():
        for name in ("structure", "teacher_structure", "decode_structure"):
            structure = artifact.get(name) if isinstance(artifact, dict) else None
            operators = structure.get("operators") if isinstance(structure, dict) else None
            if isinstance(operators, list) and not all(map(_is_told_now, operators)):
                artifact[name] = None
    return values


def _is_told_now(operator: object) -> bool:
    if not isinstance(operator, dict) or not isinstance(operator.get("sizes"), list):
        return True  # damaged, which is told where it is read
    names = next((names for kind, names in SIZES.items() if kind == operator.get("kind")), None)
    return names is not None and len(names) == len(operator["sizes"])
