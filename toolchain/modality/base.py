"""What a modality is: how examples are read, and made what a model takes, from training to the artifact's check.

In:  a recipe.
Out: a `Modality`, which reads examples and teachers, and makes a `Dataset`: a task's examples as one model takes them.
Stages work on these alone. A new modality is a module with one instance, named in `table` or by an entry point of
`edgewright.modalities`; its module imports torch and what else is heavy inside its functions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from pydantic import JsonValue

from edgewright.base.progress import OnProgress
from edgewright.errors import InputError
from edgewright.modality.input_spec import InputSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from edgewright.data.agreement import Agreement
    from edgewright.modality.workload import Workload
    from edgewright.models.inputs import Inputs
    from edgewright.models.reference import Reference
    from edgewright.specs.batching import AnyExample, Examples
    from edgewright.specs.recipe import Distill, Finetune, Recipe
    from edgewright.tasks.attribution import RestsOn
    from edgewright.tasks.scores import Asked, Score
    from edgewright.tasks.token_agreement import TokenAgreement

HeldOut = Literal["test", "validation"]
Model = TypeVar("Model", bound="nn.Module")
PARTS = ("train", "validation", "test", "extra")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Examples that were read and saved: what a manifest says of them, and what whoever builds should know.

    `digest` is of what a teacher is fitted to and judged by, where that is less than all that was read; `facts` are
    those of this modality alone.
    """

    counts: Mapping[str, int]
    agreement: Agreement
    notes: Sequence[str] = ()
    digest: str = ""
    facts: Mapping[str, JsonValue]


@dataclass(frozen=True, kw_only=True)
class LoadedTeacher:
    """A teacher as it came, and the dataset that makes its inputs.

    One that is not `fitted` has a new head. `run` gives its outputs for examples as `some` are; on `some` of them it
    is compared with its own library's `reference`, where it has one.
    """

    model: nn.Module
    dataset: Dataset
    parameters_count: int
    size_bytes: int
    fitted: bool
    notes: Sequence[str]
    reference: Reference[AnyExample] | None
    run: Callable[[Sequence[AnyExample]], Tensor]
    some: Sequence[AnyExample]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """What a search finds: how each text is called, the text as it is shown, and the same as a model takes them."""

    titles: Sequence[str]
    texts: Sequence[str]
    inputs: Inputs


class ExampleParts(Protocol):
    """A task's examples, in parts; of what else they have each task knows more."""

    @property
    def labels(self) -> Sequence[str]:
        """The labels in the order of the model's classes; none where nothing has one."""
        ...


class Dataset(ABC):
    """A task's examples, as one model takes them."""

    @property
    @abstractmethod
    def examples(self) -> ExampleParts:
        """The examples in their parts, as the task's methods take them."""

    @property
    def facts(self) -> Mapping[str, JsonValue]:
        """What the teacher's findings say of its inputs."""
        return {}

    @property
    def token_bytes(self) -> Sequence[int] | None:
        """How many bytes of text each id stands for, where inputs are ids and that is known."""
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write how a model's inputs are made, for `Modality.dataset` to read."""

    @abstractmethod
    def labelled(self, settings: Finetune) -> tuple[Inputs, Sequence[Tensor]]:
        """The training part with its targets, and the copies that the settings ask for."""

    @abstractmethod
    def score(self, part: HeldOut = "test") -> Score:
        """The judge of a held-out part."""

    @abstractmethod
    def held_out(self, part: HeldOut = "test") -> Inputs:
        """The examples of a held-out part, in the order that its score takes outputs in."""

    @abstractmethod
    def asked(self, count: int) -> Inputs:
        """A seeded sample of what a device will be asked, of the held-out part."""

    @abstractmethod
    def sample(self, count: int, *, macs: float = 0, passes: int = 0) -> Inputs:
        """A seeded sample of the training examples.

        Of large ones fewer, where a model of so many multiply-accumulates makes so many passes over them.
        """

    @abstractmethod
    def to_record(self, settings: Distill, folder: Path) -> Inputs:
        """What a teacher's outputs are recorded on; what `recorded` needs besides is written into the folder."""

    @abstractmethod
    def recorded(self, folder: Path, recorded_with: Mapping[str, object]) -> Inputs:
        """The same examples as this model takes them; `recorded_with` are the settings of that stage."""

    def usual_size(self, count: int) -> int:
        """The median size of a seeded sample of so many held-out examples, in units such as tokens."""
        return 1

    def corpus(self) -> Corpus:
        """What is searched: every answer of the data with its question. Raises `InputError` where nothing can be."""
        raise InputError("these examples have no questions and answers to search; choose another `task.kind`")

    def partners(self, folder: Path) -> Tensor | None:
        """For each recorded example the index of its pair, where pairs are known."""
        return None

    def adapted(self, model: Model) -> Model:
        """A teacher's model as it reads this dataset's inputs; itself where they are the teacher's."""
        return model

    @abstractmethod
    def example(self) -> tuple[Tensor, ...]:
        """One example's tensors, of the size that multiply-accumulates are counted on."""

    @abstractmethod
    def outputs(self, model: nn.Module, inputs: Inputs, *, on_progress: Callable[[int], None] | None = None) -> Tensor:
        """The model's outputs for each example in float32; `on_progress` hears how many are done."""

    def as_scored(self, outputs: Tensor, inputs: Inputs, score: Score) -> Tensor:
        """Outputs for a held-out part as its score takes them."""
        return outputs

    def for_sensitivity(self, count: int, *, macs: float, passes: int) -> Inputs:
        """What narrower formats are judged on: a sample of at most so many training examples."""
        return self.sample(count, macs=macs, passes=passes)

    def judged(self, model: nn.Module, inputs: Inputs) -> Tensor:
        """What of a model narrower formats must not change, for the examples `for_sensitivity`: its outputs."""
        return self.outputs(model, inputs)

    def distance(self, found: Tensor, wanted: Tensor) -> float | None:
        """How far what is `judged` is from the float model's; None where it is the outputs' relative error."""
        return None

    @abstractmethod
    def input_spec(self, *, batch: int = 1) -> InputSpec:
        """What an artifact takes, and of how many examples at once, and the module that takes it."""

    @abstractmethod
    def examples_of(self, inputs: Inputs) -> Examples:
        """The same examples as an artifact takes them: with `specs.batching` they are calls."""

    def agreement(self, teacher: nn.Module, outputs: Tensor, inputs: Inputs) -> TokenAgreement | None:
        """How often a student's `outputs` name the token that a teacher takes for likeliest; None where none does."""
        return None

    def written(self, model: nn.Module) -> Mapping[int, str]:
        """What a model writes after a seeded sample of held-out prompts, by their places; none without such."""
        return {}

    @abstractmethod
    def attribution(self, model: nn.Module, inputs: Inputs, index: int, asked: Asked) -> RestsOn:
        """What the model's answer to one of the examples rests on."""


