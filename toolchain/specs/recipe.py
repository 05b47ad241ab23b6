"""What to build: the model, its task, the data, the budget and the settings of every stage.

In:  a TOML file of the user's, or a built-in recipe by name.
Out: a frozen `Recipe`, its relative paths resolved against the file's folder.
Whether the files it names exist and hold what they should is told by those who read them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    model_validator,
)

from edgewright.base.places import expanded
from edgewright.base.reading import Source, find_source, names_on, read_toml
from edgewright.base.redacted import holds_secret
from edgewright.base.untrusted import Location
from edgewright.errors import EnvironmentFaultError
from edgewright.specs.budget import Budget
from edgewright.specs.profiles import Runtime

TaskKind = Literal["embedding", "classification", "token-classification", "regression", "image-classification"]
BUILTIN_DATA: Mapping[str, TaskKind] = {
    "stdlib-search": "embedding",
    "stdlib-packages": "classification",
    "stdlib-parameters": "token-classification",
    "digits": "image-classification",
}
# What each kind reads of a file; it must be named where it has no default.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "embedding": ("text", "pair"),
    "classification": ("text", "label"),
    "token-classification": ("words", "tags"),
    "regression": ("text", "value"),
    "image-classification": ("image", "label"),
}
NEEDED_COLUMN: Mapping[str, str] = {"embedding": "pair", "classification": "label", "regression": "value"}
IMAGES = "image-classification"
TEXTS = ("embedding", "classification", "token-classification", "regression")
FITTED = (*TEXTS[1:], IMAGES)  # those whose teacher is fitted to answers
# The settings of stages that not every kind of task reads, and the kinds that do; the others refuse them.
READ_BY: Mapping[str, tuple[str, ...]] = {
    "finetune": FITTED,
    "finetune.batch_tokens": TEXTS[1:],
    "finetune.batch_images": (IMAGES,),
    "finetune.augment": (IMAGES,),
    "vocabulary": TEXTS,
    "prune.speedup": TEXTS,
    "prune.prices": TEXTS,
    "low_rank.token_rank": TEXTS,
    "low_rank.token_exponent": TEXTS,
    "distill.projection": TEXTS[:1],
    "distill.max_length": TEXTS,
    "distill.rest": TEXTS,
    "distill.tokens": TEXTS,
    "distill.batch_tokens": TEXTS,
    "distill.batch_images": (IMAGES,),
    "distill.temperature": ("classification", "token-classification", IMAGES),
    "distill.intermediate_weight": TEXTS,
    "distill.relation_weight": TEXTS,
    "distill.similarity_weight": TEXTS[:1],
    "distill.pair_weight": TEXTS[:1],
    "distill.finish": TEXTS,
    "distill.finish.similarity_weight": TEXTS[:1],
    "distill.finish.pair_weight": TEXTS[:1],
    "export.lengths": TEXTS,
}
WITH_LABELS = ("classification", "token-classification", "image-classification")
TABLE_SUFFIXES = (".csv", ".jsonl", ".parquet")
TAGGED_SUFFIXES = (".jsonl", ".parquet", ".conll", ".txt")
DATA_SUFFIXES = tuple(dict.fromkeys((*TABLE_SUFFIXES, *TAGGED_SUFFIXES)))
INT4_RUNTIMES = ("executorch", "litert")  # those with fast kernels for such weights
FLOAT16_RUNTIMES = ("executorch", "litert")  # those that compute in it where the core does
ONE_AT_A_TIME = "onnx"  # the runtime whose file takes no batch
LEAST_LENGTH = 8  # tokens of a text
DEFAULT_LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128)
LARGEST_IMAGE_SIDE = 4096

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Tracker = Literal["tensorboard", "wandb", "mlflow"]


def _resolved(path: Path, info: ValidationInfo) -> Path:
    folder = info.context.get("folder") if info.context else None
    return (folder or Path.cwd()) / expanded(path)


def _of_known_format(path: Path) -> Path:
    if path.suffix.lower() not in DATA_SUFFIXES:
        raise ValueError(f"{path.name!r} is of no known format; give a file ending in {', '.join(DATA_SUFFIXES)}")
    return path


def _of_known_format_or_folder(path: Path) -> Path:
    return path if not path.suffix or path.is_dir() else _of_known_format(path)


def _matching(pattern: str, form: str) -> AfterValidator:
    def check(text: str) -> str:
        if holds_secret(text):
            raise ValueError("must hold no password or other secret; leave it out")
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


def _image_size(value: Any) -> tuple[int, int] | None:
    sides = value if isinstance(value, list | tuple) else (value, value)
    if value is None:
        return None
    if len(sides) == 2 and all(type(side) is int and 0 < side <= LARGEST_IMAGE_SIDE for side in sides):
        return (sides[0], sides[1])
    raise ValueError(f"must be a side in pixels from 1 to {LARGEST_IMAGE_SIDE}, or [height, width], not {value!r}")


FilePath = Annotated[Path, AfterValidator(_resolved)]
DataPath = Annotated[Path, AfterValidator(_resolved), AfterValidator(_of_known_format)]
PartPath = Annotated[Path, AfterValidator(_resolved), AfterValidator(_of_known_format_or_folder)]
ImageSize = Annotated[tuple[int, int] | None, BeforeValidator(_image_size)]
KeptLayers = Annotated[int | tuple[int, ...] | None, BeforeValidator(_kept_layers)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _set_of(section: BaseModel, names: Sequence[str]) -> list[str]:
    """Those of a section's settings that are not at their defaults."""
    return [name for name in names if getattr(section, name) != type(section).model_fields[name].default]


