"""The light install: every module outside of the build part, and every verb, without torch and the exporters."""

import json
from pathlib import Path

import pytest

from tests import light
from tests.test_architecture import modules, within

# Rooms and modules that make artifacts, for which `edgewright[build]` is installed. All others do without.
BUILD_PART = (
    "edgewright.assembly",
    "edgewright.compress",
    "edgewright.models",
    "edgewright.quantize",
    "edgewright.tasks",
    "edgewright.stages",
    "edgewright.runtimes",
    "edgewright.pipeline",
    "edgewright.cost.decoding_structures",
    "edgewright.cost.exported",
    "edgewright.cost.trace",
    "edgewright.cost.traced_operators",
    "edgewright.devices.calibration",
    "edgewright.devices.probe_results",
    "edgewright.devices.timed_models",
    "edgewright.forecast.reachable",
    "edgewright.measure.outputs",
)
# What is read of these rooms by those who measure, ask or predict: descriptors, and what devices need.
LIGHT_ALL_THE_SAME = {
    f"edgewright.{name}"
    for name in (
        "models.source models.capabilities models.families models.families.convnet models.families.encoder "
        "models.families.vision models.families.llama models.families.gpt2 models.decoder_layouts "
        "tasks.table tasks.task tasks.classification tasks.embedding tasks.image_classification "
        "tasks.regression tasks.token_classification tasks.search_index tasks.language_modelling "
        "tasks.text_generation runtimes.descriptor runtimes.device "
        "runtimes.table runtimes.wheels runtimes.python_device runtimes.executorch runtimes.executorch.device "
        "runtimes.executorch.native runtimes.litert runtimes.litert.device runtimes.onnx runtimes.onnx.device "
        "runtimes.tflite runtimes.tflite.device"
    ).split()
}
NOT_IMPORTED = ("edgewright.store.migrations.env", "edgewright.pytest_plugin")  # by Alembic and by pytest alone
HEAVY = {
    "torch", "torchao", "transformers", "executorch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer",
    "accelerate", "torch-pruning", "scikit-learn", "scipy", "onnx", "onnxruntime", "onnxscript", "pandas", "jax",
    "matplotlib", "sympy", "flatbuffers", "pyarrow",
}  # fmt: skip
INSTALLED_MB = 175  # of which NumPy is 57, tokenizers with what it asks for 32, Pillow 20, SQLAlchemy 18


def is_light(name: str) -> bool:
    if name in NOT_IMPORTED:
        return False
    return name in LIGHT_ALL_THE_SAME or not any(within(name, part) for part in BUILD_PART)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> light.LightInstall:
    return light.install(tmp_path_factory.mktemp("light"))


def test_the_light_install_brings_no_heavy_package_and_is_small() -> None:
    names = light.closure(light.PROJECT["project"]["dependencies"])
    assert names & HEAVY == set()
    assert light.size_bytes(names) < INSTALLED_MB * 1e6


def test_every_module_of_the_light_part_is_imported_without_the_build_packages(
    installed: light.LightInstall, tmp_path: Path
) -> None:
    names = [name for name, _ in modules() if is_light(name)]
    assert len(names) > 100
    program = (
        "import importlib, json, sys\n"
        "faults = {}\n"
        "for name in json.load(open(sys.argv[1])):\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError as error: faults[name] = str(error)\n"
        "print(json.dumps(faults))"
    )
    (tmp_path / "names.json").write_text(json.dumps(names), encoding="utf-8")
    ended = installed.run("-c", program, "names.json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {}


@pytest.mark.parametrize(
    ("argv", "purpose"),
    [
        (("build", "quick", "--profile", "raspberry-pi-5", "-o", "out"), "build a bundle"),
        (("calibrate", "--target", "local:"), "calibrate a device"),
        (("predict", "quick", "--profile", "raspberry-pi-5"), "predict what a recipe's student takes"),
    ],
)
def test_a_verb_that_makes_artifacts_says_which_extra_to_install(
    installed: light.LightInstall, tmp_path: Path, argv: tuple[str, ...], purpose: str
) -> None:
    ended = installed.edgewright(*argv, cwd=tmp_path)
    assert ended.returncode == 2
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("error: the package torch is needed to ")
    assert purpose in line
    assert line.endswith("pip install 'edgewright[build]'")


def test_what_is_excused_is_there() -> None:
    names = [name for name, _ in modules()]
    assert [part for part in BUILD_PART if not any(within(name, part) for name in names)] == []
    assert LIGHT_ALL_THE_SAME | set(NOT_IMPORTED) <= set(names)


def test_so_does_the_public_name(installed: light.LightInstall, tmp_path: Path) -> None:
    ended = installed.run("-c", "from edgewright import build", cwd=tmp_path)
    assert ended.returncode == 1
    assert "is needed to use edgewright.build and was not found; pip install 'edgewright[build]'" in ended.stderr


def test_it_is_installed_beside_packages_of_a_users_own_that_are_called_as_its_folders_are(tmp_path: Path) -> None:
    installed = light.install(tmp_path / "environment", also=light.TESTING)
    work = tmp_path / "work"
    for name in ("targets", "profiles", "toolchain", "device_scripts"):
        (work / name).mkdir(parents=True)
        (work / name / "__init__.py").write_text(f"OWNER = 'user of {name}'\n", encoding="utf-8")
    shown = installed.edgewright("--help", cwd=work)
    assert (shown.returncode, shown.stderr) == (0, "")
    listed = installed.edgewright("profiles", "list", "--json", cwd=work)
    assert listed.returncode == 0, listed.stderr
    assert "raspberry-pi-4" in listed.stdout
    program = (
        "from edgewright import Bundle, bench, load_profile; import targets, profiles, toolchain, device_scripts;"
        "print(Bundle.__name__, load_profile('raspberry-pi-4').name, targets.OWNER, device_scripts.OWNER)"
    )
    said = installed.run("-c", program, cwd=work)
    assert said.stdout.strip() == "Bundle raspberry-pi-4 user of targets user of device_scripts", said.stderr
    (work / "test_of_a_user.py").write_text(
        "import sys\nfrom targets import OWNER\n"
        "def test_the_machine(edge_target):\n"
        "    assert OWNER == 'user of targets'\n"
        "    assert edge_target.run(['echo', 'hello'], timeout_s=30).stdout == 'hello\\n'\n"
        "    assert 'torch' not in sys.modules\n",
        encoding="utf-8",
    )
    tested = installed.run("-m", "pytest", "-q", "--edge-target", "local:", "--strict-markers", cwd=work)
    assert "1 passed" in tested.stdout, tested.stdout + tested.stderr
