"""Make a bundle of two models: the smaller one drafts for the larger one, whose text stays what it is.

In:  a bundle whose artifacts verify drafts (`stages.export.verify_tokens`), and one of a smaller model whose tokens are
     among the larger one's.
Out: a bundle of the larger model that also holds the smaller one's artifacts, once both wrote the same after each of
     the larger one's prompts, token for token; the manifest says how many drafted tokens were accepted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgewright.bundles.bundle import SPELLING, Bundle, write
from edgewright.bundles.drafts import IdSpelling, write_spelling
from edgewright.bundles.replacing import require_replaceable
from edgewright.bundles.schema import ArtifactFacts, DraftFacts, Manifest
from edgewright.bundles.written_text import TOKENIZER, UNCUT
from edgewright.errors import InputError, ParityError
from edgewright.measure.generating import Writing, generate_here
from edgewright.measure.prompts import Draft, Prompt
from edgewright.modality.decoder_tokenizer import DecoderTokenizer

COMPARE_ALL = 1e9  # a lead that no logit has: each token is decided by a pass of one, and compared
TIE = 4.0  # times the largest difference between a pass of several tokens and of one
LEAST_TIE = 1e-4  # logits' units, as parity's
DRAFT_PREFIX = "draft-"
OnProgress = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A larger artifact and a smaller one of the same runtime."""

    larger: ArtifactFacts
    smaller: ArtifactFacts


