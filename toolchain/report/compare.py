"""Two measurements side by side: what changed, how surely, and whether they may be compared at all.

In:  two documents of `edgewright bench --json`.
Out: `Comparison`: obstacles, differences with their intervals, and for each kind of operator where the time went.
Two bundles are compared by `builds`, whose stages may stand beside a comparison of what was measured of them.
Whether a change is one too many is `gate`'s decision; where documents are kept is `store`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgewright.base.reading import faults_of
from edgewright.base.untrusted import parse_json
from edgewright.errors import InputError, InvalidFileError
from edgewright.measure.measurement import apart_from_others
from edgewright.measure.runner_documents import Sampling
from edgewright.measure.stats import Grouped, by_run_and_input, percentile, ratio
from edgewright.specs.profiles import Clock

if TYPE_CHECKING:  # what it imports takes a tenth of a second, which a gate has no use for
    from edgewright.report.builds import StageDifference

# What of a machine must be the same, as its facts call it.
MACHINE = ("board", "cpu_model", "cpu_parts", "arch", "cores")
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LARGEST_DOCUMENT_BYTES = 64_000_000


class _Read(BaseModel):
    """Of a document that a newer version may have more in."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class MeasuredArtifact(_Read):
    """The file that ran, and by what."""

    runtime: str
    runtime_version: str
    file: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: str


class MeasuredLatency(_Read):
    """Every sample, in ms."""

    samples: tuple[Amount, ...]


class MeasuredOperator(_Read):
    """One kind of operator in one inference."""

    name: str
    delegated: bool
    ms: Amount


class MeasuredOperators(_Read):
    """All kinds."""

    rows: tuple[MeasuredOperator, ...]


class MeasuredAgainstFloat(_Read):
    """What int8 bought there, the float student measured in turn with it."""

    verdict: Annotated[str, Field(max_length=20_000)]


class MeasuredStart(_Read):
    """A first process, whose artifact came from storage."""

    load_ms: Amount
    first_inference_ms: Amount


class Measured(_Read):
    """A document of `edgewright bench --json`, as far as comparisons and reports read it."""

    name: str = ""
    bundle: str
    target: str
    emulated: bool
    clock: Clock
    artifact: MeasuredArtifact
    threads: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)] = 1
    cores: tuple[int, ...] = ()
    input_lengths: tuple[int, ...] = ()
    latency_ms: MeasuredLatency
    runs: tuple[Annotated[int, Field(ge=0)], ...]
    peak_rss_bytes: Annotated[int, Field(ge=0)]
    score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    metric: str = "score"
    stable: bool
    reasons: tuple[str, ...] = ()
    rss_bytes: Mapping[str, Annotated[int, Field(ge=0)]] = {}
    machine: Mapping[str, Any] = {}
    machine_after: Mapping[str, Any] = {}
    memory: Mapping[str, Mapping[str, Annotated[int, Field(ge=0)]]] = {}
    cold: MeasuredStart | None = None
    energy_mj: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    machine_during: tuple[Sampling | None, ...] = ()
    operators: MeasuredOperators | None = None
    against_float: MeasuredAgainstFloat | None = None
    budget: Mapping[str, Any] = {}

    @model_validator(mode="after")
    def _runs_have_the_samples(self) -> Measured:
        if sum(self.runs) != len(self.latency_ms.samples):
            raise ValueError(f"the runs have {sum(self.runs)} samples, latency_ms has {len(self.latency_ms.samples)}")
        return self

    @property
    def latency_by_run(self) -> list[list[float]]:
        """The samples of each process."""
        rest = iter(self.latency_ms.samples)
        return [list(islice(rest, count)) for count in self.runs]

    @property
    def grouped_ms(self) -> Grouped:
        """The samples by run and input; all inputs are one where an earlier version did not say how many there were."""
        return by_run_and_input(self.latency_by_run, len(self.input_lengths) or 1)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One quantity before and after; changes are in percent of the former, with their interval where one is known."""

    name: str
    unit: str
    before: float
    after: float
    change_percent: float
    low_percent: float | None = None
    high_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class OperatorDifference:
    """What one kind of operator takes of an inference, in ms."""

    name: str
    delegated: bool
    before_ms: float
    after_ms: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`obstacles` say why the two should not be compared; `score_change` is in points of a hundred.

    `stages` are those of the builds, where the bundles of both are at hand.
    """

    before: Measured
    after: Measured
    obstacles: tuple[str, ...]
    differences: tuple[Difference, ...]
    score_change: float | None
    operators: tuple[OperatorDifference, ...]
    stages: tuple[StageDifference, ...] = ()

    @property
    def latency(self) -> Difference | None:
        """That of the latency; None where one of the two has no samples."""
        return next((each for each in self.differences if each.name == "latency"), None)

    def document(self) -> dict[str, Any]:
        """As `edgewright compare --json` prints it."""
        return {
            "before": _named(self.before),
            "after": _named(self.after),
            "obstacles": list(self.obstacles),
            "differences": [asdict(each) for each in self.differences],
            "score_change_points": self.score_change,
            "operators": [asdict(each) for each in self.operators],
            "stages": [asdict(each) for each in self.stages],
        }


