"""The layers of the house: who may import whom, and what importing the front doors may cost."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path

import pytest

import toolchain

ROOT = Path(__file__).parent.parent

# Lowest first. A module may import its own layer and those before it; `STAGES` also keep to their own room.
STAGES = (
    "toolchain.models",
    "toolchain.tasks",
    "toolchain.data",
    "toolchain.compress",
    "toolchain.quantize",
    "toolchain.export",
    "toolchain.hardware",
    "toolchain.measure",
)
LAYERS = (
    (
        "toolchain.errors",
        "toolchain.redacted",
        "toolchain.places",
        "toolchain.progress",
        "toolchain.quiet",
        "toolchain.once",
        "toolchain.extras",
        "toolchain.cores",
        "toolchain.plain",
        "toolchain.untrusted",
        "toolchain.plausible",
        "toolchain.set_aside",
    ),
    ("toolchain.reading",),
    ("toolchain.profiles", "toolchain.recipe", "toolchain.budget", "profiles"),
    ("targets",),
    ("toolchain.cache", "toolchain.cached", "toolchain.inventory"),
    STAGES,
    (
        "toolchain.stages",
        "toolchain.pipeline",
        "toolchain.bundle",
        "toolchain.bundle_files",
        "toolchain.benchmark",
        "toolchain.fleet",
        "toolchain.probe",
        "toolchain.answer",
        "toolchain.deploy",
        "toolchain.calibration",
        "toolchain.prediction",
        "toolchain.advice",
        "toolchain.reachable",
        "toolchain.timed_models",
        "toolchain.host_latency",
        "toolchain.report",
        "toolchain.store",
        "toolchain.migrations",
    ),
    ("toolchain.cli", "toolchain.pytest_plugin"),
)
# A task and a compression work on a model of a family: they may know what a model is, not how another stage works.
ALSO_ALLOWED = {
    "toolchain.tasks": ("toolchain.models",),
    "toolchain.compress": ("toolchain.models",),
}
PUBLIC_NAMES = {"toolchain", *(f"toolchain.{name}" for name in toolchain.__all__)}
TARGETS_MAY_IMPORT = (
    "toolchain.errors", "toolchain.once", "toolchain.places", "toolchain.plain", "toolchain.untrusted",
    "toolchain.profiles", "toolchain.redacted", "toolchain.plausible", "targets",
)  # fmt: skip
WRAPPED = {
    "torch", "torch_pruning", "transformers", "accelerate", "executorch", "litert_torch", "ai_edge_litert", "onnx",
    "onnxruntime", "onnxscript", "paramiko",
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("toolchain", "targets"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            if name != "toolchain":  # the public names, looked up on first use; tested below
                yield name, path


def imports(name: str, path: Path) -> Iterator[tuple[str, int]]:
    """(imported module, line) of each import of our own, those inside functions too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_bytes())):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            found = [f"{base}.{alias.name}" for alias in node.names]
        for each in found:
            if each.split(".")[0] in ("toolchain", "targets", "profiles", "device_scripts"):
                yield each, node.lineno


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def layer_of(module: str) -> tuple[int, str] | None:
    """(index of the layer, name of the room) a module lies in."""
    for index, rooms in enumerate(LAYERS):
        for room in rooms:
            if within(module, room):
                return index, room
    return None


def fault_of(module: str, imported: str) -> str | None:
    """Why one module may not import another, or None if it may."""
    here, there = layer_of(module), layer_of(imported)
    if within(imported, "device_scripts"):
        return "device_scripts are pushed, never imported"
    if here is None:
        return f"{module} lies in no layer; put it into LAYERS"
    if there is None:
        return None if imported in PUBLIC_NAMES else "lies in no layer"
    if there[0] > here[0]:
        return "is an import upwards"
    if here[1] in STAGES and there[1] in STAGES and there[1] not in (here[1], *ALSO_ALLOWED.get(here[1], ())):
        return "is another stage; they meet in the pipeline"
    if within(module, "targets") and not any(within(imported, room) for room in TARGETS_MAY_IMPORT):
        return "is more than a target may know"
    return None


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_imports_point_down_only(name: str, path: Path) -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {imported} {fault}"
        for imported, line in imports(name, path)
        if (fault := fault_of(name, imported))
    ]
    assert faults == []


