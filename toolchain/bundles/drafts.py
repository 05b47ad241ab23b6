"""The smaller model of a bundle of two: what it drafts for which artifact, and how a runner is told of it.

In:  an opened bundle and one of its artifacts.
Out: `Draft`, with how the larger model's ids are spelt in the smaller one's; the smaller artifact beside the larger one
     on a target. How such a bundle is made is `drafting`'s concern.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from edgewright.base.reading import validated
from edgewright.base.untrusted import ReadLimits, parse_json
from edgewright.bundles.bundle import SPELLING, Bundle
from edgewright.bundles.delivery import deploy_from
from edgewright.bundles.files import readable
from edgewright.bundles.schema import ArtifactFacts, DraftFacts
from edgewright.errors import BundleError
from edgewright.measure.deployment import Deployed, deploy
from edgewright.measure.generation_documents import DraftUse
from edgewright.measure.prompts import Draft, Prompt, generation_of
from edgewright.targets.base import Target
from edgewright.tasks.task import Document

AGAIN = "make the bundle again with `edgewright draft`"
LIMITS = ReadLimits(bytes=64 << 20)
IdSpelling = tuple[tuple[int, ...], ...] | None

_Id = Annotated[int, Field(ge=0, lt=1 << 31)]


class _SpellingFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    spelling: tuple[_Id | Annotated[tuple[_Id, ...], Field(max_length=100)], ...] | None


def write_spelling(folder: Path, spelling: IdSpelling) -> None:
    """Put how ids are spelt into a bundle that is being made."""
    rows = None if spelling is None else [each[0] if len(each) == 1 else list(each) for each in spelling]
    (folder / SPELLING).write_text(json.dumps({"spelling": rows}), encoding="utf-8")


def draft_facts(bundle: Bundle, artifact: ArtifactFacts) -> DraftFacts | None:
    """What drafts for an artifact; None where nothing does."""
    return next((each for each in bundle.manifest.drafts if each.runtime == artifact.runtime), None)


def draft_of(bundle: Bundle, artifact: ArtifactFacts) -> Draft | None:
    """How a runner is told of what drafts for an artifact; None where nothing does.

    Raises `InvalidFileError` for a faulty file, `BundleError` for one that does not fit the two artifacts.
    """
    facts = draft_facts(bundle, artifact)
    if facts is None:
        return None
    spelling = _read_spelling(bundle.file(SPELLING))
    larger, smaller = generation_of(artifact.signature).vocabulary, generation_of(facts.signature).vocabulary
    fits = larger == smaller if spelling is None else len(spelling) == larger
    if not fits or max((id_ for each in spelling or () for id_ in each), default=0) >= smaller:
        raise BundleError(f"{bundle.path}/{SPELLING} does not fit the vocabularies of {larger} and {smaller}; {AGAIN}")
    return Draft(signature=facts.signature, spelling=spelling, tie=facts.tie)


def deploy_both(bundle: Bundle, artifact: ArtifactFacts, target: Target) -> Deployed:
    """Push an artifact, and beside it what drafts for it, as `deploy_from` does."""
    place, facts = deploy_from(bundle, artifact, target), draft_facts(bundle, artifact)
    if facts is None:
        return place
    smaller = deploy(
        target,
        bundle.file(facts.file),
        runtime=facts.runtime,
        sha256=facts.sha256,
        operators=facts.signature.operators,
    )
    return replace(place, artifact=replace(place.artifact, draft=smaller.artifact))


def is_greedy(prompt: Prompt) -> bool:
    """Whether always the likeliest token is taken, which alone a draft is for."""
    return prompt.decoding.temperature == 0 and prompt.decoding.repetition_penalty == 1


def use_document(use: DraftUse | None, tokens: Sequence[int]) -> Document | None:
    """What a draft was good for after one prompt, as JSON; None where it was left out."""
    if use is None:
        return None
    return {
        "passes": use.passes,
        "passes_saved": (len(tokens) - 1) / use.passes if use.passes else None,
        "drafted": use.drafted,
        "accepted": use.accepted,
        "accepted_share": use.accepted / use.drafted if use.drafted else None,
    }


def _read_spelling(file: Path) -> IdSpelling:
    def fault(where: str, what: str) -> BundleError:
        return BundleError(f"{file} cannot be read: {where} {what}; {AGAIN}")

    with readable(file):
        values = parse_json(file.read_bytes(), name=str(file), limits=LIMITS, error=fault)
    found = validated(_SpellingFile, values, file=str(file)).spelling
    return None if found is None else tuple((each,) if isinstance(each, int) else each for each in found)
