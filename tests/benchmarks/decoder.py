"""Decoders that write: SmolLM2-135M uncut against llama.cpp, and a student against its teacher.

    python -m tests.benchmarks.decoder [--json] [--quick] [--keep FOLDER]
        [--student BUNDLE [--alone] [--cache FOLDER] [--tokens N …] [--curve FILE]]

The teacher is exported in int8 and int4 and runs in the runners that devices get, beside llama.cpp with the same
weights in Q8_0 and Q4_0, each in processes of its own, in turns: what is told is the median of the rounds' ratios, as
both halves of a round meet the same machine. Instructions a token are of emulated boards whose clock counts them. The
figures of a student are of its bundle, and of its models in the cache that it was built in: nothing is trained for them
but what `--tokens` asks for, the student, one of evenly spaced layers and one of random weights on so many tokens each.
`--quick` is one round of one thread without a board, and fewer held-out texts. What was not measured is said to be so.
"""

import argparse
import os
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from edgewright.bundles.bundle import Bundle
from edgewright.errors import InputError
from edgewright.measure.deployment import Deployed, Deployer
from edgewright.measure.generating import generate
from edgewright.measure.measuring import measure
from edgewright.measure.prompts import Decoding, prompt_of
from edgewright.measure.protocol import Protocol, RunOptions
from edgewright.models import decoder_teacher
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.quantization import INT4_GROUP, Int8
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.recipe import ModelSource
from edgewright.specs.signature import Call, Signature
from edgewright.targets import open_target
from tests.benchmarks import decoder_student, llama_cpp
from tests.benchmarks.machine import Watch, shown
from tests.benchmarks.rows import Row, row
from tests.benchmarks.student_builds import StudentCase

