"""What int8 buys the whole teacher and the demo's student under every runtime, here and on emulated cores.

    python -m tests.benchmarks.quantisation [--json] [--quick] [--teacher] [--student] [--batches] [--cores]

Without a switch everything is made; a switch makes its part alone. One run, one thread. Of the teacher, unpruned, and
beside what one has without this project: latencies at 64 tokens and at the real lengths of questions, files, cosines
with the float model on held-out sentences, memory, and how much of the runtime's own int8 peak the linear layers reach.
That peak is measured beside them: eight int8 layers of 1024 × 1024 on 64 tokens. Of the demo's student, which is made
first where it has not been (minutes), each int8 file against its float twin; and questions of like length one at a time
and several at once, on one thread and on two. On emulated Cortex-A53, A72 and A76 times are of a clock that counts
instructions: ratios of them compare, but they are no milliseconds of a real board. `--quick` times fewer rounds.
"""

import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgewright.base.digest import sha256_of
from edgewright.base.progress import Silent
from edgewright.base.quiet import quiet
from edgewright.devices.host_latency import Contender, HostLatency, compare_on_host, ratio_of
from edgewright.measure.deployment import deploy
from edgewright.measure.measuring import measure
from edgewright.measure.protocol import Protocol
from edgewright.modality.encoded import Encoded
from edgewright.modality.text_spec import TextInputSpec
from edgewright.models.macs import sizes
from edgewright.models.model import TransformerModel
from edgewright.models.text import TextModule, outputs
from edgewright.runtimes.executorch.export_int8 import executorch_int8
from edgewright.runtimes.litert import export as litert
from edgewright.runtimes.litert import int8 as flatbuffer
from edgewright.runtimes.litert.int8 import by_entry
from edgewright.runtimes.onnx import export as onnx
from edgewright.runtimes.onnx import int8 as onnx_int8
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import Subject, export_input, signature_of
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import load_profile
from edgewright.specs.recipe import load_recipe
from edgewright.stages import Plan
from edgewright.targets import open_target
from edgewright.targets.base import Target
from tests.benchmarks.machine import shown
from tests.benchmarks.options import parsed
from tests.calls import answered, text_calls
from tests.stages.builds import Made, build_of, model_of, texts_of, tokenizer_of

LONGEST = 64
LENGTHS = (16, 32, LONGEST)
ASKED = 48  # questions that are timed at their real lengths
LONG = 8  # texts of 64 tokens
COMPARED = 500
EXAMPLES = 128
PEAK_WIDTH, PEAK_LAYERS = 1024, 8
EAGER = "PyTorch eager, float"
BY_ITSELF = "ai_edge_quantizer {}, one signature of 64"
GOALS = {
    "executorch int8": {"against_float": 2.5, "mb": 25.0, "cosine": 0.995},
    "litert int8": {"cosine": 0.998},
}
BEYOND_FILE_MB = 12.0  # of the native runner's memory
REAL_AGAINST_LONG = 2.0

ONE_LENGTH = TextInputSpec(max_length=LONGEST, lengths=(LONGEST,))


CORES = {"raspberry-pi-zero-2-w": "Cortex-A53", "raspberry-pi-4": "Cortex-A72", "raspberry-pi-5": "Cortex-A76"}
ON_CORES = Protocol(restarts=1, warmup_runs=1, warmup_s=0.0, samples=6, min_seconds=0.0, max_seconds=8.0)
ASKED_OF_CORES = 2  # questions

