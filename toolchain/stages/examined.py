"""A teacher looked at before anything is made of it: refused early, compared with its own library, run twice.

In:  a `Plan`, and what `models` read.
Out: `Examined`: what was decided about the model and how far it is from its own library's; or an error.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from edgewright.base.plain import one_line
from edgewright.models import convnet, image_teacher, reference, side_files
from edgewright.models import source as sources
from edgewright.models import teacher as teachers
from edgewright.models.heads import in_standard_units
from edgewright.models.preprocessor import preparation
from edgewright.models.reference import Compared, Reference, require_repeatable
from edgewright.models.refusals import IMAGES
from edgewright.models.teacher import Teacher
from edgewright.models.text import outputs
from edgewright.specs.recipe import ModelSource
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

    def findings(self) -> dict[str, Any]:
        """As a manifest has it."""
        return {"decided": list(self.notes), "reference": asdict(self.compared) if self.compared else None}


def check_source(plan: Plan) -> None:
    """Refuse a model that cannot be read, by its small files or what its factory makes, before anything else is done.

    Raises as loading the teacher does.
    """
    source, modality = plan.recipe.model, plan.task.modality
    if source.factory:
        _check_factory(source, modality)
        return
    sources.check(source, modality)
    beside = sources.base_of(source) or source
    if modality == IMAGES:
        preparation(beside)
        return
    sources.check_tokenizer(source)
    side_files.check_tokenizer_config(beside, max_length=plan.max_length)
    if not plan.task.fitted:
        side_files.sentence_model(beside, max_length=plan.max_length)


def examine(
    notes: Sequence[str], compare: Reference | None, run: Callable[[Sequence[Any]], Tensor], examples: Sequence[Any]
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


def examine_texts(teacher: Teacher, texts: Sequence[str]) -> Examined:
    """The same of a teacher of texts, on some of them."""
    chosen = reference.some_of(texts, teacher.special_tokens)

    def run(given: Sequence[str]) -> Tensor:
        return outputs(teacher.model, teacher.tokenizer.encode(given))

    return examine(teacher.notes, teacher.reference, run, chosen)


def put_on_scale(teacher: Teacher, texts: Sequence[str], values: Sequence[float], scale: Scale) -> str:
    """Make a fitted regressor's output its value on this scale, whichever units it was fitted in; say which those were.

    They are judged by some training texts: the data's own units, or standardised ones already.
    """
    said = outputs(teacher.model, teacher.tokenizer.encode(list(texts[:JUDGED_TEXTS]))).flatten().double()
    right = torch.tensor(list(values[: len(said)]), dtype=torch.float64)
    own, standard = (float((each - right).square().mean().sqrt()) for each in (said, scale.restored(said)))
    found, other = ("the data's own units", standard) if own <= standard else ("standardised units", own)
    note = (
        f"its values are in {found} (root mean squared error {min(own, standard):.3g} on {len(said)} training texts; "
        f"{other:.3g} if they were {'standardised' if own <= standard else 'in the data’s own units'})"
    )
    if min(own, standard) > FAR * scale.std:
        note += ": far off in either, so it was fitted to another unit; give the data's values in that unit"
    if own <= standard:
        in_standard_units(teacher.model.head, mean=scale.mean, std=scale.std)
    return note


def _check_factory(source: ModelSource, modality: str) -> None:
    assert source.factory
    if modality != IMAGES:
        teachers.made_by_factory(source)
    elif image_teacher.is_net(source):
        convnet.from_factory(source.factory, source.beside)