@pytest.mark.parametrize(
    ("module", "imported", "fault"),
    [
        ("toolchain.errors", "toolchain.recipe.Recipe", "is an import upwards"),
        ("targets.ssh", "toolchain.pipeline.build", "is an import upwards"),
        ("targets.ssh", "toolchain.recipe.Recipe", "is more than a target may know"),
        ("toolchain.export.litert", "toolchain.models.encoder.Encoder", "is another stage; they meet in the pipeline"),
        ("toolchain.pipeline", "toolchain.cli.output", "is an import upwards"),
        ("toolchain.measure.native", "device_scripts.python_runner", "device_scripts are pushed, never imported"),
        ("toolchain.compress.prune", "toolchain.models.encoder.Encoder", None),
        ("toolchain.cli.build", "toolchain.pipeline.build", None),
    ],
)
def test_the_layers_refuse_what_they_should(module: str, imported: str, fault: str | None) -> None:
    assert fault_of(module, imported) == fault


def test_device_scripts_import_nothing_of_ours() -> None:
    for path in (ROOT / "device_scripts").rglob("*.py"):
        assert list(imports(f"device_scripts.{path.stem}", path)) == []


def test_the_public_names_are_the_documented_ones() -> None:
    assert sorted(toolchain.__all__) == [
        "Budget",
        "Bundle",
        "InputError",
        "Measurement",
        "ModelError",
        "Profile",
        "Recipe",
        "TargetError",
        "ToolchainError",
        "Verdict",
        "__version__",
        "bench",
        "build",
        "load_profile",
        "load_recipe",
    ]


def test_no_public_name_is_also_a_module() -> None:
    """Importing `toolchain.bench` would put the module where the function of that name is expected."""
    taken = {path.stem for path in (ROOT / "toolchain").iterdir()}
    assert taken & set(toolchain.__all__) == set()


def test_a_name_that_is_not_public_is_told_apart() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Recipee'"):
        _ = toolchain.Recipee  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", ["toolchain", "targets", "toolchain.recipe", "toolchain.cli.main"])
def test_the_front_doors_load_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({WRAPPED!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from toolchain.cli.main import main; status = main(['--help']); "
        f"sys.exit(status or ' '.join({WRAPPED!r} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "build" in ended.stdout


# Who may call Python's own readers: `untrusted`, and those who read back what Edgewright itself wrote where nobody else
# writes (its cache, its state, the wheel it came in), or what a library gave as text a moment ago.
OWN_READERS = {
    "toolchain.untrusted": "the one reader",
    "toolchain.cache": "stage.json, in the cache",
    "toolchain.stages.plan": "findings.json, in the cache",
    "toolchain.stages.student": "what earlier stages wrote, in the cache",
    "toolchain.models.model": "a student as `save` wrote it, in the cache; any error there is a `BadModelError`",
    "toolchain.models.convnet": "the same, and a configuration that transformers gives as text",
    "toolchain.models.checkpoints": "metadata of a checkpoint, in the cache",
    "toolchain.models.teacher": "a tokenizer that the library gives as text",
    "toolchain.data.texts": "examples as `save` wrote them, in the cache",
    "toolchain.data.images": "the same",
    "toolchain.measure.native": "what the wheel's own runners were made from",
    "targets.board_state": "emulated boards that this user keeps up, in the state directory",
}
READERS = {("json", "load"), ("json", "loads"), ("tomllib", "load"), ("tomllib", "loads")}
NEVER = {"pickle", "marshal", "shelve", "yaml", "dill", "cloudpickle", "joblib"}


def test_text_from_outside_is_read_by_one_reader_and_nothing_is_unpickled() -> None:
    own, faults = set(), []
    for name, path in modules():
        for node in ast.walk(ast.parse(path.read_bytes())):
            place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = (getattr(node.func.value, "id", ""), node.func.attr)
                if called in READERS:
                    own.add(name)
                    faults += [place] if name not in OWN_READERS else []
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("eval", "exec"):
                faults.append(place)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                found = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
                faults += [place for each in found if each.split(".")[0] in NEVER]
                if isinstance(node, ast.ImportFrom) and node.module in ("json", "tomllib"):
                    faults += [place for each in node.names if each.name in ("load", "loads")]
    assert faults == []
    assert own == set(OWN_READERS)  # who no longer reads needs no leave
