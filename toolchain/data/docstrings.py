"""The built-in text: docstrings of the installed standard library and of installed packages.

In:  nothing but the Python installation (source files are parsed, never imported).
Out: `Passage`s — the first sentence of a docstring, the rest of it, and the module it stands in; the words of a
     function's docstring, and which of them are its parameters; or docstrings as they stand.
Splitting them into train, validation and test is `splits`' concern; reading a user's files is `readers`'.
"""

import ast
import inspect
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from edgewright.base.untrusted import is_unicode
from edgewright.data.tagged import Tagged

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_NOT_PROSE = re.compile(r"^\s*(>>>|\.\.\.|\.\. |:\w+)")
_WORD = re.compile(r"\w+|[^\w\s]")
_BLOCKS = ("finalbody", "orelse", "handlers", "body")
_SKIPPED_PARTS = frozenset(
    {"test", "tests", "testing", "site-packages", "dist-packages", "idlelib", "lib2to3", "__pycache__", "pydoc_data"}
)
PARAMETER, OUTSIDE = "PARAMETER", "O"


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One docstring, cut into the sentence that sums it up and the body that explains it."""

    module: str
    summary: str
    body: str

    @property
    def package(self) -> str:
        """The module's first name."""
        return self.module.partition(".")[0]


def standard_library(*, min_words: int = 3, min_body_words: int | None = None) -> list[Passage]:
    """Every docstring of the standard library with a summary of at least `min_words` words, and a body of as many.

    Where a summary alone is enough, say so with `min_body_words=0`.
    """
    return _distinct(_passages(Path(sysconfig.get_path("stdlib")), min_words, min_body_words))


def installed_packages(names: Iterable[str], *, min_words: int = 3) -> list[Passage]:
    """The same for installed distributions; one that is not installed contributes nothing."""
    return _distinct(passage for _, root in _roots(names) for passage in _passages(root, min_words))


def passages_of_everything(packages: Iterable[str], *, min_words: int = 3) -> list[Passage]:
    """Those of the standard library, then those of installed distributions, whose modules have their full names."""
    passages = list(_passages(Path(sysconfig.get_path("stdlib")), min_words))
    for package, root in _roots(packages):
        passages.extend(replace(each, module=f"{package}.{each.module}") for each in _passages(root, min_words))
    return _distinct(passages)


def of_everything(packages: Iterable[str], *, min_words: int = 3) -> list[tuple[str, str]]:
    """The module and the text of each docstring of the standard library and of installed distributions.

    A text has its lines, without the indentation that all share, and `min_words` words or more; one that stands in two
    modules belongs to the first.
    """
    texts: dict[str, str] = {}
    for package, root in (("", Path(sysconfig.get_path("stdlib"))), *_roots(packages)):
        for module, path in _modules(root):
            for _, docstring in _docstrings(path):
                text = inspect.cleandoc(docstring)
                if len(text.split()) >= min_words and "\0" not in text and is_unicode(text):
                    texts.setdefault(text, f"{package}.{module}" if package else module)
    return [(module, text) for text, module in texts.items()]


def parameters_named(*, min_words: int = 3) -> list[tuple[str, Tagged]]:
    """Of every function of the standard library whose docstring names a parameter of it, the docstring's words.

    Each comes with the module it stands in; those words are tagged `PARAMETER`, and all others `OUTSIDE`.
    """
    sentences: dict[str, tuple[str, Tagged]] = {}
    for module, path in _modules(Path(sysconfig.get_path("stdlib"))):
        for node, docstring in _docstrings(path):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            words = parted(" ".join(split_docstring(docstring)))
            named = _parameters(node.args)
            if len(words) >= min_words and not named.isdisjoint(words):
                tags = tuple(PARAMETER if word in named else OUTSIDE for word in words)
                sentences.setdefault(" ".join(words), (module, Tagged(words=words, tags=tags)))
    return list(sentences.values())


def parted(text: str) -> tuple[str, ...]:
    """The words of a text, and each mark of punctuation as a word of its own, as tagged texts have them."""
    return tuple(_WORD.findall(text))


def split_docstring(text: str) -> tuple[str, str]:
    """(summary, body) of a docstring: its first sentence and the remaining prose, white space folded.

    Doctest and directive lines are dropped: they are code, and no one searches by them.
    """
    cleaned = inspect.cleandoc(text)
    prose = "\n".join(line for line in cleaned.splitlines() if not _NOT_PROSE.match(line))
    summary, *rest = _SENTENCE_END.split(prose.strip(), maxsplit=1)
    return _folded(summary), _folded(rest[0]) if rest else ""


def _roots(names: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """The packages of installed distributions by their names in Python, and where they lie."""
    for name in names:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue
        roots = {file.parts[0] for file in files if file.suffix == ".py" and len(file.parts) > 1}
        for root in sorted(roots - {"..", "__pycache__"}):
            yield root, Path(str(metadata.distribution(name).locate_file(root)))


def _parameters(arguments: ast.arguments) -> set[str]:
    rest = (each for each in (arguments.vararg, arguments.kwarg) if each)
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest)
    return {each.arg for each in every} - {"self", "cls"}


def _passages(root: Path, min_words: int, min_body_words: int | None = None) -> Iterator[Passage]:
    body_words = min_words if min_body_words is None else min_body_words
    for module, path in _modules(root):
        for _, docstring in _docstrings(path):
            summary, body = split_docstring(docstring)
            if len(summary.split()) >= min_words and len(body.split()) >= body_words:
                yield Passage(module=module, summary=summary, body=body)


def _modules(root: Path) -> Iterator[tuple[str, Path]]:
    """The name and the file of each module, in order."""
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if not _SKIPPED_PARTS.intersection(relative.parts):
            yield ".".join((*relative.parts[:-1], relative.stem)).removesuffix(".__init__"), path


def _docstrings(path: Path) -> Iterator[tuple[ast.AST, str]]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):  # templates and deliberate errors ship as .py too
        return
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield node, docstring
        # Statements alone: no docstring lies in an expression.
        for name in _BLOCKS:
            waiting.extend(reversed(getattr(node, name, ())))


def _distinct(passages: Iterable[Passage]) -> list[Passage]:
    """Each summary and each body once: a text that stands in two modules belongs to the first."""
    seen: set[str] = set()
    kept = []
    for passage in passages:
        if passage.summary not in seen and passage.body not in seen:
            seen.update(text for text in (passage.summary, passage.body) if text)
            kept.append(passage)
    return kept


def _folded(text: str) -> str:
    return " ".join(text.split())
