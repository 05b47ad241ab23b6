"""For which runtimes a build makes artifacts."""

from pathlib import Path

import pytest

from edgewright.errors import InputError
from edgewright.stages.exported import runtimes_of
from tests.stages.builds import plan, recipe


def test_artifacts_are_for_the_recipes_runtimes_that_the_device_has(paired: Path) -> None:
    assert runtimes_of(plan(recipe("embedding", paired, export={"runtimes": ["litert"]}))) == ("litert",)


def test_float16_is_refused_for_a_device_that_does_not_compute_in_it(paired: Path) -> None:
    given = plan(recipe("embedding", paired, quantize={"scheme": "float16"}, export={"runtimes": ["executorch"]}))
    with pytest.raises(InputError, match="raspberry-pi-4 has no arithmetic for float16"):
        runtimes_of(given)