class Header(_Section):
    """What the recipe is called."""

    name: Annotated[str, _matching(r"[a-z0-9][a-z0-9._-]*", "lower-case letters, digits, dots and dashes")]
    description: str = ""


class ModelSource(_Section):
    """Where the teacher comes from: exactly one of the four.

    The module of a `factory` may lie in the recipe's folder, or be installed; its code is run.
    """

    folder: FilePath | None = None
    hub: Annotated[str, _matching(r"\w[\w.-]*(/\w[\w.-]*)?", "'organisation/name'")] | None = None
    revision: Text | None = None
    factory: Annotated[str, _matching(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", "'module:function'")] | None = None
    package: (
        Annotated[
            str,
            _matching(r"[A-Za-z_]\w*:\w[\w.-]*(/\w[\w.-]*)*", "'package:subfolder', a folder inside the package"),
        ]
        | None
    ) = None
    _beside: Path | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _exactly_one(self, info: ValidationInfo) -> ModelSource:
        given = [name for name in ("folder", "hub", "factory", "package") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"needs exactly one of folder, hub, factory and package; found {found}")
        if self.revision is not None and self.hub is None:
            raise ValueError("revision belongs to hub and has no meaning without it")
        if info.context and info.context.get("folder"):
            self._beside = Path(info.context["folder"])
        return self

    def __eq__(self, other: object) -> bool:
        """Two are one source whichever file named them."""
        return isinstance(other, ModelSource) and self.model_dump() == other.model_dump()

    def __hash__(self) -> int:
        return hash(self.model_dump_json())

    @property
    def beside(self) -> Path | None:
        """The recipe's folder, where the module of a factory may lie; None for a source that no file named."""
        return self._beside

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


def _each_once(names: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"must name each once, not {list(names)}")
    return names


def _tuple(values: Any) -> Any:
    """For a section that a validator saw first: pydantic then takes it for Python's, where a list is no tuple."""
    return tuple(values) if isinstance(values, list) else values


class TaskSettings(_Section):
    """What the model is for; longer texts are cut at `max_length` tokens.

    `labels` are all that the data may hold, in the order of the model's classes; those of the train part, sorted,
    where none are given. Images are resized to `image_size`, (height, width) in pixels.
    """

    kind: TaskKind
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = 128
    labels: Annotated[tuple[Text, ...], AfterValidator(_each_once)] = ()
    image_size: ImageSize = None


class Columns(_Section):
    """The data files' columns, of which each kind of task reads its own.

    The text, and the text that answers it (embedding), its label (classification) or its value (regression); a list
    of words and one of their tags (token classification); an image's path beside the file, and its label.
    """

    text: Text = "text"
    pair: Text | None = None
    label: Text | None = None
    value: Text | None = None
    words: Text = "words"
    tags: Text = "tags"
    image: Text = "image"


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
    """Where the examples come from: a built-in set, one file or folder to be split, or one of these for each part.

    A folder is of images: a sub-folder a label, or the parts train, val and test, each with a sub-folder a label.
    `separator` stands between the cells of .csv files. `extra_text` (a text a line) and `extra_images` (a folder,
    whatever lies how deep in it) have no labels and are there to distil from.
    """

    builtin: Literal["stdlib-search", "stdlib-packages", "stdlib-parameters", "digits"] | None = None
    file: DataPath | None = None
    folder: FilePath | None = None
    train: PartPath | None = None
    validation: PartPath | None = None
    test: PartPath | None = None
    columns: Columns = Columns()
    separator: Literal[",", ";", "\t", "|"] = ","
    split: Split = Split()
    extra_text: FilePath | None = None
    extra_text_packages: tuple[Text, ...] = ()
    extra_images: FilePath | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Data:
        given = [name for name in ("builtin", "file", "folder", "train") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"needs exactly one of builtin, file, folder and train; found {found}")
        if self.train is not None and self.test is None:
            raise ValueError("train needs test beside it: a file of examples held out")
        for name in ("test", "validation"):
            if getattr(self, name) is not None and self.train is None:
                raise ValueError(f"{name} belongs beside train and has no meaning with {given[0]}")
        if self.file is None and self.folder is None and self.split != Split():
            raise ValueError(f"split is for a single file or folder; with {given[0]} the parts are already apart")
        if self.builtin is not None and self.columns != Columns():
            raise ValueError("columns are for files of yours; a built-in set has its own")
        if self.extra_text_packages and self.builtin is None:
            raise ValueError("extra_text_packages belongs to the built-in set; give extra_text for files of yours")
        return self


class Finetune(_Section):
    """Fitting the teacher to the labels or values.

    A model that comes with classes for them is taken as it is, unless it is to be fitted `again`. With `patience`
    training ends after so many epochs without a better score on the validation part, and the best epoch's weights are
    kept. A batch is of so many tokens, or images. With `augment` so many moved copies of each image are learned, too.
    `minutes` is no measure of how much is trained, but a limit: a fitting that takes longer is given up with an error,
    and the same command goes on from its checkpoint.
    """

    again: bool = False
    epochs: Count = 3
    minutes: Amount | None = None
    learning_rate: Amount = 5e-5
    batch_tokens: Count = 4096
    batch_images: Count = 64
    augment: Annotated[int, Field(ge=0, le=100)] = 0
    patience: Count | None = None
    seed: int = 0


class Vocabulary(_Section):
    """Dropping the word pieces the task never uses.

    `size` is how many stay at most; `coverage` the share of the training tokens that must still be one piece.
    """

    enabled: bool = True
    size: Annotated[int, Field(ge=256)] | None = None
    coverage: Annotated[float, Field(gt=0, le=1)] | None = None


class Prune(_Section):
    """What stays of the teacher; None keeps all.

    Either sizes are given: layers (a number, or their indexes), heads and neurons of each layer, the width of a head,
    the width of the model. With `ranking` "global" the numbers of heads and neurons are those of an average layer, and
    each layer keeps what its importance deserves. Or the share `keep_macs` of the multiply-accumulates stays, for which
    all heads and neurons compete, or a convolutional net's channels. Or `speedup` is given, and layers, heads and
    neurons are chosen by search so that the layers cost so many times less; a number of `layers` is then the most that
    may stay. Their `prices` are what the "profile" implies, or what a target says whose address is given: models of one
    layer are timed there. `layers` and `neurons` have their defaults only where neither of these two is given.

    What is left is refitted by least squares to answer as before (`reconstruct`). With more than one of `steps` it is
    cut a little at a time, and taught between for its share of the time.
    """

    enabled: bool = True
    layers: KeptLayers = 3
    heads: Count | None = None
    neurons: Count | None = 384
    head_width: Count | None = None
    width: Count | None = None
    keep_macs: Annotated[float, Field(gt=0, le=1)] | None = None
    speedup: Annotated[float, Field(gt=1, allow_inf_nan=False)] | None = None
    prices: Annotated[str, _matching(r"profile|(local|ssh|emulated):.*", "'profile' or a target's address")] = "profile"
    importance: Literal["magnitude", "activation", "taylor", "fisher"] = "activation"
    ranking: Literal["uniform", "global"] = "uniform"
    reconstruct: bool = True
    steps: Annotated[int, Field(ge=1, le=20)] = 1

    @model_validator(mode="before")
    @classmethod
    def _defaults_where_they_count(cls, values: Any) -> Any:
        # Set here and not left to the reader of the settings: a recipe that was written down must read back the same.
        if isinstance(values, dict) and any(values.get(name) is not None for name in ("speedup", "keep_macs")):
            return {"layers": None, "neurons": None, **values}
        return values

    @model_validator(mode="after")
    def _one_way(self) -> Prune:
        if self.speedup is None and self.prices != "profile":
            raise ValueError("takes prices with speedup alone, whose search asks for them")
        if self.speedup is not None and (idle := _set_of(self, ("importance", "ranking"))):
            raise ValueError(f"takes speedup without {' and '.join(idle)}: its search measures what each part is worth")
        if self.speedup is not None and isinstance(self.layers, tuple):
            raise ValueError("takes speedup and a number of layers, the most that may stay, but not which they are")
        for way, instead, why in (
            ("speedup", _SIZES, "chooses what stays of each layer by itself"),
            ("keep_macs", ("heads", "neurons"), "stands in their place"),
        ):
            given = [name for name in instead if getattr(self, name) is not None]
            if getattr(self, way) is not None and given:
                raise ValueError(f"takes {way} or {' and '.join(given)}, not both: {way} {why}")
        return self


_SIZES = ("heads", "neurons", "head_width", "width", "keep_macs")


class LowRank(_Section):
    """Keeping matrices as products of two smaller ones, where that pays; nothing is factorised where nothing is given.

    `token_rank` is that of the token table, in which a token weighs its occurrences to the power of `token_exponent`:
    less than 1 is better for rare tokens where the student is taught long afterwards. The layers' matrices keep the
    share `energy` of what they do to real activations, or the share `keep_parameters` of their parameters.
    """

    enabled: bool = True
    token_rank: Count | None = None
    token_exponent: Annotated[float, Field(ge=0, le=1)] = 1.0
    energy: Annotated[float, Field(gt=0, lt=1)] | None = None
    keep_parameters: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> LowRank:
        if self.energy is not None and self.keep_parameters is not None:
            raise ValueError("takes energy or keep_parameters, not both")
        if self.token_rank is None and self.token_exponent != 1.0:
            raise ValueError("takes token_exponent with token_rank alone, the rank of what it weighs")
        return self


_NO_END = {"epochs": None, "train_tokens": None, "train_images": None, "minutes": None}
Ending = TypeVar("Ending", bound=BaseModel)


def _with_an_end(section: Ending) -> Ending:
    """Refuse a training that nothing ends but a clock, on which its result would depend."""
    ends = [name for name in _NO_END if name in type(section).model_fields and name != "minutes"]
    if all(getattr(section, name) is None for name in ends):
        limit = "; minutes is a limit alone" if getattr(section, "minutes", None) is not None else ""
        raise ValueError(f"needs {' or '.join(ends)}, to know when to end{limit}")
    return section


class Finish(_Section):
    """A short last lesson: by default of whole texts, after a long one of texts that were cut, which go faster.

    Training on short texts first and on long ones last is how BERT was made (Devlin et al. 2018). It ends after so many
    `epochs`, or tokens of training (`train_tokens`), whichever comes first; `minutes` is a limit that ends in an error.
    A rate or a weight that is not given is that of the lesson before; without `tokens` all training text is read.
    Texts are never longer than the task's.
    """

    epochs: Count | None = None
    train_tokens: Count | None = None
    minutes: Amount | None = None
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = 512
    tokens: Count | None = None
    learning_rate: Amount | None = None
    output_weight: Weight | None = None
    hidden_weight: Weight | None = None
    intermediate_weight: Weight | None = None
    relation_weight: Weight | None = None
    similarity_weight: Weight | None = None
    pair_weight: Weight | None = None

    @model_validator(mode="after")
    def _ends_some_time(self) -> Finish:
        return _with_an_end(self)


class Distill(_Section):
    """Distillation: the student is trained on the teacher's outputs.

    It ends after so many `epochs`, or tokens of training in all (`train_tokens`, as the student reads them; of images
    `train_images`), whichever comes first: the same student on every machine. Where none of them is given it is as
    much as a quiet machine of two cores computes in about five minutes, and at most a hundred epochs. `minutes` does
    not say how much is trained; it is a limit, and a training that takes longer is given up with an error, from whose
    checkpoint the same command goes on.

    `tokens` limits the training text of one epoch; a text longer than `max_length` tokens is cut there, and what is
    left of it is taught as further texts where `rest` says so: the teacher needs longer, and an epoch has more to tell
    of. With `augment` the teacher is asked so many altered copies of each text of the training part too (pieces of it,
    thinned, or joined to another's; of an image moved ones): of a few thousand texts alone a student learns the answers
    by heart. A batch is of so many tokens, or images. The weights say how much each part of the loss counts: the
    teacher's outputs (classes softened by `temperature`), its last hidden vectors, the intermediate ones that enter the
    layers which stay, the relations in its last attention, the similarities of its embeddings, and, where the data has
    pairs, finding a text's partner. At a `pair_weight` of 0 the student learns from the teacher alone. `fresh` starts
    from random numbers instead of what pruning left. `projection` puts a square matrix behind an embedding's pooled
    vectors, to turn them to the teacher's: it takes as many bytes as the width squared, and next to no time. With
    `patience` training ends after so many epochs without a better score on the validation part. `finish` adds a lesson.
    """

    enabled: bool = True
    fresh: bool = False
    projection: bool = False
    max_length: Annotated[int, Field(ge=LEAST_LENGTH, le=512)] = 64
    rest: bool = False
    augment: Annotated[int, Field(ge=0, le=100)] = 0
    epochs: Count | None = None
    train_tokens: Count | None = None
    train_images: Count | None = None
    minutes: Amount | None = None
    tokens: Count | None = None
    learning_rate: Amount = 5e-4
    batch_tokens: Count = 4096
    batch_images: Count = 64
    temperature: Amount = 2.0
    output_weight: Weight = 10.0
    hidden_weight: Weight = 3.0
    intermediate_weight: Weight = 0.0
    relation_weight: Weight = 0.0
    similarity_weight: Weight = 1.0
    pair_weight: Weight = 1.0
    patience: Count | None = None
    trackers: Annotated[tuple[Tracker, ...], BeforeValidator(_tuple), AfterValidator(_each_once)] = ()
    seed: int = 0
    finish: Finish | None = None

    @property
    def lessons(self) -> tuple[Distill, ...]:
        """One after another, none of which has a `finish`."""
        first = self.model_copy(update={"finish": None})
        if self.finish is None or not self.enabled:
            return (first,)
        own = {**_NO_END, "tokens": None, "fresh": False, **self.finish.model_dump(exclude_none=True)}
        return first, first.model_copy(update=own)

    @model_validator(mode="after")
    def _minutes_are_a_limit(self) -> Distill:
        return self if self.minutes is None else _with_an_end(self)


class Aware(_Section):
    """Quantisation-aware training: a last lesson in which the student already computes in int8, as far as it will.

    It ends after so many `epochs`, or tokens or images of training, whichever comes first; `minutes` is a limit that
    ends in an error. What is not said here is as in the lesson before.
    """

    epochs: Count | None = None
    train_tokens: Count | None = None
    train_images: Count | None = None
    minutes: Amount | None = None
    learning_rate: Amount = 1e-4

    @model_validator(mode="after")
    def _ends_some_time(self) -> Aware:
        return _with_an_end(self)


class Quantize(_Section):
    """Number formats: int8 weights per channel, and activations scaled as they come or on scales of their own.

    `scheme` is "dynamic-int8", in which each layer's inputs are scaled as they come: right for transformers, whose
    activations have outliers. Or "static-int8", in which scales are fixed by `examples` of the training part, so that
    nothing between two layers is float: right for convolutions, and all that tflite-runtime can. Or "float16", which
    harms next to nothing and halves what float32 takes, for ExecuTorch on cores with arithmetic for it. Where none is
    given the model's family decides. `calibration` says how: a scale covers all that was seen ("minmax"), all but one
    value in ten thousand ("percentile"), what leaves the least squared error ("mse"), or what loses the least of the
    values' distribution ("kl"). `smooth`, from 0 to 1 with 0.5 as a good start, moves so much of the spread of a
    transformer's activations into its weights. `aware` adds a lesson in int8.

    With `sensitivity` it is measured on training texts how far each part puts the outputs off, and where all together
    put them further off than `max_error_percent` (a ratio of root mean squares), the parts that are to blame stay
    float; with `max_points_lost` also where they lose more points (hundredths) of the task's score on the validation
    part. Those that `keep_float` names do in any case. With `weights` "int4" linear layers take half of the bytes,
    where activations are scaled as they come; those that would do more harm than that stay int8.
    """

    scheme: Literal["dynamic-int8", "static-int8", "float16"] | None = None
    weights: Literal["int8", "int4"] = "int8"
    examples: Annotated[int, Field(ge=8, le=10_000)] = 256
    calibration: Literal["minmax", "percentile", "mse", "kl"] = "mse"
    smooth: Annotated[float, Field(ge=0, le=1)] | None = None
    aware: Aware | None = None
    sensitivity: bool = True
    max_error_percent: Amount = 10.0
    max_points_lost: Amount | None = None
    keep_float: Annotated[tuple[str, ...], BeforeValidator(_tuple), AfterValidator(_each_once)] = ()

    @model_validator(mode="after")
    def _formats_agree(self) -> Quantize:
        if self.weights == "int4" and self.scheme not in (None, "dynamic-int8"):
            raise ValueError(
                f'takes weights = "int4" or scheme = "{self.scheme}", not both: no runtime has kernels for it'
            )
        if self.scheme == "float16" and (self.aware or self.keep_float):
            raise ValueError('takes scheme = "float16" without aware and keep_float, which are about int8')
        if self.scheme == "float16" and (idle := _set_of(self, _ABOUT_INT8)):
            raise ValueError(f'takes scheme = "float16" without {" and ".join(idle)}, which int8 alone reads')
        if not self.sensitivity and (idle := _set_of(self, _MEASURED)):
            raise ValueError(f"takes {' and '.join(idle)} with sensitivity alone, which measures them")
        return self


_MEASURED = ("max_error_percent", "max_points_lost")
_ABOUT_INT8 = ("examples", "calibration", "sensitivity", *_MEASURED)


def _rising(lengths: tuple[int, ...]) -> tuple[int, ...]:
    if list(lengths) != sorted(set(lengths)):
        raise ValueError(f"must rise from one to the next, not {list(lengths)}")
    return lengths


class Account(_Section):
    """What is kept of what compression changed.

    Of so many of the examples that the student answers worse, `attributions` tell which words or places of an image the
    teacher's answer rests on, and the student's (the extra "explain").
    """

    attributions: Annotated[int, Field(ge=0, le=20)] = 0


class Export(_Section):
    """Which runtimes get an artifact, and the lengths in tokens a runtime of fixed shapes is given.

    With a `batch` an artifact also takes so many examples at once, by the same weights. With `keep_float` the bundle
    also holds each artifact's float twin, to be measured against on a device.
    """

    runtimes: Annotated[tuple[Runtime, ...], Field(min_length=1), AfterValidator(_each_once)] = ("executorch", "litert")
    lengths: Annotated[
        tuple[Annotated[int, Field(gt=0, le=512)], ...], Field(min_length=1), AfterValidator(_rising)
    ] = DEFAULT_LENGTHS
    batch: Annotated[int, Field(ge=1, le=64)] = 1
    keep_float: bool = False

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Export:
        if self.batch > 1 and ONE_AT_A_TIME in self.runtimes:
            raise ValueError(
                f"takes batch = {self.batch} with other runtimes than {ONE_AT_A_TIME}, whose file is for one example "
                "at a time"
            )
        return self


class Stages(_Section):
    """The settings of every stage, in the pipeline's order."""

    finetune: Finetune = Finetune()
    vocabulary: Vocabulary = Vocabulary()
    prune: Prune = Prune()
    low_rank: LowRank = LowRank()
    distill: Distill = Distill()
    account: Account = Account()
    quantize: Quantize = Quantize()
    export: Export = Export()

    @model_validator(mode="after")
    def _steps_build_on_each_other(self) -> Stages:
        if self.distill.fresh and self.prune.steps > 1:
            raise ValueError(
                f"takes distill.fresh or prune.steps = {self.prune.steps}, not both: a fresh student would forget at "
                "each step what it learned at the one before"
            )
        without = [name for name in self.export.runtimes if name not in INT4_RUNTIMES]
        if self.quantize.weights == "int4" and without:
            raise ValueError(
                f'takes quantize.weights = "int4" with the runtimes {" and ".join(INT4_RUNTIMES)} alone: '
                f"{', '.join(without)} has no fast kernels for it"
            )
        if self.quantize.scheme == "float16":
            without = [name for name in self.export.runtimes if name not in FLOAT16_RUNTIMES]
            if without:
                raise ValueError(
                    f'takes quantize.scheme = "float16" with the runtimes {" and ".join(FLOAT16_RUNTIMES)} alone: '
                    f"{', '.join(without)} does not compute in it"
                )
        return self

    @property
    def aware_lesson(self) -> Distill | None:
        """The lesson in int8, where there is one: as the last one is, but for what `quantize.aware` says."""
        aware = self.quantize.aware
        if aware is None or not self.distill.enabled:
            return None
        own = {**_NO_END, "tokens": None, "fresh": False, **aware.model_dump()}
        return self.distill.lessons[-1].model_copy(update=own)


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
    kind, builtin = task.get("kind"), data.get("builtin")
    if not isinstance(kind, str) or kind not in COLUMNS:
        return []  # told by the field itself; what the kind implies is not known
    found = _task_faults(kind, task)
    if isinstance(builtin, str) and BUILTIN_DATA.get(builtin, kind) != kind:
        found.append((("data", "builtin"), f"{builtin} is for {BUILTIN_DATA[builtin]}, but task.kind is {kind}"))
    elif builtin is not None and task.get("labels"):
        found.append((("task", "labels"), "is for files of yours; a built-in set has its own"))
    found.extend(_data_faults(kind, data))
    made = _section(values, "stages")
    found.extend(_kind_faults(kind, made))
    if kind == "token-classification" and _section(made, "account").get("attributions"):
        place = ("stages", "account", "attributions")
        found.append((place, "tell what one answer for a text rests on; here each of its words has its own"))
    found.extend(_unit_faults(kind, made))
    return found


def _kind_faults(kind: str, made: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """Settings of stages that this kind of task does not read: they would change nothing."""
    found: list[tuple[Location, str]] = []
    for name, kinds in READ_BY.items():
        *around, last = name.split(".")
        section = made
        for part in around:
            section = _section(section, part)
        if kind not in kinds and section.get(last) is not None:
            why = f"is for {_joined(kinds)}; {kind} does not read it: {_KIND_REASONS.get(name, 'leave it out')}"
            found.append((("stages", *around, last), why))
    return found


_KIND_REASONS = {
    "finetune": "an embedding teacher is used as it is",
    "prune.speedup": "prune.keep_macs says what share of the products stays",
    "distill.projection": "its head has a matrix of its own",
    "distill.temperature": "there are no classes for it to soften",
}


def _unit_faults(kind: str, made: Mapping[str, Any]) -> list[tuple[Location, str]]:
    """Trainings that are measured in the unit of another kind's examples."""
    of_images = kind == "image-classification"
    wrong, right = ("train_tokens", "train_images") if of_images else ("train_images", "train_tokens")
    places = (("distill",), ("distill", "finish"), ("quantize", "aware"))
    found: list[tuple[Location, str]] = []
    for place in places:
        section = made
        for name in place:
            section = _section(section, name)
        if section.get(wrong) is not None:
            found.append((("stages", *place, wrong), f"is not for {kind}, whose training is measured by {right}"))
    return found


def _task_faults(kind: str, task: Mapping[str, Any]) -> list[tuple[Location, str]]:
    of_images = kind == "image-classification"
    found: list[tuple[Location, str]] = []
    if task.get("image_size") is not None and not of_images:
        found.append((("task", "image_size"), f"is for images; {kind} reads text"))
    if task.get("max_length") is not None and of_images:
        found.append((("task", "max_length"), f"is for text; {kind} has image_size"))
    if task.get("labels") and kind not in WITH_LABELS:
        found.append((("task", "labels"), f"is for {', '.join(WITH_LABELS)}; {kind} has none"))
    return found


def _data_faults(kind: str, data: Mapping[str, Any]) -> list[tuple[Location, str]]:
    of_images = kind == "image-classification"
    columns = _section(data, "columns")
    needed = NEEDED_COLUMN.get(kind)
    found: list[tuple[Location, str]] = []
    if columns and (what := _without_columns(kind, data)):
        found.append((("data", "columns"), f"is for tables whose columns have names; {what} has none, so leave it out"))
    if needed and columns.get(needed) is None and (data.get("file") is not None or data.get("train") is not None):
        found.append((("data", "columns"), f"must name the column {needed}, which {kind} learns from"))
    for column in columns:
        if column == "pair" and kind in ("classification", "regression"):
            found.append((("data", "columns", "pair"), _ONE_TEXT.format(kind=kind)))
        elif column in Columns.model_fields and column not in COLUMNS[kind]:
            found.append((("data", "columns", column), f"is none that {kind} reads; it reads {_joined(COLUMNS[kind])}"))
    suffixes = TAGGED_SUFFIXES if kind == "token-classification" else TABLE_SUFFIXES
    for name in ("file", "train", "validation", "test"):
        if data.get(name) is None:
            continue
        path = Path(str(data[name]))
        suffix = path.suffix.lower()
        if suffix in DATA_SUFFIXES and suffix not in suffixes:
            found.append((("data", name), f"{path.name!r} is not for {kind}, which reads {_joined(suffixes)}"))
        elif suffix not in DATA_SUFFIXES and name != "file" and not of_images:
            found.append((("data", name), f"{path.name!r} is a folder, but {kind} reads {_joined(suffixes)}"))
    tables = [str(data[name]) for name in ("file", "train", "validation", "test") if data.get(name) is not None]
    if data.get("separator", ",") != "," and not any(table.lower().endswith(".csv") for table in tables):
        found.append((("data", "separator"), "is that of .csv files, and no file of the recipe is one"))
    misplaced = ("extra_text", "extra_text_packages") if of_images else ("folder", "extra_images")
    for name in misplaced:
        if data.get(name):
            found.append((("data", name), f"is for {'text' if of_images else 'images'}, but task.kind is {kind}"))
    return found


def _without_columns(kind: str, data: Mapping[str, Any]) -> str:
    """What holds the examples, where none of it has named columns: images in folders, words and tags a line."""
    given = [data[name] for name in ("file", "folder", "train", "validation", "test") if data.get(name) is not None]
    suffixes = {Path(str(place)).suffix.lower() for place in given}
    if kind == IMAGES and given and suffixes.isdisjoint(DATA_SUFFIXES) and data.get("file") is None:
        return "a folder of images"
    if kind == "token-classification" and given and suffixes.isdisjoint(TABLE_SUFFIXES):
        return "a file of words and tags a line"
    return ""


_ONE_TEXT = (
    "is for embedding: a model for {kind} is given one text, and pairs of texts are not supported; write both into one "
    "column, with words between that tell them apart, and fit the teacher to such texts (stages.finetune.again = true)"
)


def _joined(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


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
    return files("edgewright") / "recipes"