BATCH, THREADS = 8, (1, 2)
BATCHED = ("executorch", "litert")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One file of a model; `float_name` is the variant it is to be faster than."""

    name: str
    runtime: str
    file: Path
    lengths: tuple[int, ...]
    float_name: str


class Peak(nn.Module):
    """Almost nothing but large matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(128, PEAK_WIDTH)
        self.layers = nn.ModuleList(nn.Linear(PEAK_WIDTH, PEAK_WIDTH) for _ in range(PEAK_LAYERS))

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.tokens(ids)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden.mean(dim=1)

    @staticmethod
    def macs() -> int:
        """Of 64 tokens."""
        return LONGEST * PEAK_LAYERS * PEAK_WIDTH * PEAK_WIDTH


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A model, and texts in its tokens: to be compared on, asked at their real lengths, and to take scales from."""

    model: TransformerModel
    compared: Sequence[Encoded]
    questions: Sequence[Sequence[int]]
    taught: Sequence[Sequence[int]]

    @classmethod
    def of(cls, plan: Plan, texts: Made, model: Made, tokens: Made) -> Self:
        """One of the demo's models, with its tokenizer."""
        tokenizer = tokenizer_of(plan, tokens).cut_at(LONGEST)
        rows = texts_of(texts).test
        sample = random.Random(0).sample(sorted({text for row in rows for text in (row.text, str(row.pair))}), COMPARED)
        asked = tokenizer.encode([row.text for row in random.Random(1).sample(rows, ASKED)])
        seen = tokenizer.encode(random.Random(2).sample(texts_of(texts).training_texts, EXAMPLES))
        return cls(
            model=model_of(model),
            compared=tokenizer.encode(sample),
            questions=[row.ids for row in asked],
            taught=[row.ids for row in seen],
        )


def main() -> None:
    options = parsed(
        __doc__,
        teacher="the whole teacher",
        student="the demo's student",
        batches="the demo's student asked several questions at once",
        cores="both by instruction clock",
    )
    parts = ("teacher", "student", "batches", "cores")
    found = figures([name for name in parts if getattr(options, name)] or parts, quick=options.quick)
    shown(options, found, table)


def figures(parts: Collection[str], *, quick: bool) -> dict[str, Any]:
    """Those parts, of the demo's models."""
    plan = Plan(recipe=load_recipe("demo"), profile=load_profile("raspberry-pi-4"), progress=Silent())
    whole = build_of(plan, last="teacher")
    texts, first = (Made.of(result) for result in whole.made)
    teacher, student = Asked.of(plan, texts, first, first), None
    if {"student", "batches", "cores"} & set(parts):
        made = build_of(plan)
        student = Asked.of(plan, texts, *(Made.of(made.result(part)) for part in ("student", "inputs")))
    found: dict[str, Any] = {}
    if "teacher" in parts:
        found["teacher"] = teacher_figures(teacher, quick=quick)
    if student and "student" in parts:
        found["student"] = student_figures(student, quick=quick)
    if student and "batches" in parts:
        found["batches"] = batch_figures(student, quick=quick)
    if student and "cores" in parts:
        found["cores"] = core_figures({"teacher": teacher, "student": student}, quick=quick)
    return found


def student_figures(asked: Asked, *, quick: bool) -> list[dict[str, Any]]:
    """Each int8 file of the student against its float twin, asked questions."""
    with tempfile.TemporaryDirectory() as scratch:
        made = variants(asked.model, Path(scratch), asked.taught)
        timed = race(made, asked.questions, rounds=2 if quick else 5)
        expected = outputs(asked.model, asked.compared)
        return [
            {
                "name": each.name,
                "ms": timed[each.name].p50_ms,
                **_ratio(timed[each.float_name], timed[each.name]),
                "bytes": each.file.stat().st_size,
                "cosine": cosines_of(each, asked.compared, expected),
                "peak_rss_bytes": timed[each.name].peak_rss_bytes,
            }
            for each in made
        ]


