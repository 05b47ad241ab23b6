"""Where a teacher comes from."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgewright.errors import EnvironmentFaultError
from edgewright.specs.recipe import ModelSource, load_recipe
from tests.specs.recipe.faults import MINIMAL, faults


def test_the_demo_has_a_budget_and_finds_its_teacher_without_importing_it() -> None:
    demo = load_recipe("demo")
    assert demo.budget.artifact_mb is not None
    assert demo.budget.peak_memory_mb == 32
    folder = demo.model.package_folder()
    assert folder is not None
    assert (folder / "config.json").is_file()


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("", "found none"),
        ('folder = "a"\nrevision = "main"', "revision belongs to hub"),
        ('hub = "a/b/c"', "must have the form 'organisation/name'"),
        ('factory = "module"', "must have the form 'module:function'"),
        ('package = "module"', "must have the form 'package:subfolder'"),
    ],
)
def test_a_model_must_have_one_source_in_its_form(toml_file: Callable[[str], Path], model: str, sentence: str) -> None:
    (what,) = faults(toml_file, MINIMAL.replace('folder = "teacher"', model)).values()
    assert sentence in what


def test_a_missing_package_says_what_to_install() -> None:
    assert find_spec("no_such_package_here") is None
    with pytest.raises(EnvironmentFaultError, match="pip install no-such-package-here"):
        ModelSource(package="no_such_package_here:model").package_folder()


@pytest.mark.parametrize("package", ["os:../../x", "os:/etc", "os:a/../../b", "os:..", "os:a//b", "os:a/."])
def test_a_folder_outside_of_a_package_is_refused(toml_file: Callable[[str], Path], package: str) -> None:
    text = MINIMAL.replace('folder = "teacher"', f'package = "{package}"')
    (what,) = faults(toml_file, text).values()
    assert what.startswith("must have the form 'package:subfolder', a folder inside the package, not ")