def measured_of(document: Any, place: str) -> Measured:
    """Check a document. Raises `InvalidFileError` with every fault; `place` is where it came from."""
    try:
        return Measured.model_validate(document)
    except ValidationError as error:
        raise InvalidFileError(f"the measurement {place}", faults_of(error, whole="document")) from error


def read_measured(file: Path) -> Measured:
    """A document from a file. Raises `InputError` when it is none."""
    try:
        if file.stat().st_size > LARGEST_DOCUMENT_BYTES:
            raise InputError(f"{file} is too large to be a measurement; give what `edgewright bench --json` printed")
        data = file.read_bytes()
    except OSError as error:
        raise _no_measurement(file, error) from error
    document = parse_json(data, name=str(file), error=lambda place, what: _no_measurement(file, f"{place} {what}"))
    return measured_of(document, str(file))


def _no_measurement(file: Path, reason: object) -> InputError:
    return InputError(f"{file} cannot be read as a measurement: {reason}; give what `edgewright bench --json` printed")


def compare(before: Measured, after: Measured) -> Comparison:
    """What `after` is against `before`. Raises nothing: where they should not be compared, `obstacles` say why."""
    differences = [
        _difference("peak memory", "bytes", before.peak_rss_bytes, after.peak_rss_bytes),
        _difference("artifact", "bytes", before.artifact.bytes, after.artifact.bytes),
    ]
    if latency := _latency(before, after):
        differences.insert(0, latency)
    known = before.score is not None and after.score is not None and before.metric == after.metric
    return Comparison(
        before=before,
        after=after,
        obstacles=tuple(_obstacles(before, after)),
        differences=tuple(differences),
        score_change=100 * (after.score - before.score) if known else None,  # type: ignore[operator]
        operators=_operators(before, after),
    )


def _latency(before: Measured, after: Measured) -> Difference | None:
    other = len(before.input_lengths) != len(after.input_lengths)  # an obstacle; forced, the whole is compared
    groups = [by_run_and_input(each.latency_by_run, 1) if other else each.grouped_ms for each in (after, before)]
    if (found := ratio(*groups, apart=apart_from_others(after.clock, after.machine))) is None:
        return None
    return Difference(
        name="latency",
        unit="ms",
        before=percentile(before.latency_ms.samples, 50),
        after=percentile(after.latency_ms.samples, 50),
        change_percent=100 * (found.value - 1),
        low_percent=100 * (found.low - 1),
        high_percent=100 * (found.high - 1),
    )


def _difference(name: str, unit: str, before: float, after: float) -> Difference:
    change = 100 * (after - before) / before if before else 0.0
    return Difference(name=name, unit=unit, before=before, after=after, change_percent=change)


def _obstacles(before: Measured, after: Measured) -> Iterator[str]:
    for what, one, other in (
        ("clocks", before.clock, after.clock),
        ("runtimes", _runtime(before), _runtime(after)),
        ("numbers of threads", before.threads, after.threads),
        ("batches", before.batch, after.batch),
        ("cores", list(before.cores) or "any", list(after.cores) or "any"),
    ):
        if one != other:
            yield f"they have other {what}: {one} and {other}"
    if before.input_lengths and after.input_lengths and before.input_lengths != after.input_lengths:
        yield "they were given other inputs, whose sizes differ"
    for fact in MACHINE:
        here, there = before.machine.get(fact), after.machine.get(fact)
        if here is not None and there is not None and here != there:
            yield f"they ran on other machines: {fact} is {here} and {there}"
    for name, each in (("first", before), ("second", after)):
        if not each.stable:
            yield f"the {name} is not stable: {'; '.join(each.reasons) or 'it does not say why'}"


def _runtime(measured: Measured) -> str:
    return f"{measured.artifact.runtime} {measured.artifact.runtime_version}"


def _operators(before: Measured, after: Measured) -> tuple[OperatorDifference, ...]:
    """The largest changes first; nothing where either was measured without them."""
    if before.operators is None or after.operators is None:
        return ()
    taken: dict[tuple[str, bool], list[float]] = {}
    for place, measured in enumerate((before.operators, after.operators)):
        for row in measured.rows:
            taken.setdefault((row.name, row.delegated), [0.0, 0.0])[place] += row.ms
    rows = (
        OperatorDifference(name=name, delegated=delegated, before_ms=times[0], after_ms=times[1])
        for (name, delegated), times in taken.items()
    )
    return tuple(sorted(rows, key=lambda row: -abs(row.after_ms - row.before_ms)))


def _named(measured: Measured) -> dict[str, Any]:
    artifact = measured.artifact
    return {
        "bundle": measured.name or measured.bundle,
        "target": measured.target,
        "clock": measured.clock,
        "runtime": artifact.runtime,
        "runtime_version": artifact.runtime_version,
        "sha256": artifact.sha256,
        "stable": measured.stable,
        "score": measured.score,
    }