FACTORY = "edgewright.models.factories:smollm2_135m"
CONTEXT, PROMPT, STEPS = 512, 64, 48
ROUNDS = 5
FORMS = (("executorch", "int8"), ("executorch", "int4"), ("litert", "int8"))
PEERS = {"int8": "Q8_0", "int4": "Q4_0"}
BOARDS = {"A53": "raspberry-pi-zero-2-w", "A72": "raspberry-pi-4", "A76": "raspberry-pi-5"}
INSTRUCTIONS_A_MS = 500_000  # of 2 ns
ON_CORE = replace(Protocol.instructions(), samples=3, warmup_runs=1, max_seconds=120.0)
NOT_MEASURED = "not measured"
MEMORY_BESIDE_BYTES = 16e6
SPEED_GOAL, PREFILL_GOAL = 0.9, 4.0
NOT_YET = ("llama.cpp in instructions on emulated boards",)
A_STUDENT = "a student: give --student BUNDLE"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file of a decoder and how it is asked."""

    runtime: str
    weights: str
    file: Path
    signature: Signature

    @property
    def title(self) -> str:
        return f"{self.file.suffix} {self.weights}"

    def call(self, length: int, position: int) -> Call:
        """Of so many ids from a position on."""
        plan = self.signature.generation
        assert plan is not None
        method = self.signature.method(plan.decode if length == 1 else plan.prefill)
        dtype = method.inputs[0].dtype
        ids = np.array([[7 + place % 1000 for place in range(length)]], dtype)
        return method.call({plan.ids: ids, plan.position: np.array([position], dtype)})


@dataclass(frozen=True, kw_only=True)
class Round:
    """One process: a prompt read, and steps after it."""

    prefill_ms: float
    step_ms: float
    first_token_ms: float | None
    peak_rss_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    parser.add_argument("--quick", action="store_true", help="one round of one thread, and no emulated board")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the exported files there, or take them")
    parser.add_argument("--student", type=Path, metavar="BUNDLE", help="a bundle of a model that writes")
    parser.add_argument(
        "--alone", action="store_true", help="the student's own rows alone, without the teacher's files"
    )
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="where the student was built, for its models")
    parser.add_argument("--tokens", type=int, nargs="+", metavar="N", help="train the student and others on so many")
    parser.add_argument("--curve", type=Path, metavar="FILE", help="[tokens, score] pairs of the student's checkpoints")
    options = parser.parse_args()
    if options.student is None and (options.alone or options.cache or options.tokens or options.curve):
        parser.error("--alone, --cache, --tokens and --curve are of a student; give --student BUNDLE")
    if options.cache:
        os.environ["EDGEWRIGHT_CACHE_DIR"] = str(options.cache)
    options.watch = Watch()
    with TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        shown(options, figures(folder, options), table)


def figures(folder: Path, options: Namespace) -> dict[str, Any]:
    """All that this prints."""
    quick, rows, counted, lacking = options.quick, list[Row](), list[dict[str, Any]](), list(NOT_YET)
    if not options.alone:
        artifacts = list(teacher_artifacts(folder))
        rows += teacher_rows(artifacts, (1,) if quick else (1, 2), 1 if quick else ROUNDS)
        counted += [] if quick else instruction_rows(artifacts)
    if not counted:
        lacking.append(f"instructions a token: not with {'--alone' if options.alone else '--quick'}")
    if options.student is None:
        lacking.append(A_STUDENT)
    else:
        of_student, missing = student_rows(options, counted)
        rows, lacking = [*rows, *of_student], [*lacking, *missing]
    return {"rows": rows, "instructions": counted, "not_measured": lacking}


def teacher_artifacts(folder: Path) -> Iterator[Artifact]:
    """SmolLM2-135M uncut in each form; what a folder has is taken."""
    model = None
    for runtime, weights in FORMS:
        descriptor = RUNTIMES[runtime]
        file = folder / f"smollm2-135m-{weights}{descriptor.suffix}"
        described = file.with_name(f"{file.name}.signature.json")
        if not described.is_file():
            model = model or decoder_teacher.load(ModelSource(factory=FACTORY), max_length=CONTEXT).model
            source = generating_input(model, descriptor, context=CONTEXT)
            float_file = folder / f"float{descriptor.suffix}"
            if descriptor.int8_of_float_file:
                descriptor.write_float(source, float_file)
            narrow = [name for name, part in source.parts().items() if part.weight.ndim == 2 and name != "tokens"]
            asked = Int8(narrow=narrow, group=INT4_GROUP) if weights == "int4" else Int8()
            descriptor.write_int8(source, float_file, file, asked)
            float_file.unlink(missing_ok=True)
            described.write_text(source.signature.model_dump_json(), encoding="utf-8")
        signature = Signature.model_validate_json(described.read_text(encoding="utf-8"))
        yield Artifact(runtime=runtime, weights=weights, file=file, signature=signature)


def teacher_rows(artifacts: Sequence[Artifact], threads: Sequence[int], rounds: int) -> Iterator[dict[str, Any]]:
    """Speeds and memory of each artifact on this machine, beside llama.cpp."""
    target = open_target("local:")
    try:
        deployer = Deployer(target)
        for artifact in artifacts:
            place = deployer.deploy(artifact.file, runtime=artifact.runtime, operators=artifact.signature.operators)
            for count in threads:
                turns = [(here(deployer, place, artifact, count), peer(artifact, count)) for _ in range(rounds)]
                yield from _speed_rows(artifact, count, turns)
    finally:
        target.close()


def here(deployer: Deployer, place: Deployed, artifact: Artifact, threads: int) -> Round:
    """One process of the runner that devices get."""
    prompt = prompt_of([7 + each for each in range(PROMPT)], artifact.signature, Decoding(max_tokens=STEPS + 1))
    writing = generate(
        deployer.target,
        place.artifact,
        place.runtime,
        artifact.signature,
        [prompt],
        options=RunOptions(threads=threads),
    )
    (text,) = writing.texts
    return Round(
        prefill_ms=text.prefill_ms,
        step_ms=median(text.token_ms),
        first_token_ms=text.first_token_ms,
        peak_rss_bytes=writing.peak_rss_bytes,
    )


def peer(artifact: Artifact, threads: int) -> Round:
    """One process of llama.cpp with the same weights in a format of as many bits."""
    kind = PEERS[artifact.weights]
    timed = llama_cpp.timed(kind, threads=threads, context=CONTEXT, prompt=PROMPT, steps=STEPS)
    return Round(
        prefill_ms=timed.prefill_ms,
        step_ms=median(timed.token_ms),
        first_token_ms=None,
        peak_rss_bytes=timed.peak_rss_bytes,
    )


def ratios_of(turns: Sequence[tuple[Round, Round]]) -> list[float]:
    """Our tokens a second over llama.cpp's, round by round."""
    return [theirs.step_ms / ours.step_ms for ours, theirs in turns]