class Modality(ABC):
    """One modality, as a build needs it."""

    name: str
    examples_name: str  # what examples are called: the stage that reads them has this name, too
    spec: type[InputSpec]  # what its artifacts take, which is made again of what a manifest says
    has_vocabulary = False  # whether inputs are ids of a vocabulary that can be trimmed
    ranks_first = False  # whether importance is measured by a stage of its own, which cuts go by
    bundle_files: tuple[str, ...] = ()  # of a bundle, those that its inputs are made by
    optional_files: tuple[str, ...] = ()  # those of them that a bundle has only where its teacher had them
    has_length = False  # whether examples differ in length, and costs are those of a length
    plans_sizes = False  # whether a student's sizes follow from its teacher's configuration, before it is loaded
    records_on_student = False  # whether the teacher's outputs are recorded on the student's tokens, not on its own
    counted_units = 1  # the units (tokens, images) of the example that multiply-accumulates are counted on
    batch_setting = "batch_images"  # the recipe's setting for the size of a training batch
    ranked_count = 512  # examples that importance is measured on
    fitted_count = 512  # examples that least squares are fitted to
    # How often a refit after a cut runs the whole model over them, which limits how many are afforded; 0: once for each
    # part of the model.
    refit_passes = 0

    @abstractmethod
    def check_source(self, recipe: Recipe) -> None:
        """Refuse a model whose inputs cannot be made, before an example is read. Raises as loading the teacher does."""

    @abstractmethod
    def fingerprint(self, recipe: Recipe) -> Mapping[str, object]:
        """Digests of all that `read` reads."""

    @abstractmethod
    def read(self, recipe: Recipe, folder: Path, *, on_progress: OnProgress) -> Reading:
        """Read, split and check the examples, and save them into a folder. Raises `BadDataError`."""

    @abstractmethod
    def load_teacher(self, recipe: Recipe, examples: Path) -> LoadedTeacher:
        """Read the teacher for the examples that `read` saved into a folder.

        Raises `BadModelError`, `UnsupportedModelError`, or `InputError` for examples of another size than its own.
        """

    @abstractmethod
    def dataset(self, recipe: Recipe, examples: Path, inputs: Path) -> Dataset:
        """The examples that `read` saved, as the model takes them whose dataset was saved into the folder `inputs`."""

    def workload(self, recipe: Recipe, examples: Path, counts: Mapping[str, int]) -> Workload:
        """How much trainings work on, of the examples that `read` saved and counted; by default each counts alike."""
        from edgewright.modality.workload import Workload

        train, extra = counts["train"], counts.get("extra", 0)
        return Workload(unit=self.examples_name, train=train, every=train + extra)

    def loading(self, recipe: Recipe) -> Mapping[str, object]:
        """Settings of this modality alone that decide how a teacher is loaded, beside those of model and task."""
        return {}

    def recording(self, recipe: Recipe, settings: Distill) -> Mapping[str, object]:
        """Settings of this modality alone that decide what a teacher's outputs are recorded on."""
        return {}

    def trim_vocabulary(self, recipe: Recipe, dataset: Dataset, folder: Path) -> Mapping[str, JsonValue]:
        """Choose the vocabulary that stays, and save it for `dataset`; what a manifest says of the choice."""
        raise NotImplementedError
