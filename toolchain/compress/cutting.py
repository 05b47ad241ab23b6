"""What a cut is asked for and what it gives, whatever the family: the terms of the capability `Sliceable`.

In:  a recipe's `[stages.prune]`, and what profile and earlier stages add to it.
Out: a `Goal` for a family's implementation, and its `Cut`. How a family is cut is `cut_transformers`' and
     `cut_channels`' concern, and a plug-in's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from torch import nn

from edgewright.compress.cost_limits import Costs
from edgewright.compress.importance_scores import Importance
from edgewright.errors import InputError
from edgewright.models.capabilities import SLICEABLE, OwnModel
from edgewright.models.families import lacks, required
from edgewright.models.inputs import Inputs
from edgewright.models.transformer_shape import LayerCut, TransformerShape
from edgewright.specs.recipe import Prune

LEAST_MULTIPLE = 4  # of channels; fewer is not worth a kernel's while
# What a model has not whose family reads no such setting of `stages.prune`.
UNITS: Mapping[str, str] = {
    "layers": "layers to remove",
    "heads": "attention heads to prune",
    "neurons": "feed-forward neurons to prune",
    "head_width": "attention heads to narrow",
    "width": "residual stream to narrow",
    "speedup": "layers with a price on the device",
}

Made = TypeVar("Made")


class PartPrices(Costs, Protocol):
    """What a layer's parts cost on a device, and `source`: whence that is known."""

    @property
    def source(self) -> str:
        """A calibration, a measurement or the profile."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a cut is to keep.

    Sizes are those of `settings`, rounded up to a `multiple`; a gradual cut is at a `step`, counted from 0, on the way
    from the `teacher`. `share` gives the share of this model's multiply-accumulates that stays, where the settings name
    one of the teacher's; `importance` was measured by an earlier stage, None where the cut has to. `prices` says what
    the layers of a shape cost for texts of so many tokens.
    """

    settings: Prune
    multiple: int = 1
    step: int = 0
    teacher: Callable[[], OwnModel] | None = None
    share: Callable[[], float] | None = None
    importance: Importance | None = None
    prices: Callable[[TransformerShape, int], PartPrices] | None = None


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A model that was cut; `refitted` gives it with what is left fitted to its former outputs, where that is possible.

    `layers` say what each layer of a transformer kept, where later stages go by that; `findings` are those of a search.
    """

    model: nn.Module
    refitted: Callable[[], nn.Module] | None = None
    layers: tuple[LayerCut, ...] = ()
    findings: Mapping[str, object] = field(default_factory=dict)


def cut(model: nn.Module, sample: Inputs, goal: Goal) -> Cut:
    """Cut a model of any family that is `Sliceable`.

    Raises `InputError` for a family that is not, for a setting that names units it has not, and for sizes that are out
    of reach.
    """
    family = required(model, SLICEABLE, setting="stages.prune.enabled")
    if goal.settings.keep_macs is None:
        require_units(model, family.units, goal.settings)
    student = family.cut(model, sample, goal)
    assert isinstance(student, Cut)
    return student


def require_units(model: nn.Module, units: Sequence[str], settings: Prune) -> None:
    """Raises `InputError` for the first setting that names units which the model's family has not."""
    for name, what in UNITS.items():
        is_named = name in settings.model_fields_set and getattr(settings, name) is not None
        if is_named and name not in units:
            raise lacks(model, what, setting=f"stages.prune.{name}")


def require_read(settings: Prune, unread: Sequence[str]) -> None:
    """Raises `InputError` for sizes that keep_macs leaves no say, so that they would change nothing."""
    unread_settings = [name for name in unread if getattr(settings, name) not in (None, "uniform")]
    if unread_settings:
        names = " and ".join(f"prune.{name}" for name in unread_settings)
        raise InputError(f"{names} is not read beside prune.keep_macs, which alone says what stays; leave it out")


def finest(multiple: int, cut: Callable[[int], Made]) -> Made:
    """The cut in multiples of what the device's kernels like, or if that is too coarse, of half of it, and so on."""
    while True:
        try:
            return cut(multiple)
        except InputError:
            if multiple <= LEAST_MULTIPLE:
                raise
            multiple //= 2