def batch_figures(asked: Asked, *, quick: bool) -> list[dict[str, Any]]:
    """int8 files of the student that also take several questions at once, sorted by length so that few are padded."""
    questions, found = sorted(asked.questions, key=len), []
    with tempfile.TemporaryDirectory() as scratch:
        made = variants(asked.model, Path(scratch), asked.taught, names=BATCHED, batch=BATCH)
        for each in (each for each in made if each.name != each.float_name):
            sha256, size_bytes = sha256_of(each.file), each.file.stat().st_size
            entered = {
                (threads, batch): Contender(
                    name=f"{threads} {batch}",
                    runtime=each.runtime,
                    file=each.file,
                    sha256=sha256,
                    calls=text_calls(questions, runtime=each.runtime, lengths=each.lengths, batch=batch),
                    batch=batch,
                    threads=threads,
                )
                for threads in THREADS
                for batch in (1, BATCH)
            }
            timed = compare_on_host(list(entered.values()), progress=Silent(), rounds=2 if quick else 5)
            for threads in THREADS:
                alone, together = (timed[entered[threads, batch].name].mean_ms / batch for batch in (1, BATCH))
                found.append(
                    {"runtime": each.runtime, "threads": threads, "batch": BATCH, "bytes": size_bytes}
                    | {"alone_per_second": 1e3 / alone, "batch_per_second": 1e3 / together, "gain": alone / together}
                )
    return found


def core_figures(asked: Mapping[str, Asked], *, quick: bool) -> list[dict[str, Any]]:
    """Float and int8 of both models on emulated cores, asked questions; milliseconds of the instruction clock."""
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        made: dict[str, list[Variant]] = {}
        for name, each in asked.items():
            folder = Path(scratch, name)
            folder.mkdir()
            made[name] = variants(each.model, folder, each.taught)
        for board, core in itertools.islice(CORES.items(), 1 if quick else None):
            target = open_target(f"emulated://{board}", instruction_clock=True)
            try:
                for name, files in made.items():
                    questions = asked[name].questions[:ASKED_OF_CORES]
                    ms = {each.name: by_instructions(target, each, questions) for each in files if supported(each)}
                    found += [
                        {"core": core, "model": name, "name": each.name, "ms": ms[each.name]}
                        | {"against_float": ms[each.float_name] / ms[each.name]}
                        for each in files
                        if each.name in ms
                    ]
            finally:
                target.close()
    return found


def supported(variant: Variant) -> bool:
    """Whether the boards' runtimes are compared for it: those that a Raspberry Pi would be given."""
    return variant.runtime != "onnx"


def by_instructions(target: Target, variant: Variant, questions: Sequence[Sequence[int]]) -> float:
    """The median of one file there."""
    place = deploy(target, variant.file, runtime=variant.runtime)
    given = text_calls([list(ids) for ids in questions], runtime=variant.runtime, lengths=variant.lengths)
    timed = measure(target, place.artifact, place.runtime, given, protocol=ON_CORES, clock="instructions")
    return statistics.median(timed.latency_ms)


