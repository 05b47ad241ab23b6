"""A build of the tiny classifier that is done, for one runtime: what the tests of this room put together."""

from functools import cache
from pathlib import Path

from edgewright import stages
from edgewright.pipeline import run_stages
from edgewright.stages.host_timing import TIME
from edgewright.stages.stage import Build
from tests.stages.builds import plan, recipe


@cache
def timed_build(data: Path, *, float_reference: bool = False) -> Build:
    """Its artifacts were checked and timed; made once, under the places of whoever asks first."""
    export = {"lengths": [16], "runtimes": ["litert"], "float_reference": float_reference}
    made_from = recipe("classification", data, export=export, distill={"epochs": 1}, finetune={"epochs": 2})
    return stages.run_stages(run_stages(plan(made_from)), (TIME,))