def drafted_bundle(
    larger: Bundle,
    smaller: Bundle,
    output: Path,
    *,
    force: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> Bundle:
    """Write the larger bundle anew with the smaller one's artifacts as drafts.

    Raises `InputError` for bundles that do not go together, before anything runs, and `ParityError` where the text
    with the draft is another.
    """
    require_replaceable(output, force=force)
    pairs = pairs_of(larger, smaller)
    tokenizers = [DecoderTokenizer.load(each.file(TOKENIZER), max_length=UNCUT) for each in (larger, smaller)]
    spelling = _fitting(spelling_of(*tokenizers), pairs[0].larger)
    facts = [_checked(larger, smaller, each, spelling, on_progress) for each in pairs]

    def fill(folder: Path) -> None:
        dropped = {SPELLING, *(each.file for each in larger.manifest.drafts)}
        for name in larger.manifest.files:
            if name not in dropped:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(larger.file(name), folder / name)
        for pair, each in zip(pairs, facts, strict=True):
            shutil.copyfile(smaller.file(pair.smaller.file), folder / each.file)
        write_spelling(folder, spelling)

    def manifest(hashes: dict[str, str]) -> Manifest:
        return larger.manifest.model_copy(update={"files": hashes, "drafts": tuple(facts)})

    return write(output, manifest, fill, force=force)


def pairs_of(larger: Bundle, smaller: Bundle) -> tuple[Pair, ...]:
    """The artifacts that go together. Raises `InputError` where none do."""
    for bundle in (larger, smaller):
        if all(each.signature.generation is None for each in bundle.manifest.artifacts):
            raise InputError(f"{bundle.path} holds a model that writes nothing; drafts are for those that write text")
    verifying = [each for each in larger.manifest.artifacts if each.signature.verified_ids is not None]
    if not verifying:
        raise InputError(
            f"{larger.path} has no artifact that verifies a draft; build it again with verify_tokens = 4 in its "
            "recipe's [stages.export]"
        )
    others = {each.runtime: each for each in smaller.manifest.artifacts if each.signature.generation is not None}
    pairs = tuple(Pair(larger=each, smaller=others[each.runtime]) for each in verifying if each.runtime in others)
    if not pairs:
        raise InputError(
            f"{larger.path} verifies drafts under {', '.join(each.runtime for each in verifying)}, and {smaller.path} "
            f"has artifacts for {', '.join(others)}; build both for one runtime"
        )
    return pairs


def spelling_of(larger: DecoderTokenizer, smaller: DecoderTokenizer) -> IdSpelling:
    """The smaller one's ids for each id of the larger one; None where all are the same.

    A piece that only the larger one has is spelt in the smaller one's pieces, a special token of that kind by nothing.
    Raises `InputError` where the smaller one has pieces that the larger one lacks.
    """
    if larger.vocabulary == smaller.vocabulary:
        return None
    lacking = sorted(set(smaller.vocabulary) - set(larger.vocabulary))
    if lacking:
        raise InputError(
            f"{len(lacking)} of the smaller model's {len(smaller.vocabulary)} tokens are none of the larger one's "
            f"(such as {lacking[0]!r:.40}): a draft needs a tokenizer whose tokens are among the larger one's, such as "
            "one that was trimmed from it"
        )
    special = set(larger.special_ids)
    rows: list[tuple[int, ...]] = [()] * (max(larger.vocabulary.values()) + 1)
    for piece, id_ in larger.vocabulary.items():
        own = smaller.vocabulary.get(piece)
        if own is not None:
            rows[id_] = (own,)
        elif id_ not in special:
            rows[id_] = smaller.parts_of(piece)
    return tuple(rows)


def _checked(larger: Bundle, smaller: Bundle, pair: Pair, spelling: IdSpelling, on_progress: OnProgress) -> DraftFacts:
    """Let both write, and say what the draft was good for. Raises `ParityError` for another text."""
    artifact, beside = pair.larger, pair.smaller
    expected = larger.expected_texts(artifact.runtime)
    if expected is None:
        raise InputError(f"{larger.path} does not hold the prompts that it is checked with; build it again")
    prompts = [replace(each, wants_logits=False) for each in expected.prompts()]
    file = smaller.file(beside.file)

    def written(draft: Draft | None) -> Writing:
        drafted = None if draft is None else (file, draft)
        return generate_here(artifact.runtime, larger.file(artifact.file), artifact.signature, prompts, drafted)

    on_progress(f"{artifact.runtime}: the larger model alone, and each of its tokens in both ways")
    alone = written(None)
    asked = Draft(signature=beside.signature, spelling=spelling, tie=COMPARE_ALL)
    compared = written(asked)
    drift = compared.draft.drift if compared.draft else 0.0
    tie = max(LEAST_TIE, TIE * drift)
    on_progress(f"{artifact.runtime}: with the draft")
    drafted = written(replace(asked, tie=tie))
    for found in (compared, drafted):
        _require_equal(artifact, prompts, alone, found)
    use = drafted.draft
    assert use is not None  # each text was drafted
    return DraftFacts(
        name=smaller.manifest.name,
        runtime=beside.runtime,
        runtime_version=beside.runtime_version,
        file=f"{DRAFT_PREFIX}{beside.file}",
        bytes=beside.bytes,
        sha256=beside.sha256,
        signature=beside.signature,
        tie=tie,
        prompts=len(prompts),
        tokens=sum(len(each.tokens) for each in drafted.texts),
        passes=use.passes,
        drafted=use.drafted,
        accepted=use.accepted,
    )


def _fitting(spelling: IdSpelling, artifact: ArtifactFacts) -> IdSpelling:
    """With rows for ids that the larger artifact has and no piece does."""
    plan = artifact.signature.generation
    if spelling is None or plan is None:
        return spelling
    return (*spelling, *[()] * (plan.vocabulary - len(spelling)))


def _require_equal(artifact: ArtifactFacts, prompts: Sequence[Prompt], alone: Writing, found: Writing) -> None:
    for place, (ours, theirs) in enumerate(zip(found.texts, alone.texts, strict=True)):
        if ours.tokens != theirs.tokens:
            same = next(
                (at for at, (a, b) in enumerate(zip(ours.tokens, theirs.tokens, strict=False)) if a != b),
                min(len(ours.tokens), len(theirs.tokens)),
            )
            raise ParityError(
                f"with the draft {artifact.file} writes other text than alone after prompt {place} of {len(prompts)}, "
                f"from token {same} on; build both again, and report it where that repeats"
            )