def teacher_figures(asked: Asked, *, quick: bool) -> dict[str, Any]:
    """Every variant of the teacher, at two lengths, beside what others make of it."""
    model, compared = asked.model, asked.compared
    long = [row.ids for row in compared if len(row.ids) == LONGEST][:LONG]
    expected = outputs(model, compared)
    linear_macs = linear_macs_of(model)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        made = [*variants(model, folder, asked.taught), *others(model, folder)]
        peaks = peak_variants(folder)
        timed = {
            "long": race([*made, *peaks], long, rounds=2 if quick else 5),
            "real": race(made, asked.questions, rounds=2 if quick else 5),
        }
        cosines = {each.name: cosines_of(each, compared, expected) for each in made}
        bytes_of = {each.name: each.file.stat().st_size for each in made}
    eager = {kind: eager_ms(model, ids) for kind, ids in (("long", long), ("real", asked.questions))}
    found = [{"name": EAGER, "ms": eager, "bytes": 4 * model.parameters_count, "cosine": {"mean": 1.0, "least": 1.0}}]
    peak = {each.runtime: Peak.macs() / timed["long"][each.name].p50_ms for each in peaks}
    for each in made:
        ms = {kind: results[each.name].p50_ms for kind, results in timed.items()}
        ratios = {kind: ratio_of(results[each.float_name], results[each.name]) for kind, results in timed.items()}
        entry: dict[str, Any] = {
            "name": each.name,
            "ms": ms,
            "against_float": {kind: ratio.value for kind, ratio in ratios.items()},
            "marks": list(dict.fromkeys(mark for ratio in ratios.values() for mark in ratio.marks)),
            "bytes": bytes_of[each.name],
            "cosine": cosines[each.name],
            "peak_rss_bytes": timed["real"][each.name].peak_rss_bytes,
        }
        if each.name != each.float_name:
            entry["utilisation"] = linear_macs / ms["long"] / peak[each.runtime]
        found.append(entry)
    return {
        "variants": found,
        "peak_int8_gops": {runtime: 2e-6 * per_ms for runtime, per_ms in peak.items()},
        "linear_macs_at_64": linear_macs,
        "processor": next(iter(timed["real"].values())).processor,
        "mean_tokens": statistics.fmean(map(len, asked.questions)),
        "compared": COMPARED,
        "goals": {"variants": GOALS, "beyond_file_mb": BEYOND_FILE_MB, "real_against_long": REAL_AGAINST_LONG},
    }


def variants(
    model: TransformerModel,
    folder: Path,
    examples: Sequence[Sequence[int]],
    *,
    names: Collection[str] = tuple(RUNTIMES),
    batch: int = 1,
) -> list[Variant]:
    """A model's files for each runtime; `examples` are training texts, for fixed scales where a runtime needs those."""
    made: list[Variant] = []
    subject = Subject(model=model, spec=TextInputSpec(max_length=LONGEST, lengths=LENGTHS, batch=batch))
    for name in names:
        runtime = RUNTIMES[name]
        lengths = LENGTHS if runtime.fixed_shapes else ()
        twin, small = (folder / f"{name}-{kind}{runtime.suffix}" for kind in ("float", "int8"))
        runtime.write_float(subject.for_runtime(runtime), twin)
        runtime.write_int8(
            subject.for_runtime(runtime),
            twin,
            small,
            Int8(examples=subject.calibration(examples, runtime) if not runtime.supports("dynamic-int8") else ()),
        )
        for kind, file in (("float", twin), ("int8", small)):
            made.append(
                Variant(name=f"{name} {kind}", runtime=name, file=file, lengths=lengths, float_name=f"{name} float")
            )
    return made


def others(model: TransformerModel, folder: Path) -> list[Variant]:
    """What a quantiser makes of it by itself."""
    made: list[Variant] = []
    subject = Subject(model=model, spec=ONE_LENGTH)
    alone = folder / "alone.tflite"
    RUNTIMES["litert"].write_float(subject.for_runtime(RUNTIMES["litert"]), alone)
    for recipe in ("dynamic_wi8_afp32", "weight_only_wi8_afp32"):
        file = folder / f"{recipe}.tflite"
        as_it_comes(alone, recipe, file)
        name = BY_ITSELF.format(recipe)
        made.append(Variant(name=name, runtime="litert", file=file, lengths=(LONGEST,), float_name="litert float"))
    return made


