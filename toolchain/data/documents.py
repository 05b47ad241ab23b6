"""What a decoder learns to write, in parts that share no document and no source.

In:  a recipe's `[data]` and `[task]` sections.
Out: `Documents`, and a fingerprint that changes exactly when they do.
A document is a text, or a prompt with the completion that is to follow it. Text files are read by `text_files`, tables
by `readers`, the built-in sets by `docstrings`; tokens are the modality's concern.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from edgewright.base.progress import OnProgress
from edgewright.data import docstrings, readers, text_files
from edgewright.data.agreement import Agreement, Row, agreement_of
from edgewright.data.splits import PARTS, SplitName, check_sizes, part_of, share_of
from edgewright.specs.recipe.data import TEXT_SUFFIXES

if TYPE_CHECKING:
    from edgewright.specs.recipe import Data, Split, TaskSettings

DOCSTRINGS, SUMMARIES = "docstrings", "docstring-summaries"
# Held-out documents of the built-in sets: (test, validation). A document has some 180 tokens, a pair some 90.
HELD_OUT: Mapping[str, tuple[int, int]] = {DOCSTRINGS: (250, 120), SUMMARIES: (500, 250)}
LARGEST_HELD_OUT_SHARE = 0.1
_PATHS = ("file", "folder", "train", "validation", "test", "extra_text")


@dataclass(frozen=True, kw_only=True)
class TextDocument:
    """A prompt and what follows it; the prompt is empty where all of a text is learned.

    `source` is where it stands: a module, a file, or what a table's column says.
    """

    prompt: str = ""
    completion: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Documents:
    """A task's documents; `extra` is further text to train on, of which nothing is held out.

    `removed` counts those that were left out because they stand in a part that is held out, too, or stand there twice.
    """

    train: tuple[TextDocument, ...]
    validation: tuple[TextDocument, ...]
    test: tuple[TextDocument, ...]
    extra: tuple[TextDocument, ...] = ()
    removed: int = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """None: what is to be answered is text."""
        return ()

    @property
    def training(self) -> tuple[TextDocument, ...]:
        """All that a student may see: of the training part, then the extra ones."""
        return (*self.train, *self.extra)

    @property
    def agreement(self) -> Agreement:
        """That no document stands in two parts; several completions of a prompt are no contradiction."""
        parts: dict[str, list[Row]] = {name: [_as_row(each) for each in getattr(self, name)] for name in PARTS}
        return agreement_of(parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever builds should know."""
        if not self.removed:
            return ()
        return (
            f"{self.removed:,} documents are left out: they stand in the data twice, or their text or prompt is held "
            "out in another part",
        )

    @property
    def labelled_digest(self) -> str:
        """Of all but the extra documents, on which no score is taken."""
        stated = asdict(replace(self, extra=(), removed=0))
        return hashlib.sha256(json.dumps(stated).encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write as one JSON document."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Documents:
        """Read what `save` wrote."""
        return TypeAdapter(cls).validate_json(path.read_bytes())


def fingerprint(data: Data, task: TaskSettings) -> str:
    """A digest of everything `load_documents` reads: file contents, or the versions of Python and of the packages."""
    digest = hashlib.sha256(json.dumps([data.model_dump_json(exclude=set(_PATHS)), task.kind]).encode())
    for name in _PATHS:
        path: Path | None = getattr(data, name)
        contents = [] if path is None else text_files.files_digest(path)
        digest.update("\n".join([name, *contents]).encode())
    if data.builtin:
        digest.update(platform.python_version().encode())
        for name in data.extra_text_packages:
            digest.update(f"{name} {_version(name)}".encode())
    return digest.hexdigest()


def load_documents(data: Data, task: TaskSettings, *, on_progress: OnProgress | None = None) -> Documents:
    """Read, split and check the documents; `on_progress` hears (files or rows read, how many there are).

    Raises `BadDataError` for what cannot be read, a cell that is empty, or a part without documents.
    """
    if data.builtin:
        documents = _held_out_by_module(_builtin(data), *HELD_OUT[data.builtin])
    elif (place := data.file or data.folder) is not None:
        documents = _split(_read(data, task, place, on_progress), data.split)
    else:
        parts = {name: getattr(data, name) for name in PARTS}
        read = {name: _read(data, task, path, on_progress) if path else [] for name, path in parts.items()}
        documents = _apart(read)
    check_sizes((("train", len(documents.train)), ("test", len(documents.test))))
    if data.extra_text is not None:
        lines = [TextDocument(completion=line, source="extra") for line in readers.read_lines(data.extra_text)]
        known = {_key(each) for name in PARTS for each in getattr(documents, name)}
        extra = tuple(each for each in dict.fromkeys(lines) if _key(each) not in known)
        documents = replace(documents, extra=extra)
    return documents


def _builtin(data: Data) -> list[TextDocument]:
    """Docstrings of the standard library and of the recipe's packages: all of each, or body and summary."""
    if data.builtin == DOCSTRINGS:
        texts = docstrings.of_everything(data.extra_text_packages)
        return [TextDocument(completion=text, source=module) for module, text in texts]
    passages = docstrings.passages_of_everything(data.extra_text_packages)
    return [TextDocument(prompt=each.body, completion=each.summary, source=each.module) for each in passages]


def _read(data: Data, task: TaskSettings, place: Path, on_progress: OnProgress | None) -> list[TextDocument]:
    """The documents of a table, a text file, or a folder of these."""
    if place.is_dir() or place.suffix.lower() in TEXT_SUFFIXES:
        parts = text_files.read_text_files(place, data.document, on_progress=on_progress)
        alone = not place.is_dir()
        return [TextDocument(completion=part.text, source="" if alone else part.file) for part in parts]
    named = {field: data.columns.of(field) for field in task.description.columns}
    wanted = {field: column for field, column in named.items() if column is not None}
    rows = readers.read_rows(place, wanted, separator=data.separator, on_progress=on_progress)
    texts = [{field: str(cell) for field, cell in row.items()} for row in rows]
    return [
        TextDocument(
            prompt=row.get("prompt", ""),
            completion=row["completion"] if "completion" in row else row["text"],
            source=row.get("source", ""),
        )
        for row in texts
    ]


def _split(documents: Iterable[TextDocument], split: Split) -> Documents:
    """What comes of one source falls into one part; without sources, what has the same prompt, or text."""
    parts: dict[SplitName, list[TextDocument]] = {name: [] for name in PARTS}
    for each in documents:
        parts[part_of(each.source or _key(each), test=split.test, validation=split.validation)].append(each)
    return _apart(parts)


def _held_out_by_module(documents: Sequence[TextDocument], test: int, validation: int) -> Documents:
    """So many documents are held out, or a few more: the modules' whole ones, in the order of a stable hash.

    A module with more than a fifth of them is trained on, as it would be most of what a score is taken on.
    """
    counts = Counter(each.source for each in documents)
    most = int(LARGEST_HELD_OUT_SHARE * len(documents))
    wanted: dict[SplitName, int] = {"test": min(test, most), "validation": min(validation, most // 2)}
    part_of_module: dict[str, SplitName] = {}
    waiting = sorted(counts, key=share_of)
    for name, number in wanted.items():
        held = 0
        for module in list(waiting):
            if held >= number:
                break
            if counts[module] <= max(1, number // 5):
                part_of_module[module] = name
                held += counts[module]
                waiting.remove(module)
    parts: dict[SplitName, list[TextDocument]] = {name: [] for name in PARTS}
    for each in documents:
        parts[part_of_module.get(each.source, "train")].append(each)
    return _apart(parts)


def _apart(parts: Mapping[SplitName, Sequence[TextDocument]]) -> Documents:
    """Each document once, and where it stands in several parts, in the one that is held out: test before validation.

    A prompt of a held-out part is left out of the others, whatever follows it there.
    """
    taken: set[str] = set()
    kept: dict[SplitName, tuple[TextDocument, ...]] = {}
    for name in ("test", "validation", "train"):
        own = {(each.prompt, each.completion): each for each in parts[name] if _key(each) not in taken}
        kept[name] = tuple(own.values())
        taken.update(_key(each) for each in own.values())
    removed = sum(len(parts[name]) - len(kept[name]) for name in PARTS)
    return Documents(train=kept["train"], validation=kept["validation"], test=kept["test"], removed=removed)


def _key(document: TextDocument) -> str:
    """What is the same for documents that may not stand in two parts."""
    return document.prompt or document.completion


def _as_row(document: TextDocument) -> Row:
    return Row(key=_key(document), answer=None, name=_key(document))


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"
