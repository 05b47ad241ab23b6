"""The table of families of models: which there are, and what each can do.

In:  a family's name, or a model, which says it in its attribute `family`.
Out: a `Family`, its implementation of a capability, or the one sentence by which a stage refuses what it lacks.
Descriptors are light: they name modules that import torch, and import none. How checkpoints of transformers are laid
out is `layouts`' concern.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar, cast

from edgewright.base.registry import Registry
from edgewright.base.untrusted import parse_json
from edgewright.errors import BadModelError, InputError
from edgewright.models.capabilities import CAPABILITIES, PREPARES, SLICEABLE, STORES, Capability, OwnModel, Stores

Offered = TypeVar("Offered")
MARK = "family.json"  # beside the weights
OURS = "edgewright."


@dataclass(frozen=True, kw_only=True)
class Family:
    """All that differs from family to family.

    `title` is how messages call a model of it ("vision transformer"), and `modality` whose examples it takes.
    `capabilities` has an implementation for each that it offers, by the name in `capabilities`: an object, or the place
    "package.module" or "package.module:NAME" of one, which is imported when it is asked for. Where a recipe is silent,
    int8 has the `scheme`; with `products_only` fixed scales are for matrix products alone, as between them there are
    norms and masks.
    """

    title: str
    modality: str
    capabilities: Mapping[str, object]
    scheme: str = "dynamic-int8"
    products_only: bool = False

    def implementation(self, capability: Capability[Offered]) -> Offered | None:
        """What does it for this family, or None."""
        found = self.capabilities.get(capability.name)
        return cast(Offered, _resolved(found)) if found is not None else None


def checked(name: str, found: object) -> Family:
    """A descriptor that keeps what it promises. Raises `InputError`; places of our own are tested, not looked at."""
    if not isinstance(found, Family):
        raise InputError(
            f"the family of models {name!r} is a {type(found).__name__}, not a Family; see CONTRIBUTING.md for what a "
            "plug-in gives"
        )
    for promised, place in found.capabilities.items():
        if promised not in CAPABILITIES:
            raise InputError(
                f"the family of models {name!r} promises {promised!r}, which is no capability; there are "
                f"{', '.join(CAPABILITIES)}"
            )
        if isinstance(place, str) and place.startswith(OURS):
            continue
        if missing := CAPABILITIES[promised].missing(_offered(name, promised, place)):
            raise InputError(
                f"the family of models {name!r} promises to be {promised!r}, but what it gives for that has no "
                f"{' and no '.join(missing)}; add it, or promise less"
            )
    if STORES.name not in found.capabilities:
        raise InputError(
            f"the family of models {name!r} does not say how its models are saved and loaded; give it {STORES.name!r}"
        )
    return found


FAMILIES: Registry[Family] = Registry(
    "family of models",
    {
        "encoder": "edgewright.models.families.encoder:FAMILY",
        "vision": "edgewright.models.families.vision:FAMILY",
        "convnet": "edgewright.models.families.convnet:FAMILY",
        "llama": "edgewright.models.families.llama:FAMILY",
        "gpt2": "edgewright.models.families.gpt2:FAMILY",
        "t5": "edgewright.models.families.t5:FAMILY",
    },
    group="edgewright.families",
    check=checked,
)


def family_of(model: object) -> Family:
    """The family that a model names. Raises `InputError` for one that names none that is known."""
    family = known_family(model)
    if family is None:
        raise InputError(
            f"a {type(model).__name__} is of no family that Edgewright knows; its attribute `family` is to be one of "
            f"{', '.join(FAMILIES)}"
        )
    return family


def known_family(model: object) -> Family | None:
    """The family that a model names, or None for a module of none."""
    name = getattr(model, "family", None)
    return FAMILIES[name] if isinstance(name, str) and name in FAMILIES else None


def offered(model: object, capability: Capability[Offered]) -> Offered | None:
    """What the model's family does it with, or None; a model of no family can do nothing."""
    family = known_family(model)
    return family.implementation(capability) if family else None


def required(model: object, capability: Capability[Offered], *, setting: str, what: str = "") -> Offered:
    """The same, where a stage cannot do without; `what` names more exactly what is lacking.

    Raises `InputError`: "MobileNetV2 has no attention heads to prune; remove stages.prune.heads".
    """
    found = offered(model, capability)
    if found is None:
        raise lacks(model, what or capability.lacking, setting=setting)
    return found


def lacks(model: object, what: str, *, setting: str) -> InputError:
    """The error for a setting that asks for what a model's family has not; one `.enabled` is to be switched off."""
    remedy = f"set {setting} = false" if setting.endswith(".enabled") else f"remove {setting}"
    return InputError(f"{title_of(model)} has no {what}; {remedy}")


def title_of(model: object) -> str:
    """What messages call a model: by its own `title`, or by its family's."""
    own = getattr(model, "title", None)
    return own if isinstance(own, str) else f"a {family_of(model).title}"


def save(model: OwnModel, folder: Path) -> None:
    """Write a model of any family into an existing folder, and which family it is of."""
    _stores(family_of(model)).save(model, folder)
    mark(folder, model.family)


def load(folder: Path, *, factory: str = "") -> OwnModel:
    """Read what `save` wrote; a model whose code a `factory` brought needs that named again, as it is run.

    Raises `BadModelError` for a folder in which no model was saved.
    """
    return _stores(family_in(folder)).load(folder, factory=factory)


def family_in(folder: Path) -> Family:
    """The family of the model that `save` wrote into a folder. Raises `BadModelError` where there is none."""
    try:
        name = parse_json((folder / MARK).read_bytes(), name=str(folder / MARK))["family"]
    except (OSError, KeyError, TypeError) as error:
        raise BadModelError(str(folder), f"{MARK}, which says of which family it is, cannot be read") from error
    return FAMILIES[name]


def has_ranked_layers(family: Family) -> bool:
    """Whether a model of it is cut by what its layers' attention heads matter, as transformers are."""
    cut = family.implementation(SLICEABLE)
    return cut is not None and "heads" in cut.units


def mark(folder: Path, family: str) -> None:
    """Write beside the weights of which family they are."""
    (folder / MARK).write_text(f'{{"family": "{family}"}}\n', encoding="utf-8")


def to_run(model: OwnModel) -> OwnModel:
    """A copy that computes no more than its outputs need; the model itself where its family knows no such form."""
    preparation = offered(model, PREPARES)
    return preparation.to_run(model) if preparation else model


def _stores(family: Family) -> Stores:
    return cast(Stores, family.implementation(STORES))


def _offered(name: str, promised: str, place: object) -> object:
    try:
        return _resolved(place)
    except (ImportError, AttributeError) as error:
        said = " ".join(str(error).split())[:200]
        raise InputError(
            f"the family of models {name!r} promises to be {promised!r} by {place}, which cannot be found ({said}); "
            "repair that package"
        ) from error


def _resolved(place: object) -> object:
    if not isinstance(place, str):
        return place
    module, _, attribute = place.partition(":")
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
