"""The rows of `decoder` that are of a student: what it kept of its teacher, at what price, and beside what else.

In:  a bundle of a model that writes; for most rows also the cache that it was built in.
Out: rows with their goals, and the lines of what was not measured and why.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import prod
from pathlib import Path
from typing import Any

from edgewright.bundles.build_record import BuildRecord
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.schema import ArtifactFacts
from edgewright.cost.decoding_structures import generating_structures
from edgewright.errors import InputError
from edgewright.measure.token_equality import TokenEquality, compared_texts, write_greedy
from edgewright.modality.base import HeldOut
from edgewright.models.greedy import greedy
from edgewright.models.speculative import DraftedText, write_drafted
from edgewright.specs.structure import Structure
from tests.benchmarks.power_law import fitted
from tests.benchmarks.rows import Row, row
from tests.benchmarks.student_builds import FRESH, UNIFORM, Other, StudentCase, counted_outputs, others

INSTRUCTIONS_GOAL, SAME_GOAL, AMONG_FIRST_GOAL, PASSES_GOAL = 5.0, 60.0, 85.0, 1.5
GOALS_OF_SIZES = ((25e6, 75.0, 60.0), (60e6, 90.0, 75.0))  # bytes; shares of the gain and of greedy tokens in percent
JUDGED_TOKENS = 4096  # held-out ones that each artifact reads one by one
PROMPTS, WRITTEN = 50, 64  # that artifacts are compared by
DRAFTED_PROMPTS = 20
SIMULATED = "PyTorch's simulated int8"
Points = Sequence[tuple[int, float]]
"""Tokens of a training, rising, and the score after them."""
MORE = 10  # times as many tokens
QUICK = 10  # times fewer texts


def rows_of_case(
    case: StudentCase, *, tokens: Sequence[int] | None, quick: bool, checkpoints: Points = ()
) -> Iterator[Row]:
    """All rows that need the student's models; others are trained on each number of `tokens`.

    `checkpoints` are scores of the held-out text that were taken down elsewhere, while the student was trained.
    """
    share = QUICK if quick else 1
    yield work_row(case)
    yield from agreement_rows(case, JUDGED_TOKENS // share)
    yield from equality_rows(case, PROMPTS // share)
    yield from draft_rows(case, DRAFTED_PROMPTS // share)
    metric, points = case.bundle.manifest.task.metric, curve_of(case.bundle)
    if points:
        yield from curve_rows(points, teacher_score(case, "validation"), f"{metric} of the validation part")
    if checkpoints:
        yield from curve_rows(checkpoints, teacher_score(case, "test"), f"{metric}, a checkpoint of one training")
    ends: list[tuple[int, float]] = []
    for count in sorted(tokens or ()):
        found = trained_others(case, count)
        yield from rows_of_others(case.bundle, found)
        ends.append((found[0].tokens, found[0].score))
    if len(ends) > 1:
        yield from curve_rows(ends, teacher_score(case, "test"), f"{metric}, each a training of its own")


def bundle_rows(bundle: Bundle) -> Iterator[Row]:
    """What the bundle itself says: size, score, and how the float student agrees with its teacher."""
    manifest, best = bundle.manifest, bundle.artifact()
    size, gain_goal, _ = goals_of(best)
    yield row("student: size, MB", best.bytes / 1e6, goal=size / 1e6, is_most=True)
    if manifest.baseline.score != manifest.teacher.score:
        name = f"student: share of the teacher's gain over {manifest.baseline.name} in {manifest.task.metric}, %"
        yield row(name, gain_kept(bundle, best.score), goal=gain_goal)
    agreement = BuildRecord.of(manifest).findings("account").inner("agreement")
    if (same := agreement.number("same")) is not None:
        tokens = agreement.count("tokens")
        yield row("float student: greedy tokens that are the teacher's, %", 100 * same, tokens=tokens)
        first = agreement.number("among_first") or 0.0
        yield row("float student: greedy tokens among the teacher's first five, %", 100 * first, tokens=tokens)


def goals_of(artifact: ArtifactFacts) -> tuple[float, float, float]:
    """(bytes, share of the gain, share of greedy tokens) of the smallest goal that an artifact of this size is for."""
    return next((goals for goals in GOALS_OF_SIZES if artifact.bytes <= goals[0]), GOALS_OF_SIZES[-1])


def gain_kept(bundle: Bundle, score: float) -> float:
    """Which share of the teacher's gain over the method without a network a score keeps, in percent."""
    baseline, teacher = bundle.manifest.baseline.score, bundle.manifest.teacher.score
    return 100 * (baseline - score) / (baseline - teacher)


