"""Edgewright's public names, and nothing else.

In:  a `Recipe` and a `Profile`, or the path of a `Bundle`.
Out: `build` makes a bundle, `bench` measures one on a target (see `targets.open_target`); faults are `ToolchainError`s.
Names are looked up on first use, so that importing this package, or `targets`, loads neither torch nor pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgewright.bundles.bundle import Bundle as Bundle
    from edgewright.devices.benchmark import bench as bench
    from edgewright.errors import InputError as InputError
    from edgewright.errors import ModelError as ModelError
    from edgewright.errors import TargetError as TargetError
    from edgewright.errors import ToolchainError as ToolchainError
    from edgewright.measure.measurement import Measurement as Measurement
    from edgewright.pipeline import build as build
    from edgewright.specs.budget import Budget as Budget
    from edgewright.specs.budget import Verdict as Verdict
    from edgewright.specs.profiles import Profile as Profile
    from edgewright.specs.profiles import load_profile as load_profile
    from edgewright.specs.recipe import Recipe as Recipe
    from edgewright.specs.recipe import load_recipe as load_recipe

__version__ = "0.1.0"

_PLACES = {
    "Budget": "specs.budget",
    "Bundle": "bundles.bundle",
    "InputError": "errors",
    "Measurement": "measure.measurement",
    "ModelError": "errors",
    "Profile": "specs.profiles",
    "Recipe": "specs.recipe",
    "TargetError": "errors",
    "ToolchainError": "errors",
    "Verdict": "specs.budget",
    "bench": "devices.benchmark",
    "build": "pipeline",
    "load_profile": "specs.profiles",
    "load_recipe": "specs.recipe",
}
# What needs torch and the exporters: `pip install 'edgewright[build]'`.
_OF_THE_BUILD_EXTRA = ("build",)

__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _OF_THE_BUILD_EXTRA:
        from edgewright.base.extras import need_build

        need_build(f"use edgewright.{name}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
