"""Measure how many tokens a second a bundle of two models writes on a target, with its draft and without.

In:  an opened bundle, one of its artifacts, an open target that is leased.
Out: `DraftedRates`, once the text there is the same both ways; None for a bundle without a draft.
A draft's worth depends on the text, so what is written is the text that the bundle expects, not a workload of lengths.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgewright.base.json_values import JsonObject
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.drafts import deploy_both, draft_of
from edgewright.bundles.schema import ArtifactFacts
from edgewright.errors import ParityError
from edgewright.measure.generating import Writing, generate, sum_of_drafts
from edgewright.measure.generation_documents import DraftUse
from edgewright.measure.protocol import RunOptions
from edgewright.specs.profiles import Clock
from edgewright.targets.base import Target

PROCESSES = 3


@dataclass(frozen=True, kw_only=True)
class DraftedRates:
    """Tokens a second behind the first of each text, with the draft and `alone`, and what the draft was good for."""

    prompts: int
    tokens: int
    tokens_per_second: float | None
    alone: float | None
    use: DraftUse

    def document(self) -> JsonObject:
        """As `bench --json` prints it."""
        use = self.use
        return {
            "prompts": self.prompts,
            "tokens": self.tokens,
            "tokens_per_second": self.tokens_per_second,
            "alone_tokens_per_second": self.alone,
            "passes": use.passes,
            "passes_saved": (self.tokens - self.prompts) / use.passes if use.passes else None,
            "drafted": use.drafted,
            "accepted": use.accepted,
            "accepted_share": use.accepted / use.drafted if use.drafted else None,
        }


def drafted_rates(
    bundle: Bundle, artifact: ArtifactFacts, target: Target, clock: Clock, options: RunOptions, *, quick: bool
) -> DraftedRates | None:
    """Let the bundle's expected text be written both ways, in some processes each.

    None without a draft, and on a clock of instructions, of which no rate is reckoned. Raises `ParityError` for text
    that differs with the draft, and what the target and its runner raise.
    """
    draft, expected = draft_of(bundle, artifact), bundle.expected_texts(artifact.runtime)
    if draft is None or expected is None or clock == "instructions":
        return None
    prompts = [replace(each, wants_logits=False) for each in expected.prompts()]
    place = deploy_both(bundle, artifact, target)

    def written(*, drafted: bool) -> Writing:
        return generate(
            target,
            place.artifact,
            place.runtime,
            artifact.signature,
            prompts,
            options=replace(options, profile=False, etdump=None),
            restarts=1 if quick else PROCESSES,
            draft=draft if drafted else None,
        )

    alone, both = written(drafted=False), written(drafted=True)
    if [each.tokens for each in both.texts] != [each.tokens for each in alone.texts]:
        raise ParityError(
            f"with the draft {artifact.file} writes other text on {target.address} than alone; leave it out there with "
            "--no-draft, and make the bundle again with `edgewright draft`"
        )
    use = sum_of_drafts(both.texts)
    assert use is not None  # each text was drafted
    return DraftedRates(
        prompts=len(prompts),
        tokens=sum(len(each.tokens) for each in both.texts),
        tokens_per_second=both.tokens_per_second,
        alone=alone.tokens_per_second,
        use=use,
    )