def agreement_rows(case: StudentCase, tokens: int = JUDGED_TOKENS) -> Iterator[Row]:
    """How often each artifact takes the token for likeliest that the teacher does, or one of its first five."""
    rows, best = case.rows(tokens), case.bundle.artifact()
    for runtime, run, signature in case.sessions():
        outputs = counted_outputs(run, signature, rows)
        found = case.student.dataset.agreement(case.teacher.model(), outputs, rows)
        if found is None:
            continue
        is_best = runtime == best.runtime
        same = row(
            f"{runtime} artifact: greedy tokens that are the teacher's, %",
            100 * found.same,
            goal=goals_of(best)[2] if is_best else None,
            tokens=found.tokens,
        )
        first = row(
            f"{runtime} artifact: greedy tokens among the teacher's first five, %",
            100 * found.among_first,
            goal=AMONG_FIRST_GOAL if is_best else None,
            tokens=found.tokens,
        )
        yield from (same, first)


def equality_rows(case: StudentCase, prompts: int = PROMPTS, written: int = WRITTEN) -> Iterator[Row]:
    """Whether the artifacts and PyTorch's simulated int8 write the same tokens, but for ties, two by two."""
    asked = [
        ids[: max(case.bundle.artifact().signature.generation.context - written, 1)]  # type: ignore[union-attr]
        for ids in case.prompts(prompts)
    ]
    with case.simulated() as (rounded, plan):
        texts = {SIMULATED: [write_greedy(rounded, plan, ids, written) for ids in asked]}
    for runtime, run, signature in case.sessions():
        texts[runtime] = [write_greedy(run, signature, ids, written) for ids in asked]
    for one, other in combinations(texts, 2):
        found = compared_texts(zip(texts[one], texts[other], strict=True))
        yield equality_row(f"{one} and {other}", found, written)


def equality_row(pair: str, found: TokenEquality, written: int) -> Row:
    """How many texts part where rounding does not explain it: none is the goal."""
    return row(
        f"{pair}: texts of {found.prompts} prompts × {written} tokens that part other than at a tie",
        len(found.wrong),
        goal=0,
        is_most=True,
        found=found.sentence(),
        compared=found.compared,
        equal=found.equal,
        ties=len(found.partings) - len(found.wrong),
    )


def draft_rows(case: StudentCase, prompts: int = DRAFTED_PROMPTS, written: int = WRITTEN) -> Iterator[Row]:
    """What the student saves its teacher as a draft, in PyTorch, and that the text is the teacher's own."""
    teacher, spec = case.adapted_teacher, case.student.input_spec().writes
    assert spec is not None
    asked = case.prompts(prompts)
    alone = greedy(teacher, asked, ends=spec.stop, most=written)
    drafted = [write_drafted(teacher, case.student_model, ids, max_tokens=written, stop=spec.stop) for ids in asked]
    yield from rows_of_drafts(drafted, alone, stop=spec.stop)


def rows_of_drafts(
    drafted: Sequence[DraftedText], alone: Sequence[Sequence[int]], *, stop: Sequence[int]
) -> Iterator[Row]:
    """Of texts that were drafted, beside those of the larger model alone, which are without the token that ends one."""
    passes, tokens = sum(each.passes for each in drafted), sum(len(each.tokens) - 1 for each in drafted)
    proposed, accepted = (sum(getattr(each, name) for each in drafted) for name in ("drafted", "accepted"))
    other = sum(
        [token for token in ours.tokens if token not in stop] != list(theirs)
        for ours, theirs in zip(drafted, alone, strict=True)
    )
    yield row(
        "student as a draft: times fewer passes of the teacher",
        tokens / max(passes, 1),
        goal=PASSES_GOAL,
        accepted_percent=100 * accepted / max(proposed, 1),
        by="PyTorch's reference: passes are counted, not timed",
    )
    yield row("student as a draft: texts unlike the teacher's own", other, goal=0, is_most=True, texts=len(drafted))


