"""Which stages follow on a student."""

from pathlib import Path

import pytest

from edgewright.stages.artifact_stages import artifact_stages
from tests.stages.builds import build_of, plan, recipe

pytestmark = pytest.mark.usefixtures("places_of_stages")


def test_a_runtime_with_static_kernels_alone_has_a_sensitivity_of_its_own(paired: Path) -> None:
    build = build_of(plan(recipe("embedding", paired, export={"runtimes": ["litert", "tflite"]})))
    names = [stage.name for stage in artifact_stages(build)]
    assert names[:4] == ["account", "sensitivity", "second sensitivity", "index"]
    assert names[4:] == [
        f"{what} {runtime}" for runtime in ("litert", "tflite") for what in ("float", "int8", "teacher", "check")
    ]
