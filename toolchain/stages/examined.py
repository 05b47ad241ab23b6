"""A teacher looked at before anything is made of it: refused early, compared with its own library, run twice.

In:  a `Plan`, and what `models` read.
Out: `Examined`: what was decided about the model and how far it is from its own library's; or an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from edgewright.base.plain import one_line
from edgewright.modality.base import LoadedTeacher
from edgewright.models.heads import in_standard_units
from edgewright.models.model import Head
from edgewright.models.reference import Compared, Reference, require_repeatable
from edgewright.specs.batching import AnyExample
from edgewright.stages.plan import Plan
from edgewright.tasks.scores import Scale

log = logging.getLogger(__name__)
JUDGED_TEXTS = 64  # that the units of a regressor's values are judged by
FAR = 2.0  # spreads of the values, from which a regressor's values are those of another unit


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What was decided about a teacher, in sentences, and how it compares with its own library."""

    notes: tuple[str, ...]
    compared: Compared | None

    def also(self, note: str) -> Examined:
        """With one more sentence, said at once."""
        log.info("teacher: %s", one_line(note))
        return replace(self, notes=(*self.notes, note))


def check_source(plan: Plan) -> None:
    """Refuse a model that cannot be read, by its small files or what its factory makes, before anything else is done.

    Raises as loading the teacher does.
    """
    plan.modality.check_source(plan.recipe)


def examine(
    notes: Sequence[str],
    compare: Reference[AnyExample] | None,
    run: Callable[[Sequence[AnyExample]], Tensor],
    examples: Sequence[AnyExample],
) -> Examined:
    """Run the model twice on a few real examples, and once beside its own library; say what was found.

    Raises `UnsupportedModelError` for a model that does not repeat itself, `ModelError` for one that differs.
    """
    require_repeatable(lambda: run(examples), "the teacher")
    compared = compare.compare(examples) if compare else None
    said = [*notes, *([sentence_of(compared)] if compared else [])]
    for note in said:
        log.info("teacher: %s", one_line(note))
    return Examined(notes=tuple(said), compared=compared)


def sentence_of(compared: Compared) -> str:
    """The comparison, for a person."""
    return (
        f"differs from {compared.library} by at most {compared.greatest_difference:.1g} in its {compared.what} (up to "
        f"{compared.greatest_output:.2g}) on {compared.examples} examples"
    )


def put_on_scale(teacher: LoadedTeacher, texts: Sequence[str], values: Sequence[float], scale: Scale) -> str:
    """Make a fitted regressor's output its value on this scale, whichever units it was fitted in; say which those were.

    They are judged by some training texts: the data's own units, or standardised ones already.
    """
    outputs = teacher.run(list(texts[:JUDGED_TEXTS])).flatten().double()
    right = torch.tensor(list(values[: len(outputs)]), dtype=torch.float64)
    own, standard = (float((each - right).square().mean().sqrt()) for each in (outputs, scale.restored(outputs)))
    found, other = ("the data's own units", standard) if own <= standard else ("standardised units", own)
    note = (
        f"its values are in {found} (root mean squared error {min(own, standard):.3g} on {len(outputs)} training "
        f"texts; {other:.3g} if they were {'standardised' if own <= standard else 'in the data’s own units'})"
    )
    if min(own, standard) > FAR * scale.std:
        note += ": far off in either, so it was fitted to another unit; give the data's values in that unit"
    if own <= standard:
        in_standard_units(cast(Head, teacher.model.get_submodule("head")), mean=scale.mean, std=scale.std)
    return note