def peak_variants(folder: Path) -> list[Variant]:
    """The large products as int8 under each runtime."""
    torch.manual_seed(0)
    module = Peak().eval()
    executorch_int8(export_input(module, ONE_LENGTH, RUNTIMES["executorch"]), folder / "peak-executorch.pte")
    litert.export(export_input(module, ONE_LENGTH, RUNTIMES["litert"]), folder / "peak.float.tflite")
    flatbuffer.with_int8(folder / "peak.float.tflite", folder / "peak-litert.tflite")
    example = ONE_LENGTH.arrays([[1] * LONGEST], RUNTIMES["tflite"].index_dtype)
    flatbuffer.with_int8(
        folder / "peak.float.tflite",
        folder / "peak-tflite.tflite",
        examples=by_entry(signature_of(module, ONE_LENGTH, RUNTIMES["tflite"]), [example]),
    )
    onnx.export(export_input(module, ONE_LENGTH, RUNTIMES["onnx"]), folder / "peak.float.onnx")
    onnx_int8.with_int8(folder / "peak.float.onnx", folder / "peak-onnx.onnx")
    return [
        Variant(
            name=f"{name} peak",
            runtime=name,
            file=folder / f"peak-{name}{runtime.suffix}",
            lengths=(LONGEST,) if runtime.fixed_shapes else (),
            float_name="",
        )
        for name, runtime in RUNTIMES.items()
    ]


def as_it_comes(source: Path, recipe_name: str, destination: Path) -> None:
    """A quantiser's own recipe, with nothing of ours."""
    from ai_edge_quantizer import quantizer, recipe

    with quiet():
        worker = quantizer.Quantizer(str(source))
        worker.load_quantization_recipe(getattr(recipe, recipe_name)())
        worker.quantize().export_model(str(destination))


def race(made: Sequence[Variant], inputs: Sequence[Sequence[int]], *, rounds: int) -> Mapping[str, HostLatency]:
    """All in turn, given the same texts."""
    contenders = [
        Contender(
            name=each.name,
            runtime=each.runtime,
            file=each.file,
            sha256=sha256_of(each.file),
            # The peak's table is small; which tokens it reads does not matter.
            calls=text_calls(
                tuple(tuple(1 + token % 100 if not each.float_name else token for token in ids) for ids in inputs),
                runtime=each.runtime,
                lengths=each.lengths,
            ),
        )
        for each in made
    ]
    return compare_on_host(contenders, progress=Silent(), rounds=rounds)


def _ratio(slow: HostLatency, fast: HostLatency) -> dict[str, Any]:
    """How much faster here, and what marks that."""
    found = ratio_of(slow, fast)
    return {"against_float": found.value, "marks": list(found.marks), "processor": fast.processor}


def _shown(ratio: float | None, marks: Sequence[str]) -> str:
    """A ratio, with a star where it is marked."""
    return f"{'–' if ratio is None else f'{ratio:.2f}×'}{'*' if marks else ''}"


def cosines_of(variant: Variant, rows: Sequence[Encoded], expected: Tensor) -> dict[str, float]:
    """With the float teacher: the mean and the least of all sentences."""
    form = TextInputSpec(max_length=LONGEST, lengths=variant.lengths)
    said = answered(variant.runtime, variant.file, form, [row.ids for row in rows])
    found = functional.cosine_similarity(said, expected, dim=-1)
    return {"mean": float(found.mean()), "least": float(found.min())}


def eager_ms(model: TransformerModel, inputs: Sequence[Sequence[int]]) -> float:
    """The median of PyTorch itself on one thread."""
    module, threads = TextModule(model, padded=False), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = []
        with torch.inference_mode():
            for ids in itertools.islice(itertools.cycle(inputs), 10 + 2 * len(inputs)):
                row = torch.tensor([ids])
                started = time.perf_counter()
                module(row)
                taken.append(1e3 * (time.perf_counter() - started))
    finally:
        torch.set_num_threads(threads)
    return statistics.median(taken[10:])


def linear_macs_of(model: TransformerModel) -> int:
    """Of the linear layers, for one text of 64 tokens."""
    counted = sizes(model, (torch.ones(1, LONGEST, dtype=torch.long), None))
    return sum(layer.macs for layer in counted.layers if layer.kind == "Linear")


