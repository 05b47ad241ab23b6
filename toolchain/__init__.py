"""Edgewright's public names, and nothing else.

In:  a `Recipe` and a `Profile`, or the path of a `Bundle`.
Out: `build` makes a bundle, `bench` measures one on a target (see `targets.open_target`); faults are `ToolchainError`s.
Names are looked up on first use, so that importing this package, or `targets`, loads neither torch nor pydantic.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolchain.benchmark import bench as bench
    from toolchain.budget import Budget as Budget
    from toolchain.budget import Verdict as Verdict
    from toolchain.bundle import Bundle as Bundle
    from toolchain.errors import InputError as InputError
    from toolchain.errors import ModelError as ModelError
    from toolchain.errors import TargetError as TargetError
    from toolchain.errors import ToolchainError as ToolchainError
    from toolchain.measure.measurement import Measurement as Measurement
    from toolchain.pipeline import build as build
    from toolchain.profiles import Profile as Profile
    from toolchain.profiles import load_profile as load_profile
    from toolchain.recipe import Recipe as Recipe
    from toolchain.recipe import load_recipe as load_recipe

__version__ = "0.1.0"

_PLACES = {
    "Budget": "budget",
    "Bundle": "bundle",
    "InputError": "errors",
    "Measurement": "measure.measurement",
    "ModelError": "errors",
    "Profile": "profiles",
    "Recipe": "recipe",
    "TargetError": "errors",
    "ToolchainError": "errors",
    "Verdict": "budget",
    "bench": "benchmark",
    "build": "pipeline",
    "load_profile": "profiles",
    "load_recipe": "recipe",
}

__all__ = [*_PLACES, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
