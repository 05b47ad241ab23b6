"""What the house is held to, counted in the sources: names that stand outside their rooms, sizes, tests beside modules.

In:  the sources of this checkout, as syntax trees; nothing is imported.
Out: figures, and for those that have places the places. `house` prints them; `test_architecture` holds them.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[2]
SOURCES = ("toolchain", "targets")
# Who may spell these names: the room that has the table of them, and what lies in that room.
ROOMS_OF_NAMES: Mapping[str, tuple[str, frozenset[str]]] = {
    "runtime": ("runtimes", frozenset({"executorch", "litert", "tflite", "onnx"})),
    "task": (
        "tasks",
        frozenset({"embedding", "classification", "regression", "token-classification", "image-classification"}),
    ),
    "modality": ("modality", frozenset({"text", "image"})),
    "scheme": ("quantize", frozenset({"dynamic-int8", "static-int8", "float16"})),
}
# A key "text" is a column or a field of a document far more often than a modality, and "float16" is a type of numbers.
ALSO_OTHER_THINGS = frozenset({"text", "image", "float16"})
OPERATORS = frozenset(
    {
        "toolchain/cost/terms.py",
        "toolchain/cost/nominal_prices.py",
        "toolchain/specs/structure.py",
        "toolchain/forecast/advised_changes.py",
    }
)  # "embedding" is a kind of these
# Classes of `models` that are parts any family may be made of, not families.
PARTS_OF_FAMILIES = frozenset({"LowRankLinear", "Constant"})
LARGE_FILE_LINES = 300
# Modules that are tested by what they are for: each migration by a history of the schema before it.
TESTED_OTHERWISE = ("toolchain/store/migrations/",)


Trees = Mapping[str, ast.Module]


@dataclass(frozen=True, order=True)
class Place:
    """One line of a source, and what stands there."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


@cache
def sources() -> dict[str, str]:
    """The product's modules: path from the root, and text."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in SOURCES
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


@cache
def trees() -> dict[str, ast.Module]:
    return {file: ast.parse(text) for file, text in sources().items()}


def room_of(file: str) -> str:
    """The room a module lies in: "models" for "toolchain/models/convnet.py", "" for what lies loose."""
    parts = file.split("/")
    return "targets" if parts[0] == "targets" else parts[1] if len(parts) > 2 else ""


def names_outside_their_rooms(modules: Trees | None = None) -> list[Place]:
    """Where a runtime's, task's, modality's or scheme's name decides something outside of its room.

    Counted are comparisons, `in`, cases of `match`, and keys of dictionaries.
    """
    return sorted(
        Place(file, node.lineno, f"{kind} {name!r} in {where}")
        for file, tree in (modules or trees()).items()
        for node, name, where, beside in _deciding(tree)
        for kind, (room, names) in ROOMS_OF_NAMES.items()
        if name in names and room_of(file) != room and _is_meant(kind, name, where, beside)
        if not (name == "embedding" and file in OPERATORS)
    )


def names_in_literals(modules: Trees | None = None) -> list[Place]:
    """Where such a name is one of a `Literal`'s outside of its room, so that no plug-in can add to them."""
    return sorted(
        Place(file, node.lineno, f"{kind} {each.value!r} in a Literal")
        for file, tree in (modules or trees()).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).rpartition(".")[2] == "Literal"
        for each in ast.walk(node.slice)
        for kind, (room, names) in ROOMS_OF_NAMES.items()
        if isinstance(each, ast.Constant) and each.value in names - ALSO_OTHER_THINGS and room_of(file) != room
        if file not in OPERATORS
    )


