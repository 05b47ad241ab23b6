"""What to build: the model, its task, the data, the budget and the settings of every stage.

In:  a TOML file of the user's, or a built-in recipe by name.
Out: a frozen `Recipe`, its relative paths resolved against the file's folder.
Whether the files it names exist and hold what they should is told by those who read them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from toolchain.budget import Budget
from toolchain.errors import EnvironmentFaultError
from toolchain.profiles import Runtime
from toolchain.reading import Location, Source, find_source, names_on, read_toml

Task = Literal["embedding", "classification"]
BUILTIN_DATA: Mapping[str, Task] = {"stdlib-search": "embedding"}
DATA_SUFFIXES = (".csv", ".jsonl", ".parquet")
DEFAULT_LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128)
DEFAULT_DISTILL_MINUTES = 5.0

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]


def _resolved(path: Path, info: ValidationInfo) -> Path:
    folder = info.context.get("folder") if info.context else None
    return (folder or Path.cwd()) / path.expanduser()


def _of_known_format(path: Path) -> Path:
    if path.suffix not in DATA_SUFFIXES:
        raise ValueError(f"{path.name!r} is of no known format; give a file ending in {', '.join(DATA_SUFFIXES)}")
    return path


def _matching(pattern: str, form: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must have the form {form}, not {text!r}")
        return text

    return AfterValidator(check)


def _kept_layers(value: Any) -> int | tuple[int, ...] | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    if isinstance(value, list | tuple) and value and all(type(index) is int and index >= 0 for index in value):
        if list(value) == sorted(set(value)):
            return tuple(value)
        raise ValueError(f"must name each layer once, in rising order, not {list(value)}")
    raise ValueError(f"must be a number of layers or a list of layer indexes counted from 0, not {value!r}")


FilePath = Annotated[Path, AfterValidator(_resolved)]
DataPath = Annotated[Path, AfterValidator(_resolved), AfterValidator(_of_known_format)]
KeptLayers = Annotated[int | tuple[int, ...] | None, BeforeValidator(_kept_layers)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Header(_Section):
    """What the recipe is called."""

    name: Annotated[str, _matching(r"[a-z0-9][a-z0-9._-]*", "lower-case letters, digits, dots and dashes")]
    description: str = ""


class ModelSource(_Section):
    """Where the teacher comes from: exactly one of the four."""

    folder: FilePath | None = None
    hub: Annotated[str, _matching(r"[\w.-]+(/[\w.-]+)?", "'organisation/name'")] | None = None
    revision: Text | None = None
    factory: Annotated[str, _matching(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "'module:function'")] | None = None
    package: Annotated[str, _matching(r"[A-Za-z_]\w*:[\w./-]+", "'package:subfolder'")] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> ModelSource:
        given = [name for name in ("folder", "hub", "factory", "package") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"needs exactly one of folder, hub, factory and package; found {found}")
        if self.revision is not None and self.hub is None:
            raise ValueError("revision belongs to hub and has no meaning without it")
        return self

    def package_folder(self) -> Path | None:
        """The folder `package` stands for, found without importing the package; None for another kind of source.

        Raises `EnvironmentFaultError` when the package is not installed.
        """
        if self.package is None:
            return None
        package, _, subfolder = self.package.partition(":")
        spec = find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            remedy = f"pip install {package.replace('_', '-')} (the built-in recipes' models: edgewright[demo])"
            raise EnvironmentFaultError(f"the Python package {package}", "read the recipe's model", remedy)
        return Path(next(iter(spec.submodule_search_locations))) / subfolder


class TaskSettings(_Section):
    """What the model is for; longer texts are cut at `max_length` tokens."""

    kind: Task
    max_length: Annotated[int, Field(ge=8, le=512)] = 128


class Columns(_Section):
    """The data files' columns: the text, and the text that answers it (embedding) or its label (classification)."""

    text: Text = "text"
    pair: Text | None = None
    label: Text | None = None


class Split(_Section):
    """The shares of a single file that are held out, chosen by a stable hash of each text."""

    test: Annotated[float, Field(gt=0, lt=1)] = 0.3
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1

    @model_validator(mode="after")
    def _leaves_some_to_train(self) -> Split:
        if self.test + self.validation >= 1:
            raise ValueError(
                f"test and validation take {self.test + self.validation:g} of the rows; less than 1 must go"
            )
        return self


class Data(_Section):
    """Where the examples come from: a built-in set, one file to be split, or a file for each part."""

    builtin: Literal["stdlib-search"] | None = None
    file: DataPath | None = None
    train: DataPath | None = None
    validation: DataPath | None = None
    test: DataPath | None = None
    columns: Columns = Columns()
    split: Split = Split()
    extra_text: FilePath | None = None
    extra_text_packages: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Data:
        given = [name for name in ("builtin", "file", "train") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"needs exactly one of builtin, file and train; found {found}")
        if self.train is not None and self.test is None:
            raise ValueError("train needs test beside it: a file of examples held out")
        for name in ("test", "validation"):
            if getattr(self, name) is not None and self.train is None:
                raise ValueError(f"{name} belongs beside train and has no meaning with {given[0]}")
        if self.file is None and self.split != Split():
            raise ValueError(f"split is for a single file; with {given[0]} the parts are already apart")
        if self.builtin is not None and self.columns != Columns():
            raise ValueError("columns are for files of yours; a built-in set has its own")
        if self.extra_text_packages and self.builtin is None:
            raise ValueError("extra_text_packages belongs to the built-in set; give extra_text for files of yours")
        return self


