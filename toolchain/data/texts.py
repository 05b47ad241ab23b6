"""Examples of a task in three parts that share no text, ready to train on, to tune on and to be judged by.

In:  a recipe's `[data]` section.
Out: `Texts`, and a fingerprint that changes exactly when they do.
Reading one file is `readers`' concern, the built-in sets' text is `docstrings`'; tokens are `models`'.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from toolchain.data import docstrings, readers
from toolchain.errors import BadDataError
from toolchain.recipe import Data

TEST_SHARE, VALIDATION_SHARE = 0.4, 0.1


@dataclass(frozen=True, kw_only=True)
class Example:
    """One text, what it is called where it is shown, and the text that answers it or its label."""

    text: str
    pair: str | None = None
    label: str | None = None
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """A task's examples; `extra` is further text to distil on: no labels, and pairs only where they come with it."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    extra: tuple[Example, ...] = ()

    @property
    def training_texts(self) -> list[str]:
        """All text a student may see: of the training part, then the extra text, each once."""
        return list(dict.fromkeys(_texts_of((*self.train, *self.extra))))

    @property
    def training_pairs(self) -> list[tuple[str, str]]:
        """What is known to belong together among `training_texts`."""
        return [(row.text, row.pair) for row in (*self.train, *self.extra) if row.pair is not None]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the training part, sorted."""
        return tuple(sorted({example.label for example in self.train if example.label is not None}))

    def save(self, path: Path) -> None:
        """Write as one JSON document."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Texts":
        """Read what `save` wrote."""
        parts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{name: tuple(Example(**row) for row in rows) for name, rows in parts.items()})


def fingerprint(data: Data) -> str:
    """A digest of everything `load_texts` reads: file contents, or the versions of Python and of the packages."""
    digest = hashlib.sha256(data.model_dump_json(exclude=_PATHS).encode())
    for path in (data.file, data.train, data.validation, data.test, data.extra_text):
        digest.update(readers.content_digest(path).encode() if path else b"-")
    if data.builtin:
        digest.update(platform.python_version().encode())
        for name in data.extra_text_packages:
            digest.update(f"{name} {_version(name)}".encode())
    return digest.hexdigest()


def load_texts(data: Data) -> Texts:
    """Read, split and check the examples.

    Raises `BadDataError` for a column that is not there, an empty part, or a text in two parts.
    """
    if data.builtin:
        texts = _builtin_search(data)
    elif data.file:
        texts = _split_file(data, data.file)
    else:
        parts = {name: _examples(data, getattr(data, name)) for name in ("train", "validation", "test")}
        texts = Texts(train=parts["train"], validation=parts["validation"], test=parts["test"])
    _check(texts, data)
    known = {text for part in (texts.train, texts.validation, texts.test) for text in _texts_of(part)}
    more = texts.extra
    if data.extra_text is not None:
        more = tuple(Example(text=line) for line in readers.read_lines(data.extra_text))
    return replace(texts, extra=tuple(row for row in dict.fromkeys(more) if known.isdisjoint(_texts_of((row,)))))


def share_of(key: str) -> float:
    """A number from 0 up to 1 that depends on `key` alone, the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64


_PATHS = {"file", "train", "validation", "test", "extra_text"}


def _builtin_search(data: Data) -> Texts:
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for passage in docstrings.standard_library():
        part = _part_of(share_of(passage.module), TEST_SHARE, VALIDATION_SHARE)
        parts[part].append(Example(text=passage.summary, pair=passage.body, title=passage.module))
    passages = docstrings.installed_packages(data.extra_text_packages)
    extra = [Example(text=passage.summary, pair=passage.body, title=passage.module) for passage in passages]
    return replace(_joined(parts), extra=tuple(sorted(extra, key=lambda row: share_of(row.text))))


def _split_file(data: Data, path: Path) -> Texts:
    """Rows with the same text fall into the same part, whatever their order."""
    parts: dict[str, list[Example]] = {"train": [], "validation": [], "test": []}
    for example in _examples(data, path):
        parts[_part_of(share_of(example.text), data.split.test, data.split.validation)].append(example)
    return _joined(parts)


def _joined(parts: Mapping[str, Sequence[Example]]) -> Texts:
    return Texts(train=tuple(parts["train"]), validation=tuple(parts["validation"]), test=tuple(parts["test"]))


def _part_of(share: float, test: float, validation: float) -> str:
    return "test" if share < test else "validation" if share < test + validation else "train"


def _examples(data: Data, path: Path | None) -> tuple[Example, ...]:
    if path is None:
        return ()
    columns = {"text": data.columns.text, "pair": data.columns.pair, "label": data.columns.label}
    wanted = {field: column for field, column in columns.items() if column is not None}
    return tuple(Example(**row) for row in readers.read_rows(path, wanted))


def _check(texts: Texts, data: Data) -> None:
    for name in ("train", "test"):
        if not getattr(texts, name):
            raise BadDataError(f"the {name} split is empty; add rows, or change data.split")
    if data.columns.label is not None:
        known = set(texts.labels)
        unseen = sorted({str(row.label) for row in (*texts.validation, *texts.test)} - known)
        if unseen:
            raise BadDataError(
                f"labels {', '.join(unseen[:5])} stand in held-out rows but not in the train split; add rows with them"
            )
        if len(known) < 2:
            raise BadDataError(f"the train split has only the label {', '.join(known)}; two or more are needed")
    shared = {row.text for row in texts.train} & {row.text for row in texts.test}
    if shared:
        example = min(shared)
        raise BadDataError(
            f"{len(shared)} texts stand in both train and test, such as {example[:60]!r}; remove them from one"
        )


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
