"""Measure a bundle on a target: push, check every hash and the outputs there, time, and judge the budget.

In:  a bundle or its path, a target's address.
Out: `BenchResult`: the measurement, the parity found on that machine's own core, what was predicted, and the verdict;
     on request also how much faster than its float twin the artifact is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

from edgewright.base.json_values import JsonObject
from edgewright.base.progress import Progress, Silent
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.delivery import blamed_on_age, deploy_from
from edgewright.bundles.schema import ArtifactFacts
from edgewright.bundles.vector_calls import VectorCalls
from edgewright.cost.expected import Expectation, NoExpectation, expected
from edgewright.cost.expected_writing import WritingExpectation, expected_writing
from edgewright.cost.int8_gain import Int8Row, int8_measured
from edgewright.devices.drafted_benchmark import DraftedRates, drafted_rates
from edgewright.devices.generation_benchmark import BundleWriting, WantedFigures, measured_writing, writing_of
from edgewright.devices.known_device import measured_profile
from edgewright.errors import InputError, ParityError
from edgewright.measure.generation_measurement import GenerationMeasurement
from edgewright.measure.measurement import Measurement, clock_of
from edgewright.measure.measuring import measure_in_turn
from edgewright.measure.operators import operators_of
from edgewright.measure.parity import Parity
from edgewright.measure.protocol import Protocol, RunOptions
from edgewright.specs.budget import Verdict, as_good, judge
from edgewright.specs.metrics import loss_percent
from edgewright.specs.profiles import Clock
from edgewright.targets import open_target
from edgewright.targets.base import Target
from edgewright.targets.device_store.lease import Lease, leased
from edgewright.targets.device_store.lease_holder import Holder


@dataclass(frozen=True, kw_only=True)
class BenchResult:
    """One artifact of a bundle on one target; `int8` says what int8 bought there, where that was asked for.

    `predicted` is what was to be expected, or why nothing was, and `drafted` how fast a bundle of two models writes.
    """

    bundle: Bundle
    measurement: Measurement
    parity: Parity
    verdict: Verdict
    int8: Int8Row | None = None
    predicted: Expectation | WritingExpectation | NoExpectation | None = None
    drafted: DraftedRates | None = None

    def summary(self) -> JsonObject:
        """What `edgewright bench --json` prints."""
        manifest = self.bundle.manifest
        return {
            "bundle": str(self.bundle.path),
            "name": manifest.name,
            "profile": manifest.profile,
            "metric": manifest.task.metric,
            "score": self.bundle.artifact(self.measurement.runtime).score,
            **self.measurement.document(),
            "parity": self.parity.document(),
            **({"predicted": self.predicted.document()} if self.predicted else {}),
            **({"against_float": self.int8.document()} if self.int8 else {}),
            **({"draft": self.drafted.document()} if self.drafted else {}),
            **({"operators": found.document()} if (found := operators_of(self.measurement)) else {}),
            "budget": self.verdict.summary(),
        }


class BenchOptions(TypedDict, total=False):
    """What `bench` may be asked besides its bundle and address, as it takes it by name."""

    runtime: str | None
    quick: bool
    threads: int
    batched: bool
    against_float: bool
    operators: bool
    etdump: Path | None
    cores: Sequence[int]
    wait_s: float
    prompt_tokens: Sequence[int]
    contexts: Sequence[int]


def bench(
    bundle: str | Path | Bundle,
    address: str,
    *,
    target: Target | None = None,
    runtime: str | None = None,
    quick: bool = False,
    threads: int = 1,
    batched: bool = False,
    against_float: bool = False,
    operators: bool = False,
    etdump: Path | None = None,
    cores: Sequence[int] = (),
    wait_s: float = 0.0,
    prompt_tokens: Sequence[int] = (),
    contexts: Sequence[int] = (),
    progress: Progress | None = None,
) -> BenchResult:
    """Measure the bundle's best artifact, or that of one runtime; with `against_float` its float twin in turn with it.

    When `batched` it is given as many examples at once as it was built for, and a sample is of so many. With
    `operators` it is then run again to see what each kind of operator takes, and once more to write an `etdump`, as
    ExecuTorch's Inspector reads it. It may be kept to some `cores`. An emulated target is given a clock that
    counts instructions; a `target` that was opened by this address already is used, and stays open. A device that
    others measure on is waited for, `wait_s` at most.

    Of an artifact that generates the times of its text are measured: to a first token after prompts of `prompt_tokens`,
    and of each token at `contexts`; the usual ones where none are named.

    Raises `InputError` for the bundle, `TargetError` for the machine (`DeviceBusyError` among them), `ParityError` when
    the outputs there are not the student's.
    """
    told = progress or Silent()
    options = RunOptions(threads=threads, cores=tuple(cores), profile=operators, etdump=etdump)
    how = _How(quick=quick, options=options, wait_s=wait_s)
    # Its faults are told before a board is booted.
    contest = _contest(bundle, runtime, against_float=against_float, batched=batched)
    wanted = WantedFigures(prompts=tuple(prompt_tokens), contexts=tuple(contexts))
    writing = writing_of(contest.bundle, contest.artifact, contest.files, wanted, options)
    contest = replace(contest, writing=writing)
    if target is not None:
        return _benched(contest, target, address, told, how)
    with told.stage(f"connect to {address}"):
        opened = open_target(address, instruction_clock=clock_of(address) == "instructions")
    with closing(opened):
        return _benched(contest, opened, address, told, how)


@dataclass(frozen=True, kw_only=True)
class _Contest:
    """What is measured of a bundle: an artifact, and of its files the one or, in turn with it, its float twin too.

    They are given `batch` examples at once, or asked for `writing` where the artifact generates.
    """

    bundle: Bundle
    artifact: ArtifactFacts
    files: tuple[str, ...]
    batch: int
    writing: BundleWriting | None = None


@dataclass(frozen=True, kw_only=True)
class _How:
    quick: bool
    options: RunOptions  # of one example at a time
    wait_s: float


def _contest(bundle: str | Path | Bundle, runtime: str | None, *, against_float: bool, batched: bool) -> _Contest:
    opened = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
    artifact = opened.artifact(runtime)
    if batched and artifact.batch == 1:
        raise InputError(
            f"{artifact.file} of {opened.path} takes one example at a time; build it with `stages.export.batch = 8`, "
            "or as many as you want to give at once"
        )
    files = (artifact.file, _float_of(opened, artifact)) if against_float else (artifact.file,)
    return _Contest(bundle=opened, artifact=artifact, files=files, batch=artifact.batch if batched else 1)


def _benched(contest: _Contest, target: Target, address: str, told: Progress, how: _How) -> BenchResult:
    opened, artifact = contest.bundle, contest.artifact
    with _to_ourselves(target, f"bench {opened.manifest.name}", how.wait_s, told) as lease:
        clock = clock_of(address)
        found = _all_measured(contest, target, lease, clock, told, how)
        drafted = None
        if opened.manifest.drafts:
            with told.stage("measure with the draft"):
                drafted = drafted_rates(opened, artifact, target, clock, how.options, quick=how.quick)
    for file, (_, parity) in zip(contest.files, found, strict=True):
        if not parity.passed:
            raise ParityError(
                f"{file} gives other outputs on {address} than the student it was made from: the worst cosine"
                f"{f', of {parity.worst_output},' if parity.worst_output else ''} is "
                f"{parity.cosine_min:.3f}, below {parity.cosine_limit:g}; no speed counts until that is understood "
                "(another runtime version or an emulated core with other kernels are the usual causes)"
            )
    (measurement, parity), *twin = found
    if lease.doubt:
        measurement = measurement.with_fault(lease.doubt)
    return BenchResult(
        bundle=opened,
        measurement=measurement,
        parity=parity,
        verdict=_verdict(opened, artifact, measurement),
        int8=int8_measured(opened.manifest, artifact, measurement, twin[0][0]) if twin else None,
        predicted=_expected(opened, artifact, measurement, address),
        drafted=drafted,
    )


def _expected(
    bundle: Bundle, artifact: ArtifactFacts, measurement: Measurement, address: str
) -> Expectation | WritingExpectation | NoExpectation | None:
    """What was predicted; whatever hinders that, the measurement is there, and is not lost to it."""
    try:
        profile = measured_profile(address, bundle.manifest.profile)
        if isinstance(measurement, GenerationMeasurement):
            return expected_writing(artifact, measurement, profile)
        return expected(artifact, measurement, profile, longest=bundle.manifest.task.max_length)
    except Exception as error:  # a damaged file of prices, a structure of another version, …
        return NoExpectation(reason=str(error))


def _float_of(bundle: Bundle, artifact: ArtifactFacts) -> str:
    if artifact.float_file is None:
        raise InputError(
            f"{bundle.path} has no float twin of {artifact.file} to measure against; "
            "build it with `stages.export.float_reference = true`"
        )
    return artifact.float_file


@contextmanager
def _to_ourselves(target: Target, what: str, wait_s: float, told: Progress) -> Iterator[Lease]:
    """The device, leased; while others have it, that is what is told."""

    def waiting(holder: Holder, waited_s: float) -> None:
        told.update(waited_s, wait_s, str(holder))

    with ExitStack() as until_done:
        with told.stage("wait for the device"):
            lease = until_done.enter_context(leased(target, what, wait_s=wait_s, waiting=waiting))
        yield lease


def _all_measured(
    contest: _Contest, target: Target, lease: Lease, clock: Clock, told: Progress, how: _How
) -> Sequence[tuple[Measurement, Parity]]:
    if contest.writing is None:
        return _measured(contest, target, lease, clock, told, how)
    return measured_writing(contest.writing, target, lease, clock, told, quick=how.quick, options=how.options)


def _measured(
    contest: _Contest, target: Target, lease: Lease, clock: Clock, told: Progress, how: _How
) -> list[tuple[Measurement, Parity]]:
    protocol = Protocol.for_clock(clock, quick=how.quick)
    process_limit_s = protocol.limit_s(target.emulated)
    vectors = contest.bundle.vectors(contest.artifact.runtime)
    asked = VectorCalls.of(vectors, contest.artifact.signature, batched=contest.batch > 1)

    def note(done: int, total: int) -> None:
        told.update(done, total)
        lease.hold_on(process_limit_s)

    with told.stage("push"):
        places = [deploy_from(contest.bundle, contest.artifact, target, file=file) for file in contest.files]
    with told.stage("measure"), blamed_on_age(contest.artifact, places[0]):
        lease.hold(process_limit_s)
        measurements = measure_in_turn(
            lease.recording(),
            [(place.artifact, place.runtime) for place in places],
            asked.calls(),
            options=replace(how.options, batch=contest.batch),
            protocol=protocol,
            clock=clock,
            waiting=lambda waited_s, limit_s: told.update(waited_s, limit_s, "the machine comes to rest"),
            note=note,
        )
    return [(each, asked.parity(each.outputs)) for each in measurements]


def _verdict(bundle: Bundle, artifact: ArtifactFacts, measurement: Measurement) -> Verdict:
    """All limits; only times stay undecided where they are no board's, or are of several examples at once."""
    latency = None if measurement.emulated or measurement.batch > 1 else measurement.latency
    metric = bundle.manifest.task.metric
    writes = measurement if isinstance(measurement, GenerationMeasurement) else None
    timed = None if measurement.emulated else writes
    verdict = judge(
        bundle.manifest.budget,
        latency_ms=None if latency is None or writes else latency.p50,
        first_token_ms=timed.first_token_ms if timed else None,
        tokens_per_second=timed.tokens_per_second if timed else None,
        context=writes.context if writes else None,
        artifact_bytes=artifact.bytes,
        peak_rss_bytes=measurement.peak_rss_bytes,
        score_loss_percent=loss_percent(metric, bundle.manifest.teacher.score, artifact.score),
    )
    baseline = bundle.manifest.baseline
    return replace(verdict, baseline=as_good(baseline.name, baseline.score, artifact.score, metric=metric))