def work_row(case: StudentCase) -> Row:
    """Multiply-accumulates a token of the teacher over those of the student, where no board counted instructions."""
    best = case.bundle.artifact()
    assert best.signature.generation is not None
    assert best.decode_structure is not None
    context = best.signature.generation.context
    teacher = generating_structures(case.teacher.model(), context=context).decode
    ours, theirs = (macs(each, context) for each in (best.decode_structure, teacher))
    return row(
        f"student: multiply-accumulates a token at a context of {context}, times fewer than the teacher's "
        "(by what both compute; no instructions were counted)",
        theirs / ours,
        million=[ours / 1e6, theirs / 1e6],
    )


def macs(structure: Structure, length: int) -> int:
    """Those of all products for a length."""
    products = (each for each in structure.operators if each.kind in ("linear", "matmul"))
    return sum(each.count * prod(each.at(length)) for each in products)


def trained_others(case: StudentCase, tokens: int) -> list[Other]:
    """The student, evenly spaced layers and random weights, each trained on so many tokens."""
    plan, layers = case.build.plan, len(case.adapted_teacher.shape.layers)
    return list(others(plan.recipe, plan.profile, tokens, name="the student", layers=layers))


def rows_of_others(bundle: Bundle, found: Sequence[Other]) -> Iterator[Row]:
    """Scores of float students, and of each other one how far it is behind."""
    ours, *rest = found
    for each in found:
        name = f"{each.name}, {each.tokens:,} tokens: {bundle.manifest.task.metric}"
        yield row(name, each.score, kept_percent=gain_kept(bundle, each.score), parameters=each.parameters)
    for each in rest:
        yield row(f"{each.name}: behind the student by", each.score - ours.score)


def points_in(file: Path) -> Points:
    """(tokens, score) pairs of a file in JSON."""
    return [(int(tokens), float(score)) for tokens, score in json.loads(file.read_text(encoding="utf-8"))]


def curve_rows(points: Points, floor: float, metric: str) -> Iterator[Row]:
    """Scores over tokens, and what ten times as many would buy by a power law that falls to the teacher's, `floor`."""
    for tokens, score in points:
        yield row(f"student after {tokens:,} tokens: {metric}", score)
    law = fitted(points, floor)
    if law is None:
        return
    most = MORE * points[-1][0]
    low, high = law.bounds(most)
    yield row(
        f"student after {most:,} tokens, by a power law through {law.points} points: {metric}",
        law.at(most),
        low=low,
        high=high,
        exponent=law.exponent,
        residual=law.residual,
        by="extrapolated, not measured",
    )


def teacher_score(case: StudentCase, part: HeldOut) -> float:
    """The teacher's on a held-out part with the student's vocabulary, which is what the student comes near to."""
    dataset = case.student.dataset
    inputs, score = dataset.held_out(part), dataset.score(part)
    return score.of(dataset.as_scored(dataset.outputs(case.adapted_teacher, inputs), inputs, score))


def curve_of(bundle: Bundle) -> list[tuple[int, float]]:
    """(tokens, score on the validation part) of each time that the training was judged."""
    found = BuildRecord.of(bundle.manifest).findings("distill").rows("validations")
    points = [(each.count("tokens"), each.number("score")) for each in found]
    return [(tokens, score) for tokens, score in points if tokens is not None and score is not None]


def lacking(
    bundle: Bundle, case: StudentCase | InputError, tokens: Sequence[int] | None, checkpoints: Points = ()
) -> Iterator[str]:
    """What of a student could not be measured, and why."""
    if isinstance(case, InputError):
        yield f"tokens of the artifacts beside the teacher's, beside each other's and as a draft: {case}"
    if not tokens or isinstance(case, InputError):
        yield f"{UNIFORM} and {FRESH}: give --tokens, of each training"
    if max(len(curve_of(bundle)), len(tokens or ()), len(checkpoints)) <= 1:
        yield "the curve over tokens: it was not validated; set distill.patience, or give --tokens thrice, or --curve"


def instruction_ratio_rows(
    counted: Sequence[Mapping[str, Any]], teacher: Sequence[Mapping[str, Any]], title: str
) -> Iterator[Row]:
    """Instructions a token on each emulated core beside those of the int8 teacher in the same format."""
    known = {(each["core"], each["artifact"]): each["million_a_step"] for each in teacher}
    for each in counted:
        whole = known.get((each["core"], title))
        if whole is not None:
            name = f"student: instructions a token on {each['core']}, times fewer than the int8 teacher's"
            yield row(name, whole / each["million_a_step"], goal=INSTRUCTIONS_GOAL)