class Finetune(_Section):
    """Fitting the teacher to the labels; classification only."""

    epochs: Count = 3
    learning_rate: Amount = 5e-5
    batch_tokens: Count = 4096
    seed: int = 0


class Vocabulary(_Section):
    """Dropping the word pieces the task never uses; `size` is how many stay at most."""

    enabled: bool = True
    size: Annotated[int, Field(ge=256)] | None = None


class Prune(_Section):
    """What stays of the teacher: layers (a number, or their indexes), and heads and neurons of each layer.

    None keeps all.
    """

    enabled: bool = True
    layers: KeptLayers = 3
    heads: Count | None = None
    neurons: Count | None = 384
    importance: Literal["activation"] = "activation"


class Distill(_Section):
    """Teaching the student; it ends at whichever limit comes first, and at five minutes where none is given.

    `tokens` limits the training text of one epoch; a text longer than `max_length` tokens is cut there. Where the
    data has pairs, `pair_weight` is how much finding a text's partner counts beside agreeing with the teacher; at 0 the
    student learns from the teacher alone.
    """

    enabled: bool = True
    max_length: Annotated[int, Field(ge=8, le=512)] = 64
    minutes: Amount | None = None
    epochs: Count | None = None
    tokens: Count | None = None
    learning_rate: Amount = 5e-4
    batch_tokens: Count = 4096
    pair_weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _ends_some_time(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("minutes") is None and values.get("epochs") is None:
            return {**values, "minutes": DEFAULT_DISTILL_MINUTES}
        return values


class Quantize(_Section):
    """Number formats: int8 weights per channel, activations scaled as they come."""

    scheme: Literal["dynamic-int8"] = "dynamic-int8"


def _rising(lengths: tuple[int, ...]) -> tuple[int, ...]:
    if list(lengths) != sorted(set(lengths)):
        raise ValueError(f"must rise from one to the next, not {list(lengths)}")
    return lengths


def _each_once(names: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"must name each once, not {list(names)}")
    return names


class Export(_Section):
    """Which runtimes get an artifact, and the lengths in tokens a runtime of fixed shapes is given."""

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1), AfterValidator(_each_once)] = ("executorch", "litert")
    lengths: Annotated[
        tuple[Annotated[int, Field(gt=0, le=512)], ...], Field(min_length=1), AfterValidator(_rising)
    ] = DEFAULT_LENGTHS


class Stages(_Section):
    """The settings of every stage, in the pipeline's order."""

    finetune: Finetune = Finetune()
    vocabulary: Vocabulary = Vocabulary()
    prune: Prune = Prune()
    distill: Distill = Distill(minutes=DEFAULT_DISTILL_MINUTES)
    quantize: Quantize = Quantize()
    export: Export = Export()


class Recipe(_Section):
    """Everything a build is made from, except the device."""

    recipe: Header
    model: ModelSource
    task: TaskSettings
    data: Data
    budget: Budget = Budget()
    stages: Stages = Stages()

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    @property
    def description(self) -> str:
        """The recipe's description, one sentence."""
        return self.recipe.description

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths to export, rising, in tokens: those below the task's `max_length`, then that itself."""
        longest = self.task.max_length
        return (*(length for length in self.stages.export.lengths if length < longest), longest)

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        if faults := disagreements(self.model_dump(exclude_defaults=True)):
            raise ValueError("; ".join(f"{'.'.join(map(str, place))} {what}" for place, what in faults))
        return self


def disagreements(values: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """The faults between a recipe's sections, found in its values as far as they are there."""
    task, data = _section(values, "task"), _section(values, "data")
    stages = _section(values, "stages")
    kind, columns = task.get("kind"), _section(data, "columns")
    found: list[tuple[Location, str]] = []
    builtin = data.get("builtin")
    if isinstance(builtin, str) and BUILTIN_DATA.get(builtin, kind) != kind:
        found.append((("data", "builtin"), f"{builtin} is for {BUILTIN_DATA[builtin]}, but task.kind is {kind}"))
    needed = {"embedding": "pair", "classification": "label"}.get(kind if isinstance(kind, str) else "")
    of_files = data.get("file") is not None or data.get("train") is not None
    if needed and of_files and columns.get(needed) is None:
        found.append((("data", "columns"), f"must name the column {needed}, which {kind} learns from"))
    if kind == "embedding" and stages.get("finetune") is not None:
        found.append((("stages", "finetune"), "is for classification; an embedding teacher is used as it is"))
    return found


def _section(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = values.get(name)
    return section if isinstance(section, Mapping) else {}


def recipe_names() -> tuple[str, ...]:
    """The names of the recipes that come with Edgewright, sorted."""
    return names_on(_shelf())


def find_recipe(name_or_path: str | Path) -> Source:
    """A recipe's text as it stands in its file. Raises `UnknownNameError` or `InputError`."""
    return find_source(name_or_path, kind="recipe", shelf=_shelf())


def load_recipe(name_or_path: str | Path) -> Recipe:
    """Read a recipe by name or path.

    Raises `UnknownNameError` with the nearest names, `InvalidFileError` with every fault of the file.
    """
    return read_toml(find_recipe(name_or_path), Recipe, also=disagreements)


def _shelf() -> Traversable:
    return files("toolchain") / "recipes"
