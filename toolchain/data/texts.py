"""Examples of a task in three parts that share no text, ready to train on, to tune on and to be judged by.

In:  a recipe's `[data]` and `[task]` sections.
Out: `Texts`, and a fingerprint that changes exactly when they do.
Reading one file is `readers`' and `tagged`'s concern, the built-in sets' text is `docstrings`'; tokens are `models`',
images are `images`'.
"""

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

from pydantic import TypeAdapter

from edgewright.base.progress import OnProgress
from edgewright.data import docstrings, readers
from edgewright.data.agreement import Agreement, Row, agreement_of
from edgewright.data.augment import altered_copies
from edgewright.data.splits import PARTS, SplitName, check_labels, check_sizes, part_of, share_of
from edgewright.data.tagged import Tagged, read_tagged
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Data, Split, TaskSettings

TEST_SHARE, VALIDATION_SHARE = 0.4, 0.1
_FIELDS = ("text", "pair", "label", "value")  # of an example, which our tasks' columns are read into
MOST_PACKAGES = 16


@dataclass(frozen=True, kw_only=True)
class Example:
    """One text, what it is called where it is shown, and what its task asks of it.

    That is the text that answers it, its label, its value, or a tag for each of its words: those that white space
    parts. `cells` are what stands in columns that are the task's own, by its names for them.
    """

    text: str
    pair: str | None = None
    label: str | None = None
    value: float | None = None
    tags: tuple[str, ...] | None = None
    title: str = ""
    cells: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A task's examples; `extra` is further text to distil on: no labels, and pairs only where they come with it.

    `configured` are the labels the recipe names, in the order of the model's classes, if it does.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    extra: tuple[Example, ...] = ()
    configured: tuple[str, ...] = ()

    @property
    def training_texts(self) -> list[str]:
        """All text a student may see: of the training part, then the extra text, each once."""
        return list(dict.fromkeys(_texts_of((*self.train, *self.extra))))

    def augmented_texts(self, *, copies: int, max_words: int) -> list[str]:
        """`training_texts` with altered copies of the training part's own right after those; none is held out."""
        own = list(dict.fromkeys(_texts_of(self.train)))
        held_out = set(_texts_of((*self.validation, *self.test)))
        altered = altered_copies(own, copies=copies, max_words=max_words)
        return list(dict.fromkeys([*own, *(text for text in altered if text not in held_out), *self.training_texts]))

    @property
    def training_pairs(self) -> list[tuple[str, str]]:
        """What is known to belong together among `training_texts`."""
        return [(row.text, row.pair) for row in (*self.train, *self.extra) if row.pair is not None]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels or tags in the order of the model's classes: as configured, or the training part's, sorted."""
        return self.configured or tuple(sorted(_labels_of(self.train)))

    @property
    def agreement(self) -> Agreement:
        """Whether equal texts have equal labels, values or tags, and stand in one part alone."""
        parts = {name: getattr(self, name) for name in PARTS}
        return agreement_of({name: [_as_row(example) for example in part] for name, part in parts.items()})

    @property
    def labelled_digest(self) -> str:
        """Of all but the extra text, which no teacher is fitted to and no score is taken on."""
        stated = asdict(replace(self, extra=()), dict_factory=_without_no_cells)
        return hashlib.sha256(json.dumps(stated).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write as one JSON document."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Texts":
        """Read what `save` wrote."""
        return TypeAdapter(cls).validate_json(path.read_bytes())


def fingerprint(data: Data, task: TaskSettings) -> str:
    """A digest of everything `load_texts` reads: file contents, or the versions of Python and of the packages."""
    stated = [data.model_dump_json(exclude=_PATHS), task.kind, task.labels]
    digest = hashlib.sha256(json.dumps(stated).encode())
    for path in (data.file, data.train, data.validation, data.test, data.extra_text):
        digest.update(readers.content_digest(path).encode() if path else b"-")
    if data.builtin:
        digest.update(platform.python_version().encode())
        for name in data.extra_text_packages:
            digest.update(f"{name} {_version(name)}".encode())
    return digest.hexdigest()


def load_texts(data: Data, task: TaskSettings, *, on_progress: OnProgress | None = None) -> Texts:
    """Read, split and check the examples; `on_progress` hears how many rows of a file are read, and how many there are.

    Raises `BadDataError` for a column that is not there, a cell that is not what it should be, a label outside those
    configured, an empty part, or a text in two parts.
    """
    if data.builtin == "stdlib-packages":
        texts = _builtin_packages()
    elif data.builtin == "stdlib-parameters":
        texts = _builtin_parameters()
    elif data.builtin:
        texts = _builtin_search()
    elif data.file:
        texts = _split(_examples(data, task, data.file, on_progress), data.split)
    else:
        texts = _joined({name: _examples(data, task, getattr(data, name), on_progress) for name in PARTS})
    texts = replace(texts, configured=task.labels)
    _check(texts, task)
    known = {text for part in (texts.train, texts.validation, texts.test) for text in _texts_of(part)}
    more = _extra(data)
    return replace(texts, extra=tuple(row for row in dict.fromkeys(more) if known.isdisjoint(_texts_of((row,)))))


_PATHS = {"file", "folder", "train", "validation", "test", "extra_text", "extra_images"}


def _builtin_search() -> Texts:
    """Summaries and the bodies that answer them; a module lies in one part."""
    parts: dict[SplitName, list[Example]] = {name: [] for name in PARTS}
    for passage in docstrings.standard_library():
        part = part_of(passage.module, test=TEST_SHARE, validation=VALIDATION_SHARE)
        parts[part].append(Example(text=passage.summary, pair=passage.body, title=passage.module))
    return _joined(parts)


def _builtin_packages() -> Texts:
    """Whole docstrings and the package each stands in, of the packages with the most of them."""
    passages = docstrings.standard_library(min_body_words=0)
    counts = Counter(passage.package for passage in passages)
    largest = sorted(counts, key=lambda name: (-counts[name], name))[:MOST_PACKAGES]
    examples = [
        Example(text=f"{passage.summary} {passage.body}".strip(), label=passage.package, title=passage.module)
        for passage in passages
        if passage.package in largest
    ]
    return _split(examples, Split())


def _builtin_parameters() -> Texts:
    """The docstrings of functions, and which of their words name a parameter."""
    return _split((_in_words(each, title=module) for module, each in docstrings.parameters_named()), Split())


def _extra(data: Data) -> list[Example]:
    """Text to distil from, as it stands in the recipe's file or packages."""
    extra = [
        Example(text=passage.summary, pair=passage.body, title=passage.module)
        for passage in docstrings.installed_packages(data.extra_text_packages)
    ]
    extra.sort(key=lambda row: share_of(row.text))
    if data.builtin in ("stdlib-packages", "stdlib-parameters"):
        extra = [Example(text=f"{row.text} {row.pair}", title=row.title) for row in extra]
    if data.builtin == "stdlib-parameters":
        extra = [Example(text=" ".join(docstrings.parted(row.text)), title=row.title) for row in extra]
    if data.extra_text is not None:
        extra.extend(Example(text=line) for line in readers.read_lines(data.extra_text))
    return extra


