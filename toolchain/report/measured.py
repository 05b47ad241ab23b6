"""A measurement that was kept: a document of `edgewright bench --json`, read as far as comparisons and reports do.

In:  a file, or a document from the history, of this or of another version.
Out: `Measured`, whose parts are checked; or an error with every fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgewright.base.reading import faults_of
from edgewright.base.untrusted import parse_json
from edgewright.errors import InputError, InvalidFileError
from edgewright.measure.runner_documents import Sampling
from edgewright.measure.stats import Grouped, by_run_and_input
from edgewright.specs.profiles import Clock

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


class MeasuredTimes(_Read):
    """Percentiles in ms, with the interval of the median."""

    p50: Amount
    p90: Amount
    p99: Amount
    low: Amount
    high: Amount


class MeasuredFirstToken(MeasuredTimes):
    """The same, with the samples of each process."""

    runs: tuple[tuple[Amount, ...], ...]


class MeasuredPrompt(_Read):
    """Prompts of so many tokens. Rates are None by a clock of instructions, instructions by any other."""

    tokens: Annotated[int, Field(gt=0)]
    first_token_ms: MeasuredFirstToken
    prefill_ms: Amount
    prefill_tokens_per_second: Amount | None = None
    first_token_instructions: Annotated[int, Field(ge=0)] | None = None
    prefill_instructions_per_token: Annotated[int, Field(ge=0)] | None = None


class MeasuredContext(_Read):
    """Tokens where so many stand in the context."""

    tokens: Annotated[int, Field(gt=0)]
    token_ms: MeasuredTimes
    tokens_per_second: Amount | None = None
    tokens_per_second_low: Amount | None = None
    tokens_per_second_high: Amount | None = None
    instructions_per_token: Annotated[int, Field(ge=0)] | None = None
    read_bytes_per_token: Annotated[int, Field(ge=0)] = 0
    read_gb_s: Amount | None = None


class MeasuredGeneration(_Read):
    """How an artifact wrote text: rising lengths of prompts, and rising contexts."""

    context_tokens: Annotated[int, Field(gt=0)]
    typical_prompt_tokens: Annotated[int, Field(gt=0)]
    first_token_ms: Amount | None = None
    tokens_per_second: Amount | None = None
    prompts: Annotated[tuple[MeasuredPrompt, ...], Field(min_length=1)]
    contexts: Annotated[tuple[MeasuredContext, ...], Field(min_length=1)]
    cache_bytes: Annotated[int, Field(ge=0)] = 0
    bandwidth_gb_s: Amount | None = None
    bandwidth_source: Annotated[str, Field(max_length=1000)] | None = None
    bandwidth_share: Amount | None = None

    @property
    def first_token_grouped_ms(self) -> Grouped:
        """The times to a first token by process, and in it by length."""
        return [list(runs) for runs in zip(*(each.first_token_ms.runs for each in self.prompts), strict=True)]

    @property
    def lengths(self) -> tuple[int, ...]:
        """Of the prompts."""
        return tuple(each.tokens for each in self.prompts)

    @model_validator(mode="after")
    def _as_many_processes_each(self) -> MeasuredGeneration:
        if len({len(each.first_token_ms.runs) for each in self.prompts}) > 1:
            raise ValueError("its prompts were measured in unlike numbers of processes")
        return self


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
    machine: Mapping[str, object] = {}
    machine_after: Mapping[str, object] = {}
    memory: Mapping[str, Mapping[str, Annotated[int, Field(ge=0)]]] = {}
    cold: MeasuredStart | None = None
    energy_mj: Mapping[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    machine_during: tuple[Sampling | None, ...] = ()
    operators: MeasuredOperators | None = None
    against_float: MeasuredAgainstFloat | None = None
    generation: MeasuredGeneration | None = None
    budget: Mapping[str, object] = {}

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


def measured_of(document: object, place: str) -> Measured:
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
