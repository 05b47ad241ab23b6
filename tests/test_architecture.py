"""The layers of the house: who may import whom, and what importing the front doors may cost."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import resolve_name
from pathlib import Path

import pytest

import edgewright
from tests.benchmarks import counted

ROOT = Path(__file__).parent.parent

FOLDERS = {"edgewright": "toolchain", "edgewright.targets": "targets"}  # where the parts of the package lie
# Lowest first. A module may import its own layer and those before it.
LAYERS = (
    ("errors", "base"),
    ("specs", "profiles"),
    ("targets",),
    ("modality", "models", "tasks", "data", "compress", "quantize"),
    ("runtimes", "measure", "cost", "bundles"),
    ("devices",),
    ("stages",),
    ("pipeline", "assembly", "forecast", "report", "store"),
    ("cli", "pytest_plugin"),
)
# Rooms of one layer that keep to themselves, and whom of their own layer they may know all the same: a task and a
# compression work on a model of a family, so they may know what a model is.
KEEP_TO_THEMSELVES: dict[str, tuple[str, ...]] = {
    "modality": ("models", "tasks", "data", "compress"), "models": ("modality",),
    "tasks": ("models", "modality"), "data": ("modality",),
    "compress": ("models", "modality"), "quantize": (),
}  # fmt: skip
TARGETS_MAY_IMPORT = ("errors", "base", "specs.profiles", "targets")
PUBLIC_NAMES = {"edgewright", *(f"edgewright.{name}" for name in edgewright.__all__)}
# Imports that still point up. Nothing is added here; whoever untangles one takes it out.
STILL_UPWARDS: frozenset[tuple[str, str]] = frozenset({})
# Imports that close a circle and may, each with its reason. Nothing is added here without one.
MAY_CLOSE_A_CIRCLE: dict[tuple[str, str], str] = {
    ("edgewright.bundles.bundle", "edgewright.bundles.answering"): "`Bundle.answer` is the door to what answers, and "
    "imports it when it is first asked",
}
WRAPPED = {
    "torch", "torch_pruning", "transformers", "accelerate", "executorch", "litert_torch", "ai_edge_litert", "onnx",
    "onnxruntime", "onnxscript", "paramiko",
}  # fmt: skip


def modules() -> Iterator[tuple[str, Path]]:
    for package, folder in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            if name != "edgewright":  # the public names, looked up on first use; tested below
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
            if within(each, "edgewright"):
                yield each, node.lineno


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def layer_of(module: str) -> tuple[int, str] | None:
    """(index of the layer, name of the room) a module lies in."""
    for index, rooms in enumerate(LAYERS):
        for room in rooms:
            if within(module, f"edgewright.{room}"):
                return index, room
    return None


def fault_of(module: str, imported: str) -> str | None:
    """Why one module may not import another, or None if it may."""
    here, there = layer_of(module), layer_of(imported)
    if within(imported, "edgewright.device_scripts"):
        return "device_scripts are pushed, never imported"
    if here is None:
        return f"{module} lies in no layer; put it into LAYERS"
    if there is None:
        return None if imported in PUBLIC_NAMES else "lies in no layer"
    if there[0] > here[0]:
        return "is an import upwards"
    friends = KEEP_TO_THEMSELVES.get(here[1])
    if here[0] == there[0] and friends is not None and there[1] not in (here[1], *friends):
        return "is another room of the same layer; they meet above"
    if here[1] == "targets" and not any(within(imported, f"edgewright.{room}") for room in TARGETS_MAY_IMPORT):
        return "is more than a target may know"
    return None


def is_still_upwards(module: str, imported: str) -> bool:
    return any(module == here and within(imported, there) for here, there in STILL_UPWARDS)


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_imports_point_down_only(name: str, path: Path) -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {imported} {fault}"
        for imported, line in imports(name, path)
        if (fault := fault_of(name, imported)) and not is_still_upwards(name, imported)
    ]
    assert faults == []


def test_what_no_longer_points_up_is_no_longer_excused() -> None:
    paths = dict(modules())
    excused = {
        pair
        for pair in STILL_UPWARDS
        if pair[0] in paths
        for imported, _ in imports(pair[0], paths[pair[0]])
        if within(imported, pair[1]) and fault_of(pair[0], imported)
    }
    assert excused == STILL_UPWARDS


def imports_when_run(name: str, path: Path, names: Iterable[str]) -> set[str]:
    """The modules of ours that a module imports, in functions too, but for those that only a type checker reads."""
    for_types = {
        inner.lineno
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in node.body
    }
    found = set()
    for imported, line in imports(name, path):
        if line not in for_types:
            candidates = (imported, imported.rpartition(".")[0])
            found.update(next(([each] for each in candidates if each in names), []))
    return found - {name}


def circle_in(graph: Mapping[str, set[str]]) -> list[str]:
    """One way from a module back to itself, or nothing where there is none."""
    done: set[str] = set()

    def walk(here: str, way: list[str]) -> list[str]:
        if here in way:
            return [*way[way.index(here) :], here]
        if here in done:
            return []
        for there in sorted(graph[here]):
            if circle := walk(there, [*way, here]):
                return circle
        done.add(here)
        return []

    return next((circle for start in sorted(graph) if (circle := walk(start, []))), [])


def test_no_modules_import_each_other_in_a_circle() -> None:
    paths = dict(modules())
    graph = {name: imports_when_run(name, path, paths) for name, path in paths.items()}
    for here, there in MAY_CLOSE_A_CIRCLE:
        assert there in graph[here], f"{here} no longer imports {there}; take it out of MAY_CLOSE_A_CIRCLE"
        graph[here].discard(there)
    assert circle_in(graph) == []


def test_a_circle_is_found_wherever_it_begins() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


@pytest.mark.parametrize(
    ("module", "imported", "fault"),
    [
        ("edgewright.errors", "edgewright.specs.recipe.Recipe", "is an import upwards"),
        ("edgewright.targets.transports.ssh", "edgewright.pipeline.build", "is an import upwards"),
        ("edgewright.targets.transports.ssh", "edgewright.specs.recipe.Recipe", "is more than a target may know"),
        (
            "edgewright.quantize.ranges",
            "edgewright.models.encoder.Encoder",
            "is another room of the same layer; they meet above",
        ),
        ("edgewright.pipeline", "edgewright.cli.output", "is an import upwards"),
        (
            "edgewright.runtimes.executorch.native",
            "edgewright.device_scripts.python_runner",
            "device_scripts are pushed, never imported",
        ),
        ("edgewright.compress.prune", "edgewright.models.encoder.Encoder", None),
        ("edgewright.cli.verbs.build", "edgewright.pipeline.build", None),
    ],
)
def test_the_layers_refuse_what_they_should(module: str, imported: str, fault: str | None) -> None:
    assert fault_of(module, imported) == fault


def test_device_scripts_import_nothing_of_ours() -> None:
    for path in (ROOT / "device_scripts").rglob("*.py"):
        assert list(imports(f"device_scripts.{path.stem}", path)) == []


def test_the_public_names_are_the_documented_ones() -> None:
    assert sorted(edgewright.__all__) == [
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
    """Importing `edgewright.bench` would put the module where the function of that name is expected."""
    taken = {path.stem for path in (ROOT / "toolchain").iterdir()}
    assert taken & set(edgewright.__all__) == set()


def test_a_name_that_is_not_public_is_told_apart() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Recipee'"):
        _ = edgewright.Recipee  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "module", ["edgewright", "edgewright.targets", "edgewright.specs.recipe", "edgewright.cli.main"]
)
def test_the_front_doors_load_nothing_heavy(module: str) -> None:
    program = f"import sys, {module}; print(*sorted({WRAPPED!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from edgewright.cli.main import main; status = main(['--help']); "
        f"sys.exit(status or ' '.join({WRAPPED!r} & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "build" in ended.stdout


# Who may call Python's own readers: `untrusted`, and those who read back what Edgewright itself wrote where nobody else
# writes (its cache, its state, the wheel it came in), or what a library gave as text a moment ago.
OWN_READERS = {
    "edgewright.base.untrusted": "the one reader",
    "edgewright.base.cache": "stage.json, in the cache",
    "edgewright.modality.image": "how a teacher's images are scaled, in the cache",
    "edgewright.modality.text": "the pieces that stay, in the cache",
    "edgewright.modality.text_dataset": "the texts that were recorded on, in the cache",
    "edgewright.models.model": "a student as `save` wrote it, in the cache; any error there is a `BadModelError`",
    "edgewright.models.convnet_files": "the same",
    "edgewright.models.checkpoints": "metadata of a checkpoint, in the cache",
    "edgewright.data.images": "examples as `save` wrote them, in the cache",
    "edgewright.runtimes.executorch.native": "what the wheel's own runners were made from",
    "edgewright.targets.board.standing": "emulated boards that this user keeps up, in the state directory",
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


# What is still too much, and falls until it is what `tests.benchmarks.house` wants. Who lowers one lowers it here.
LIMITS: dict[str, tuple[Callable[[], Sequence[object]], int]] = {
    "names that decide outside their rooms": (counted.names_outside_their_rooms, 0),
    "such names in a Literal": (counted.names_in_literals, 0),
    "isinstance on families or modalities outside their rooms": (counted.checks_of_type_outside_their_rooms, 0),
    "files over 300 lines": (counted.large_files, 1),
    "loose modules": (counted.loose_modules, 3),
    "modules without a test file of their name": (counted.modules_without_tests, 2),
}


@pytest.mark.parametrize("figure", LIMITS)
def test_what_is_to_become_less_becomes_no_more(figure: str) -> None:
    found, limit = LIMITS[figure]
    assert len(found()) <= limit, "\n".join(map(str, found()))


def test_functions_lines_of_any_and_test_files_keep_within_their_limits() -> None:
    assert counted.function_lines_p95() <= 30
    assert counted.lines_with_any() <= 50
    assert [each for each in counted.test_file_lines().items() if each[1] > 600] == []


@pytest.mark.parametrize(
    ("line", "outside"),
    [
        ('if runtime == "litert": pass', True),
        ('if recipe.task.kind in ("regression", "other"): pass', True),
        ('if modality == "image": pass', True),
        ('SUFFIXES = {"onnx": ".onnx"}', True),
        ("match kind:\n    case 'classification': pass", True),
        ('if recipe.quantize.scheme != "static-int8": pass', True),
        ('if column == "text": pass', False),
        ('if dtype == "float16": pass', False),
        ('ROW = {"text": 1, "image": 2}', False),
        ('print("litert")', False),
    ],
)
def test_a_name_that_decides_is_counted_outside_of_its_room_alone(line: str, outside: bool) -> None:
    tree = ast.parse(line)
    assert bool(counted.names_outside_their_rooms({"toolchain/report/page.py": tree})) is outside
    for room in ("runtimes", "tasks", "modality", "quantize"):
        found = counted.names_outside_their_rooms({f"toolchain/{room}/x.py": tree})
        assert len(found) < 2
    assert not outside or not all(
        counted.names_outside_their_rooms({f"toolchain/{room}/x.py": tree})
        for room in ("runtimes", "tasks", "modality", "quantize")
    )


@pytest.mark.parametrize(
    ("line", "outside"),
    [
        ("isinstance(model, Encoder)", True),
        ("isinstance(model, Encoder | int)", True),
        ("isinstance(model, (int, encoder.Encoder))", True),
        ("match model:\n    case Encoder(): pass", True),
        ("isinstance(model, TextIOWrapper)", False),
        ("isinstance(model, Path)", False),
    ],
)
def test_a_family_asked_for_by_its_class_is_counted_outside_of_the_models(line: str, outside: bool) -> None:
    tree = ast.parse(line)
    assert bool(counted.checks_of_type_outside_their_rooms({"toolchain/stages/x.py": tree})) is outside
    assert counted.checks_of_type_outside_their_rooms({"toolchain/models/x.py": tree}) == []


# Rooms whose modules are siblings, so that each has the name of what it is of: a verb, a section of a recipe, a family,
# a modality, a stage, a step of each runtime.
OF_SIBLINGS = (
    "cli.verbs", "specs.recipe", "models.families", "modality", "stages", "runtimes.executorch", "runtimes.litert",
    "runtimes.onnx", "runtimes.tflite",
)  # fmt: skip
# One of each runtime, and the table of each kind of descriptor.
ONE_EACH = {"Session", "table"}
# Names that still are two things'. Nothing is added here; whoever renames one takes it out.
STILL_TWICE = {"Account", "Inputs", "Runtime"}


def of_siblings(name: str) -> bool:
    return any(within(name, f"edgewright.{room}") for room in OF_SIBLINGS)


def defined(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The public classes of a module, and its constants and aliases."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    targets = [each for node in tree.body if isinstance(node, ast.Assign) for each in node.targets]
    targets += [node.target for node in tree.body if isinstance(node, ast.AnnAssign)]
    constants = {each.id for each in targets if isinstance(each, ast.Name)}
    return {each for each in classes if not each.startswith("_")}, {e for e in constants if not e.startswith("_")}


def names_of_several_things() -> dict[str, list[str]]:
    """Each name of a module, of a public class, or of a constant that others import, which more than one has."""
    trees = {name: ast.parse(path.read_bytes()) for name, path in modules()}
    imported = {
        (node.module, alias.name)
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    owners: dict[str, list[str]] = {}
    for name, tree in trees.items():
        classes, constants = defined(tree)
        if not of_siblings(name) and "." in name.removeprefix("edgewright."):
            owners.setdefault(name.rpartition(".")[2], []).append(name)
        for each in sorted(classes):
            owners.setdefault(each, []).append(f"{name}.{each}")
        for each in sorted(constants):
            if (name, each) in imported and not of_siblings(name):
                owners.setdefault(each, []).append(f"{name}.{each}")
    return {name: places for name, places in owners.items() if len(places) > 1 and name not in ONE_EACH}


def test_a_name_is_one_things_across_the_product() -> None:
    several = names_of_several_things()
    assert {name: places for name, places in several.items() if name not in STILL_TWICE} == {}
