"""The structure of what is exported, and what its parts cost more in float.

In:  a module and what it takes.
Out: a `Structure`, which says what the artifact computes whatever the device; or milliseconds on a profile's device.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor, nn

from edgewright.cost.nominal_prices import Roofline
from edgewright.cost.pricing import predict
from edgewright.cost.trace import structure_of
from edgewright.modality.input_spec import InputSpec
from edgewright.specs.profiles import Profile
from edgewright.specs.structure import Structure


def structure_for(module: nn.Module, spec: InputSpec) -> Structure:
    """The structure of what is exported, asked for one example: of texts for every length."""
    return structure_of(module, spec.traced())


def slower_in_float(module: nn.Module, spec: InputSpec, places: Iterable[str], profile: Profile) -> dict[str, float]:
    """How many ms longer each of these parts takes in float than in int8, by the profile's facts alone.

    Of one image, or of one text as the spec's example has it.
    """
    wide, narrow = (Roofline(profile=profile, precision=precision) for precision in ("float", "int8"))
    found = {}
    for name, example in _read_by(module, spec, places).items():
        structure = structure_of(module.get_submodule(name), [example])
        slow, fast = (predict(prices, structure, length=example.shape[-1]).latency_ms for prices in (wide, narrow))
        found[name] = max(slow - fast, 0.0)
    return found


def _read_by(module: nn.Module, spec: InputSpec, places: Iterable[str]) -> dict[str, Tensor]:
    """What each part is given of one example."""
    found: dict[str, Tensor] = {}

    def keep(name: str, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        found[name] = given[0]

    with ExitStack() as hooks, torch.no_grad():
        for name in places:
            hooks.enter_context(module.get_submodule(name).register_forward_pre_hook(partial(keep, name)))
        module(spec.one.example())
    return found
