"""Measure how a bundle's artifact writes on a target: room, push, its expected text, then the times of its tokens.

In:  an opened bundle, one of its artifacts that generates, an open target that is leased.
Out: a `GenerationMeasurement` of each file, and the parity of the text that was written there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from edgewright.base.progress import Progress
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.delivery import blamed_on_age, deploy_from
from edgewright.bundles.expected_texts import ExpectedTexts
from edgewright.bundles.room import require_room
from edgewright.bundles.schema import ArtifactFacts
from edgewright.bundles.text_parity import TextParity, text_parity
from edgewright.cost.expected import writing_artifact
from edgewright.cost.writing import token_bytes
from edgewright.devices.known_device import measured_profile
from edgewright.errors import BundleError, InputError, ParityError
from edgewright.measure.deployment import Deployer
from edgewright.measure.generation_documents import GeneratedText
from edgewright.measure.generation_measurement import Bandwidth, GenerationMeasurement
from edgewright.measure.generation_measuring import GenerationAsked, measure_generation, writing_limit_s
from edgewright.measure.generation_workload import GenerationWorkload, workload_of
from edgewright.measure.measuring import copy_bandwidth_gb_s
from edgewright.measure.protocol import Protocol, RunOptions
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import Clock, load_profile
from edgewright.targets.base import Target
from edgewright.targets.device_store.lease import Lease

TEXTS_BY_INSTRUCTIONS = 2  # that are compared on an emulated board, whose every token takes long


@dataclass(frozen=True, kw_only=True)
class WantedFigures:
    """At which lengths of prompts and which contexts an artifact is measured; the usual ones where none are named."""

    prompts: tuple[int, ...] = ()
    contexts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BundleWriting:
    """What an artifact of a bundle is asked to write there: text that is expected, and the workload."""

    bundle: Bundle
    artifact: ArtifactFacts
    files: tuple[str, ...]
    workload: GenerationWorkload
    expected: ExpectedTexts

    def ids(self) -> list[int]:
        """The ids that prompts are made of: those of the expected texts."""
        return [token for text in self.expected.texts for token in (*text.ids, *text.tokens)]

    def asked(self, clock: Clock, accept: Callable[[Sequence[GeneratedText]], None]) -> GenerationAsked:
        """What the artifact is asked on a target of this clock."""
        prompts = self.expected.prompts()
        return GenerationAsked(
            signature=self.artifact.signature,
            workload=self.workload,
            ids=self.ids(),
            expected=prompts[:TEXTS_BY_INSTRUCTIONS] if clock == "instructions" else prompts,
            accept=accept,
        )


def writing_of(
    bundle: Bundle, artifact: ArtifactFacts, files: tuple[str, ...], wanted: WantedFigures, options: RunOptions
) -> BundleWriting | None:
    """What an artifact is asked to write; None of one that does not generate.

    All that can be checked before a board is booted is. Raises `InputError` for what cannot be asked of it, and
    `BundleError` where the bundle does not hold the text that is expected.
    """
    if artifact.signature.generation is None:
        if wanted != WantedFigures():
            raise InputError(
                f"{artifact.file} of {bundle.path} does not generate text, and has no prompts and contexts to be "
                "measured at; leave out --prompt-tokens and --contexts"
            )
        return None
    if options.profile or options.etdump is not None:
        raise InputError(
            f"{artifact.file} of {bundle.path} generates text, of which operators are not timed; leave out --operators "
            "and --etdump"
        )
    expected = bundle.expected_texts(artifact.runtime)
    if expected is None:
        raise BundleError(
            f"{bundle.path} does not hold what {artifact.file} is expected to write, so nobody can tell whether it "
            "does; build the bundle again"
        )
    typical = bundle.manifest.budget.first_token_ms is not None
    workload = workload_of(artifact.signature, prompts=wanted.prompts, contexts=wanted.contexts, typical=typical)
    return BundleWriting(bundle=bundle, artifact=artifact, files=files, workload=workload, expected=expected)


def measured_writing(
    writing: BundleWriting,
    target: Target,
    lease: Lease,
    clock: Clock,
    told: Progress,
    *,
    quick: bool,
    options: RunOptions,
) -> list[tuple[GenerationMeasurement, TextParity]]:
    """Measure each file in turn; text is expected of the artifact alone, not of its float reference.

    Raises `InputError` for a cache that the device has no room for, `ParityError` for other text, and what the target
    and its runner raise.
    """
    require_room(target, writing.artifact)
    protocol = Protocol.for_clock(clock, quick=quick)
    found: list[TextParity] = []

    def accept(texts: Sequence[GeneratedText]) -> None:
        found.append(text_parity(writing.expected.texts[: len(texts)], texts))
        if not found[0].passed:
            raise ParityError(_other_text(writing, target, found[0]))

    asked = writing.asked(clock, accept)
    plain = GenerationAsked(signature=asked.signature, workload=asked.workload, ids=asked.ids)
    process_limit_s = writing_limit_s(asked, protocol, emulated=target.emulated)

    def note(done: int, total: int) -> None:
        told.update(done, total)
        lease.hold_on(process_limit_s)

    with told.stage("push"):
        places = [deploy_from(writing.bundle, writing.artifact, target, file=file) for file in writing.files]
    with ExitStack() as stage:
        stage.enter_context(told.stage("measure"))
        stage.enter_context(blamed_on_age(writing.artifact, places[0]))
        lease.hold(process_limit_s)
        contenders = [(each.artifact, each.runtime, asked if each is places[0] else plain) for each in places]
        measurements = measure_generation(
            lease.recording(),
            contenders,
            options=options,
            protocol=protocol,
            clock=clock,
            waiting=lambda waited_s, limit_s: told.update(waited_s, limit_s, "the machine comes to rest"),
            note=note,
        )
        bandwidth = _bandwidth(writing, target, clock)
    read = _read_bytes(writing.artifact)
    # Its float reference reads other bytes of weights.
    told_bytes = [read if each is measurements[0] else None for each in measurements]
    return [
        (each.with_memory(bandwidth, token_bytes=bytes_), found[0])
        for each, bytes_ in zip(measurements, told_bytes, strict=True)
    ]


def _read_bytes(artifact: ArtifactFacts) -> int | None:
    """What a token reads of memory, by what the artifact computes; None where the bundle does not say that."""
    known = writing_artifact(artifact)
    if known is None:
        return None
    weight_bytes = known.weight_bytes(artifact.bytes)
    return round(token_bytes(known.decode, known.context, row_bytes=known.row_bytes, weight_bytes=weight_bytes))


def _other_text(writing: BundleWriting, target: Target, parity: TextParity) -> str:
    what = parity.fault or (
        f"the logits of first steps have a worst cosine of {parity.cosine_min:.3f}, below {parity.cosine_limit:g}"
    )
    return (
        f"{writing.artifact.file} writes other text on {target.address} than where it was built: {what}; no speed "
        "counts until that is understood (another runtime version or an emulated core with other kernels are the "
        "usual causes)"
    )


def _bandwidth(writing: BundleWriting, target: Target, clock: Clock) -> Bandwidth | None:
    """How fast one core copies memory there: by the native runner, else as the device's profile has it.

    None on a clock of instructions, which knows no bandwidth, and where neither tells.
    """
    if clock == "instructions" or target.emulated:
        return None
    if RUNTIMES[writing.artifact.runtime].measures_bandwidth:
        native = Deployer(target).runtime(writing.artifact.runtime)
        return Bandwidth(copy_gb_s=copy_bandwidth_gb_s(target, native), source="measured there, one core")
    try:
        profile = load_profile(measured_profile(target.address, writing.bundle.manifest.profile))
    except InputError:  # a profile of the user's, say, that is not here; the measurement stands without it
        return None
    known = profile.memory.copy_bandwidth_gb_s
    return Bandwidth(copy_gb_s=known.value, source=f"the profile {profile.name}: {known.source}")
