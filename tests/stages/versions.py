"""The code that each stage rests on, as a digest beside its version; recorded by `python -m tests.stages.versions`.

A stage's result is kept under its version, not under our source's bytes. So whoever changes code that a stage rests on
says whether its results change: if they do, the version is raised; either way the digest is recorded anew.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

from edgewright.stages.stage import Findings, Stage

RECORD = Path(__file__).with_name("versions.json")
# Where what stages make is computed; what reads recipes, shows progress or keeps results changes none of them.
ROOMS = ("stages", "modality", "models", "tasks", "data", "compress", "quantize", "runtimes")
RUNTIME = "executorch"  # whose stages stand for those of every runtime
COMMAND = "python -m tests.stages.versions"


def stages() -> dict[str, Stage[Findings]]:
    """Every stage there is, by name."""
    from edgewright.modality.table import MODALITIES
    from edgewright.quantize.schemes import DYNAMIC
    from edgewright.stages import (
        account,
        check,
        chosen_sizes,
        export_float,
        export_int8,
        factorise,
        prune,
        rank,
        read,
        search_index,
        sensitivity,
        smooth,
        teacher,
        train,
        vocabulary,
    )
    from edgewright.stages import record_teacher_outputs as record

    found: list[Stage[Findings]] = [
        *(read.read_stage(MODALITIES[name]) for name in ("text", "image", "causal-text")),
        teacher.TEACHER,
        chosen_sizes.SIZES,
        vocabulary.VOCABULARY,
        rank.IMPORTANCE,
        prune.prune_stage(0),
        *(record.record_stage(phase) for phase in range(len(record.RECORDINGS))),
        factorise.LOW_RANK,
        *(train.train_stage(phase) for phase in range(len(train.TRAININGS))),
        train.aware_stage(),
        smooth.SMOOTH,
        account.ACCOUNT,
        sensitivity.sensitivity_stage(static=False),
        search_index.INDEX_CORPUS,
        export_float.export_float(RUNTIME),
        export_int8.export_int8(RUNTIME, DYNAMIC, sensitivity.FIRST),
        export_float.export_teacher(RUNTIME),
        check.check_stage(RUNTIME),
    ]
    return {stage.name: stage for stage in found}


def recorded() -> dict[str, dict[str, object]]:
    """The versions and digests as they were recorded."""
    found: dict[str, dict[str, object]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return found


def current() -> dict[str, dict[str, object]]:
    """The versions and digests as they are."""
    return {name: {"version": stage.version, "digest": digest_of(stage)} for name, stage in stages().items()}


def digest_of(stage: Stage[Findings]) -> str:
    """Of the module of a stage's function, and of all of ours that it imports, one through another."""
    module = inspect.getmodule(stage.make)
    assert module is not None
    seen: set[str] = set()
    waiting = [module.__name__]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += imports_of(name)
    return hashlib.sha256("\n".join(sorted(f"{name} {code_of(name)}" for name in seen)).encode()).hexdigest()[:16]


@cache
def imports_of(name: str) -> tuple[str, ...]:
    """The modules of these rooms that a module imports, inside functions too."""
    package = name.rpartition(".")[0]
    found = []
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(dict.fromkeys(each for each in found if _is_module_of_ours(each)))


@cache
def code_of(name: str) -> str:
    """A digest of a module's code, without comments, docstrings and imports of types alone."""
    tree = tree_of(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def tree_of(name: str) -> ast.Module:
    """A module's source, read."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_bytes())


@cache
def _is_module_of_ours(name: str) -> bool:
    parts = name.split(".")
    if parts[0] != "edgewright" or len(parts) < 2 or parts[1] not in ROOMS:
        return False
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # the name of something in a module
        return False
    return spec is not None and spec.origin is not None


def unlike() -> Iterator[str]:
    """The stages whose code is not as it was recorded, under the version that was recorded."""
    before = recorded()
    for name, now in current().items():
        if before.get(name) != now:
            yield name


if __name__ == "__main__":
    RECORD.write_text(json.dumps(current(), indent=2) + "\n", encoding="utf-8")