def _speed_rows(artifact: Artifact, threads: int, turns: Sequence[tuple[Round, Round]]) -> Iterator[dict[str, Any]]:
    ours, theirs = [turn[0] for turn in turns], [turn[1] for turn in turns]
    name, kind = f"{artifact.title}, threads: {threads}", PEERS[artifact.weights]
    ratios = ratios_of(turns)
    is_goal = artifact.runtime == "executorch"
    yield row(
        f"{name}: decode, as a multiple of llama.cpp's {kind}",
        median(ratios),
        goal=SPEED_GOAL if is_goal else None,
        samples=ratios,
        tokens_per_second=[1e3 / each.step_ms for each in ours],
        peer_tokens_per_second=[1e3 / each.step_ms for each in theirs],
    )
    cheaper = [PROMPT * each.step_ms / each.prefill_ms for each in ours]
    yield row(
        f"{name}: a prompt of {PROMPT} tokens, times cheaper than as many steps",
        median(cheaper),
        goal=PREFILL_GOAL if is_goal else None,
        samples=cheaper,
        peer=[PROMPT * each.step_ms / each.prefill_ms for each in theirs],
    )
    first = [each.first_token_ms for each in ours if each.first_token_ms is not None]
    yield row(f"{name}: first token after {PROMPT}, ms", median(first), samples=first)
    if threads == 1:
        limit = artifact.file.stat().st_size + artifact.signature.state_bytes + MEMORY_BESIDE_BYTES
        highest = max(each.peak_rss_bytes for each in ours)
        goal = limit / 1e6 if is_goal else None
        yield row(f"{name}: peak memory, MB", highest / 1e6, goal=goal, is_most=True)


def instruction_rows(artifacts: Sequence[Artifact]) -> Iterator[dict[str, Any]]:
    """Instructions of a step behind a prompt, and of the prompt a token, on each emulated core."""
    for core, board in BOARDS.items():
        target = open_target(f"emulated://{board}", instruction_clock=True)
        try:
            deployer = Deployer(target)
            for artifact in artifacts:
                place = deployer.deploy(
                    artifact.file,
                    runtime=artifact.runtime,
                    state=artifact.signature.state,
                    operators=artifact.signature.operators,
                )
                step, prompt = (
                    instructions(deployer, place, artifact.call(length, position))
                    for length, position in ((1, PROMPT), (PROMPT, 0))
                )
                yield {
                    "core": core,
                    "artifact": artifact.title,
                    "million_a_step": step / 1e6,
                    "million_a_prompt_token": prompt / PROMPT / 1e6,
                }
        finally:
            target.close()


def instructions(deployer: Deployer, place: Deployed, call: Call) -> float:
    """Of one call, by the board's clock."""
    timed = measure(deployer.target, place.artifact, place.runtime, [call], protocol=ON_CORE, clock="instructions")
    return median(timed.latency_ms) * INSTRUCTIONS_A_MS


def student_rows(options: Namespace, teacher: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[str]]:
    """All that is told of a student, and what is not and why."""
    bundle = Bundle.open(options.student)
    checkpoints = decoder_student.points_in(options.curve) if options.curve else ()
    found = list(decoder_student.bundle_rows(bundle))
    case: StudentCase | InputError
    try:
        case = StudentCase.of(bundle)
    except InputError as error:
        case = error
    else:
        found += decoder_student.rows_of_case(case, tokens=options.tokens, quick=options.quick, checkpoints=checkpoints)
    best = bundle.artifact()
    if teacher and best.signature.generation is not None:
        artifact = Artifact(runtime=best.runtime, weights="int8", file=bundle.file(best.file), signature=best.signature)
        counted = list(instruction_rows([artifact]))
        found += decoder_student.instruction_ratio_rows(counted, teacher, artifact.title)
    return found, list(decoder_student.lacking(bundle, case, options.tokens, checkpoints))


def table(found: Mapping[str, Any]) -> str:
    """All rows as a person reads them."""
    lines = ["| figure | value | goal | reached |", "|---|---:|---:|---|"]
    for each in found["rows"]:
        goal = "" if each["goal"] is None else f"{each['goal']:.4g}"
        reached = "" if each["reached"] is None else "yes" if each["reached"] else "no"
        lines.append(f"| {each['name']} | {each['value']:.4g} | {goal} | {reached} |")
    lines += [f"| {each} | {NOT_MEASURED} | | |" for each in found["not_measured"]]
    if found["instructions"]:
        lines += ["", "| core | artifact | million instructions a step | and a prompt's token |", "|---|---|---:|---:|"]
    for each in found["instructions"]:
        steps = f"{each['million_a_step']:.1f} | {each['million_a_prompt_token']:.1f}"
        lines.append(f"| {each['core']} | {each['artifact']} | {steps} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