def _split(examples: Iterable[Example], split: Split) -> Texts:
    """Rows with the same text fall into the same part, whatever their order."""
    parts: dict[SplitName, list[Example]] = {name: [] for name in PARTS}
    for example in examples:
        parts[part_of(example.text, test=split.test, validation=split.validation)].append(example)
    return _joined(parts)


def _joined(parts: Mapping[SplitName, Sequence[Example]]) -> Texts:
    return Texts(train=tuple(parts["train"]), validation=tuple(parts["validation"]), test=tuple(parts["test"]))


def _examples(data: Data, task: TaskSettings, path: Path | None, on_progress: OnProgress | None) -> tuple[Example, ...]:
    if path is None:
        return ()
    columns = data.columns
    if "tags" in task.description.columns:
        sentences = read_tagged(
            path, words=columns.words, tags=columns.tags, labels=task.labels, on_progress=on_progress
        )
        return tuple(_in_words(each) for each in sentences)
    named = {field: columns.of(field) for field in task.description.columns}
    wanted = {field: column for field, column in named.items() if column is not None}
    numbers = ("value",) if "value" in wanted else ()
    rows = readers.read_rows(
        path, wanted, numbers=numbers, labels=task.labels, separator=data.separator, on_progress=on_progress
    )
    return tuple(_of_fields(row) for row in rows)


def _of_fields(row: readers.Row) -> Example:
    texts, value = {field: str(cell) for field, cell in row.items()}, row.get("value")
    return Example(
        text=texts["text"],
        pair=texts.get("pair"),
        label=texts.get("label"),
        value=None if value is None else float(value),
        title=texts.get("title", ""),
        cells=tuple((field, cell) for field, cell in texts.items() if field not in _FIELDS),
    )


def _without_no_cells(items: list[tuple[str, object]]) -> dict[str, object]:
    """An example as it was stated before there were cells, where it has none."""
    return {name: value for name, value in items if name != "cells" or value}


def _in_words(tagged: Tagged, *, title: str = "") -> Example:
    return Example(text=" ".join(tagged.words), tags=tagged.tags, title=title)


def _check(texts: Texts, task: TaskSettings) -> None:
    check_sizes((("train", len(texts.train)), ("test", len(texts.test))))
    if task.description.has_labels:
        check_labels(_labels_of(texts.train), _labels_of((*texts.validation, *texts.test)), texts.configured)
    if "value" in task.description.columns:
        for name, part in (("train", texts.train), ("test", texts.test)):
            if len({row.value for row in part}) < 2:
                raise BadDataError(
                    f"every value of the {name} split is {part[0].value:g}: there is nothing to tell apart; add rows"
                )
    shared = {row.text for row in texts.train} & {row.text for row in texts.test}
    if shared:
        example = min(shared)
        raise BadDataError(
            f"{len(shared)} texts stand in both train and test, such as {example[:60]!r}; remove them from one"
        )


def _labels_of(examples: Iterable[Example]) -> set[str]:
    """Every label and every tag."""
    labels = {example.label for example in examples if example.label is not None}
    return labels | {tag for example in examples for tag in example.tags or ()}


def _as_row(example: Example) -> Row:
    """By its text; a pair is no answer but one of several that may be right."""
    answers = (example.label, example.value, example.tags, example.cells or None)
    answer = next((answer for answer in answers if answer is not None), None)
    return Row(key=example.text, answer=answer, name=example.text)


def _texts_of(examples: Sequence[Example]) -> Iterable[str]:
    for example in examples:
        yield example.text
        if example.pair is not None:
            yield example.pair


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