def _deciding(tree: ast.Module) -> Iterator[tuple[ast.expr, str, str, str]]:
    """(node, string, kind of place, source of what it is compared with) of each string that decides something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for place, operand in enumerate(operands):
                beside = " ".join(ast.unparse(each) for other, each in enumerate(operands) if other != place)
                elements = operand.elts if isinstance(operand, ast.Tuple | ast.List | ast.Set) else [operand]
                for each in elements:
                    if isinstance(each, ast.Constant) and isinstance(each.value, str):
                        yield each, each.value, "a comparison", beside
        elif isinstance(node, ast.Match):
            for value in (
                each.value for case in node.cases for each in ast.walk(case.pattern) if hasattr(each, "value")
            ):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value, value.value, "a case", ast.unparse(node.subject)
        elif isinstance(node, ast.Dict):
            for key in node.keys:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key, key.value, "a dictionary", ""


def _is_meant(kind: str, name: str, where: str, beside: str) -> bool:
    """Whether a word that is other things too stands for this kind."""
    if name not in ALSO_OTHER_THINGS:
        return True
    return where != "a dictionary" and (kind in beside or "kind" in beside)


def checks_of_type_outside_their_rooms(modules: Trees | None = None) -> list[Place]:
    """`isinstance`, and cases of `match`, on a class of `models` or `modality` outside of both.

    A protocol says what something can do, not what it is, so asking for one is not counted.
    """
    classes = _classes_of(("models", "modality")) - PARTS_OF_FAMILIES
    classes |= {name for name in _classes_of(None) if re.match(r"(Text|Image)[A-Z]", name)}
    found = []
    for file, tree in (modules or trees()).items():
        if room_of(file) in ("models", "modality"):
            continue
        for node in ast.walk(tree):
            asked: list[ast.expr] = []
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                asked = [node.args[1]]
            elif isinstance(node, ast.MatchClass):
                asked = [node.cls]
            for each in (inner for outer in asked for inner in ast.walk(outer)):
                name = each.id if isinstance(each, ast.Name) else each.attr if isinstance(each, ast.Attribute) else ""
                if name in classes:
                    found.append(Place(file, each.lineno, f"{name} is asked for"))
    return sorted(found)


def _classes_of(rooms: tuple[str, ...] | None) -> set[str]:
    """The names of the classes of these rooms, or of all, without protocols."""
    return {
        node.name
        for file, tree in trees().items()
        if rooms is None or room_of(file) in rooms
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and not any(ast.unparse(base).split("[")[0].rpartition(".")[2] == "Protocol" for base in node.bases)
    }


def large_files() -> list[Place]:
    """Files of more than 300 lines."""
    sizes = ((file, text.count("\n")) for file, text in sources().items())
    return sorted(Place(file, lines, "lines") for file, lines in sizes if lines > LARGE_FILE_LINES)


def lines_of_functions() -> list[int]:
    """The length of each function, decorators not counted, in rising order."""
    return sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def function_lines_p95() -> float:
    """What 95 % of the functions do not exceed, in lines."""
    return quantiles(lines_of_functions(), n=20)[-1]


def lines_with_any() -> int:
    """Lines that say `Any`, imports of it not counted."""
    return sum(
        bool(re.search(r"\bAny\b", line)) and not re.match(r"\s*from typing import", line)
        for text in sources().values()
        for line in text.splitlines()
    )


def loose_modules() -> list[str]:
    """Modules that lie in no room."""
    return sorted(file for file in sources() if re.fullmatch(r"toolchain/(?!__init__)\w+\.py", file))


def test_file_of(file: str) -> str:
    """Where the tests of a module lie: tests/models/test_convnet.py for toolchain/models/convnet.py."""
    parts = [part.lstrip("_") for part in file.removeprefix("toolchain/").split("/")]
    return "/".join(("tests", *parts[:-1], f"test_{parts[-1]}"))


def modules_with_code() -> list[str]:
    """Those that a test file is wanted for: what is more than a door of a package."""
    return [file for file in sources() if not file.endswith("__init__.py") and not file.startswith(TESTED_OTHERWISE)]


def modules_without_tests() -> list[str]:
    """Modules without a test file of the same name in the same place."""
    return [file for file in modules_with_code() if not (ROOT / test_file_of(file)).is_file()]


def mirrored_percent() -> float:
    """The share of modules with a test file of their name."""
    return 100 * (1 - len(modules_without_tests()) / len(modules_with_code()))


def test_file_lines() -> dict[str, int]:
    """The length of each file of tests, the longest first."""
    sizes = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in (ROOT / "tests").rglob("*.py")
    }
    return dict(sorted(sizes.items(), key=lambda each: -each[1]))