def table(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    tables = []
    if "cores" in found:  # the devices first
        tables.append(core_table(found["cores"]))
    if "teacher" in found:
        tables.append(teacher_table(found["teacher"]))
    if "student" in found:
        head = f"demo's student on {found['student'][0]['processor']}"
        lines = [f"| {head} | real lengths, ms | × its float there | size | cosine, mean (least) | peak memory |"]
        lines.append("|---|---|---|---|---|---|")
        lines += [
            f"| {each['name']} | {each['ms']:.2f} | {_shown(each['against_float'], each['marks'])} | "
            f"{each['bytes'] / 1e6:.1f} MB | {each['cosine']['mean']:.4f} ({each['cosine']['least']:.4f}) | "
            f"{each['peak_rss_bytes'] / 1e6:.1f} MB |"
            for each in found["student"]
        ]
        tables.append("\n".join(lines))
    if "batches" in found:
        lines = ["| demo's student, int8 | threads | one at a time | several at once | gain |", "|---|---|---|---|---|"]
        lines += [
            f"| {each['runtime']} | {each['threads']} | {each['alone_per_second']:.0f} a second | "
            f"{each['batch_per_second']:.0f} a second, {each['batch']} at once | {each['gain']:.2f}× |"
            for each in found["batches"]
        ]
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def core_table(found: Sequence[Mapping[str, Any]]) -> str:
    """A row for each file, a column for each core."""
    cores = list(dict.fromkeys(each["core"] for each in found))
    by_file: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for each in found:
        by_file.setdefault((each["model"], each["name"]), {})[each["core"]] = each
    lines = [f"| by instruction clock | file | {' | '.join(cores)} |", "|---|---|" + "---|" * len(cores)]
    for (model, name), there in by_file.items():
        cells = [f"{there[core]['ms']:.1f} ms, {there[core]['against_float']:.2f}×" for core in cores]
        lines.append(f"| {model} | {name} | {' | '.join(cells)} |")
    said = "Emulated: the clock counts instructions. Its ratios compare, but no real board takes so many milliseconds."
    return "\n".join([*lines, "", said])


def teacher_table(found: Mapping[str, Any]) -> str:
    """The teacher's part of it."""
    lines = [
        f"| whole teacher on {found['processor']} | 64 tokens, ms | × its float there | real lengths, ms "
        "| × its float there | size | cosine, mean (least) | peak memory | of int8 peak |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found["variants"]:
        goal = found["goals"]["variants"].get(each["name"], {})
        ratios = each.get("against_float", {})
        marks = each.get("marks", ())
        shown = {kind: _shown(ratios[kind], marks) if kind in ratios else "–" for kind in ("long", "real")}
        wanted = {name: f" (goal {goal[name]:g})" if name in goal else "" for name in ("against_float", "mb", "cosine")}
        memory = f"{each['peak_rss_bytes'] / 1e6:.1f} MB" if "peak_rss_bytes" in each else "–"
        used = f"{100 * each['utilisation']:.0f} %" if "utilisation" in each else "–"
        lines.append(
            f"| {each['name']} | {each['ms']['long']:.2f} | {shown['long']}{wanted['against_float']} | "
            f"{each['ms']['real']:.2f} | {shown['real']} | {each['bytes'] / 1e6:.1f} MB{wanted['mb']} | "
            f"{each['cosine']['mean']:.4f} ({each['cosine']['least']:.4f}){wanted['cosine']} | {memory} | {used} |"
        )
    peaks = ", ".join(f"{runtime} {gops:.0f}" for runtime, gops in found["peak_int8_gops"].items())
    lines += [
        "",
        f"One thread, batch 1; questions have {found['mean_tokens']:.0f} tokens on average; cosines on "
        f"{found['compared']} held-out sentences of at most 64 tokens; times, medians of one run, and "
        "their ratios are of this machine alone. "
        f"Peaks of int8 in giga-operations a second: {peaks}. Goals: the native runner takes no more memory than the "
        f"file and {found['goals']['beyond_file_mb']:g} MB; real lengths are {found['goals']['real_against_long']:g}× "
        "faster than 64.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
