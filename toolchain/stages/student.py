"""The stages of a build, each a function from earlier results to one cached result.

In:  a `Plan` (recipe, profile, who listens) and the results of the stages before.
Out: `Done`: the stage's folder, its settings, and what it found, as the manifest will say it.
The order in which they are called is the story of `pipeline`.
"""

from __future__ import annotations

import json
import platform
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from toolchain import cache
from toolchain.bundle import CORPUS, INDEX
from toolchain.compress import distill, importance, prune, vocabulary
from toolchain.data import texts as data
from toolchain.data.texts import Texts
from toolchain.errors import InputError
from toolchain.export import executorch, litert
from toolchain.export.parity import compare
from toolchain.host_latency import Contender, compare_on_host
from toolchain.models import teacher as teachers
from toolchain.models import text as text_models
from toolchain.models.text import OneText, TextModel
from toolchain.models.tokenizer import Encoded, TextTokenizer
from toolchain.models.training import Schedule
from toolchain.profiles import Profile
from toolchain.progress import Progress
from toolchain.quantize import flatbuffer, xnnpack
from toolchain.recipe import Recipe
from toolchain.tasks.finetune import finetune
from toolchain.tasks.lexical import Baseline, label_baseline, search_baseline
from toolchain.tasks.scores import LabelScore, Score, SearchScore
from toolchain.tasks.search_index import SearchIndex

CALIBRATION_TEXTS = 800
VECTORS = 16
FLOAT, INT8 = "float", "int8"
SUFFIXES = {"executorch": ".pte", "litert": ".tflite"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all stages share."""

    recipe: Recipe
    profile: Profile
    progress: Progress

    @property
    def max_length(self) -> int:
        """The longest text, in tokens."""
        return self.recipe.task.max_length


@dataclass(frozen=True, kw_only=True)
class Done:
    """A finished stage."""

    result: cache.StageResult
    settings: Mapping[str, Any]
    findings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.result.name

    @property
    def key(self) -> str:
        """What later stages put among their inputs."""
        return self.result.key

    def file(self, name: str) -> Path:
        """A file of the result."""
        return self.result.folder / name


def read_texts(plan: Plan) -> Done:
    """Read, split and check the examples."""

    def make(folder: Path) -> Mapping[str, Any]:
        texts = data.load_texts(plan.recipe.data)
        texts.save(folder / "texts.json")
        counts = {part: len(getattr(texts, part)) for part in ("train", "validation", "test", "extra")}
        return {"examples": counts}

    return _stage(plan, "texts", {}, {"data": data.fingerprint(plan.recipe.data)}, make)


def load_teacher(plan: Plan, texts: Done) -> Done:
    """Read the teacher, fit it to the labels where there are any, and score it beside the lexical baseline."""
    settings = plan.recipe.stages.finetune.model_dump() if plan.recipe.task.kind == "classification" else {}
    inputs = {
        "model": teachers.fingerprint(plan.recipe.model),
        "task": plan.recipe.task.model_dump(),
        "texts": texts.key,
    }

    def make(folder: Path) -> Mapping[str, Any]:
        examples = texts_of(texts)
        torch.manual_seed(plan.recipe.stages.finetune.seed)  # a head that did not come with the model is random
        teacher = teachers.load(plan.recipe.model, labels=examples.labels, max_length=plan.max_length)
        if examples.labels and not teacher.fitted:
            rows = teacher.tokenizer.encode([row.text for row in examples.train])
            places = {label: index for index, label in enumerate(examples.labels)}
            labels = [places[str(row.label)] for row in examples.train]
            finetune(teacher.model, rows, labels, plan.recipe.stages.finetune, told=_shares(plan, "loss"))
        text_models.save(teacher.model, folder)
        teacher.tokenizer.save(folder / "tokenizer.json")
        baseline = _baseline(examples)
        return {
            "score": _score(plan, teacher.model, teacher.tokenizer, score_of(examples)),
            "metric": score_of(examples).metric,
            "parameters": teacher.parameters_count,
            "bytes": teacher.size_bytes,
            "baseline": {"name": baseline.name, "score": baseline.score},
        }

    return _stage(plan, "teacher", settings, inputs, make)


def trim_vocabulary(plan: Plan, texts: Done, teacher: Done) -> Done:
    """Choose the word pieces that stay."""
    settings = plan.recipe.stages.vocabulary

    def make(folder: Path) -> Mapping[str, Any]:
        tokenizer = tokenizer_of(plan, teacher)
        examples = texts_of(texts)
        if not settings.enabled:
            trimmed = vocabulary.whole(tokenizer)
        else:
            trimmed = vocabulary.trim(tokenizer, examples.training_texts, size=settings.size)
        trimmed.tokenizer.save(folder / "tokenizer.json")
        (folder / "kept.json").write_text(json.dumps(trimmed.kept), encoding="utf-8")
        return {
            "pieces": len(trimmed.kept),
            "of": len(tokenizer.vocabulary),
            "coverage": trimmed.coverage,
            "held_out_tokens_affected": vocabulary.affected(tokenizer, trimmed, score_of(examples).texts),
        }

    return _stage(plan, "vocabulary", settings.model_dump(), {"teacher": teacher.key, "texts": texts.key}, make)


def cut(plan: Plan, texts: Done, teacher: Done, trimmed: Done) -> Done:
    """Cut layers, heads and neurons out of the teacher: the student before training."""
    settings = plan.recipe.stages.prune
    multiple = plan.profile.preferences.int8_channel_multiple.value
    inputs = {"teacher": teacher.key, "vocabulary": trimmed.key, "multiple": multiple}

    def make(folder: Path) -> Mapping[str, Any]:
        model, tokenizer, examples = model_of(teacher), tokenizer_of(plan, teacher), texts_of(texts)
        kept = json.loads(trimmed.file("kept.json").read_text(encoding="utf-8"))
        encoder = model.encoder
        cuts: Sequence[Any] = ()
        if settings.enabled:
            sample = tokenizer.encode(examples.training_texts[:CALIBRATION_TEXTS])
            pruned = prune.prune(
                encoder,
                importance.activation_importance(encoder, sample),
                layers=settings.layers,
                heads=settings.heads,
                neurons=settings.neurons,
                multiple=multiple,
            )
            encoder, cuts = pruned.encoder, pruned.cuts
        student = TextModel(encoder.with_vocabulary(kept), model.head).eval()
        text_models.save(student, folder)
        return {
            "score": _score(plan, student, tokenizer_of(plan, trimmed), score_of(examples)),
            "parameters": student.parameters_count,
            "layers": [
                {"from_layer": each.layer, "heads": len(each.heads), "neurons": len(each.neurons)} for each in cuts
            ],
        }

    return _stage(plan, "prune", settings.model_dump(), inputs, make)


def ask_teacher(plan: Plan, texts: Done, teacher: Done) -> Done:
    """Record the teacher's answers on the training texts, once."""
    settings = plan.recipe.stages.distill
    length, limit = min(settings.max_length, plan.max_length), settings.tokens

    def make(folder: Path) -> Mapping[str, Any]:
        rows = tokenizer_of(plan, teacher).cut_at(length).encode(texts_of(texts).training_texts)
        rows = rows[: _count_within(rows, limit)]
        distill.record_targets(model_of(teacher), rows, told=plan.progress.update).save(folder / "targets.safetensors")
        return {"texts": len(rows), "tokens": sum(len(row.ids) for row in rows)}

    inputs = {"teacher": teacher.key, "texts": texts.key}
    return _stage(plan, "teach", {"tokens": limit, "max_length": length}, inputs, make)


def teach_student(plan: Plan, texts: Done, trimmed: Done, pruned: Done, answers: Done) -> Done:
    """Distil: train the student on the teacher's answers."""
    settings = plan.recipe.stages.distill
    inputs = {"vocabulary": trimmed.key, "student": pruned.key, "answers": answers.key}

    def make(folder: Path) -> Mapping[str, Any]:
        student, tokenizer, examples = model_of(pruned), tokenizer_of(plan, trimmed), texts_of(texts)
        found: dict[str, Any] = {}
        if settings.enabled:
            targets = distill.Targets.load(answers.file("targets.safetensors"))
            taught = examples.training_texts[: len(targets.outputs)]
            rows = tokenizer.cut_at(answers.settings["max_length"]).encode(taught)
            schedule = Schedule(
                learning_rate=settings.learning_rate,
                batch_tokens=settings.batch_tokens,
                seed=settings.seed,
                epochs=settings.epochs,
                seconds=settings.minutes * 60 if settings.minutes else None,
            )
            pairs = examples.training_pairs
            trained = distill.distill(
                student,
                targets,
                rows,
                schedule,
                partners=distill.partners_of(taught, pairs) if pairs else None,
                pair_weight=settings.pair_weight,
                told=_shares(plan, "loss"),
            )
            found = {"steps": trained.steps, "tokens_seen": trained.tokens, "losses": trained.losses}
        text_models.save(student, folder)
        return {**found, "score": _score(plan, student, tokenizer, score_of(examples))}

    return _stage(plan, "distill", settings.model_dump(), inputs, make)


def index_corpus(plan: Plan, texts: Done, trimmed: Done, student: Done) -> Done:
    """What a search finds: every answer of the data, embedded with its question as one text."""

    def make(folder: Path) -> Mapping[str, Any]:
        found = texts_of(texts)
        rows = {row.pair: row for row in (*found.train, *found.validation, *found.test) if row.pair}
        shown = [f"{row.text} {row.pair}" for row in rows.values()]
        embeddings = text_models.outputs(model_of(student), tokenizer_of(plan, trimmed).encode(shown))
        index = SearchIndex.of([row.title for row in rows.values()], shown, embeddings)
        index.save(folder / CORPUS, folder / INDEX)
        return {"texts": len(shown)}

    return _stage(plan, "index", {}, {"student": student.key, "texts": texts.key}, make)


def export_float(plan: Plan, runtime: str, source: Done, name: str) -> Done:
    """A float artifact, made to be compared with: of the teacher, or of the student before int8."""

    def make(folder: Path) -> Mapping[str, Any]:
        file = folder / f"model{SUFFIXES[runtime]}"
        _write_float(plan, runtime, model_of(source), file)
        return {"bytes": file.stat().st_size}

    return _stage(plan, name, _export_settings(plan, runtime), {"model": source.key}, make)


def export_int8(plan: Plan, runtime: str, student: Done, twin: Done) -> Done:
    """The int8 artifact; LiteRT's is made from its float twin's file, ExecuTorch's from the model."""
    settings = {**_export_settings(plan, runtime), **plan.recipe.stages.quantize.model_dump()}
    file_name = f"model{SUFFIXES[runtime]}"

    def make(folder: Path) -> Mapping[str, Any]:
        file = folder / file_name
        delegation: Mapping[str, Any] = {}
        if runtime == "executorch":
            module = xnnpack.with_quantized_embeddings(OneText(model_of(student), padded=False))
            example = executorch.example_ids()
            found = executorch.export(
                module,
                file,
                max_length=plan.max_length,
                rewrite=lambda graph: xnnpack.with_dynamic_int8_linears(graph, example),
            )
            delegation = {"delegated": found.delegated, "fallbacks": found.fallbacks}
        else:
            flatbuffer.with_dynamic_int8_weights(twin.file(file_name), file)
        return {"bytes": file.stat().st_size, **delegation}

    return _stage(plan, f"int8 {runtime}", settings, {"student": student.key, "twin": twin.key}, make)


def check(plan: Plan, runtime: str, texts: Done, trimmed: Done, student: Done, artifact: Done) -> Done:
    """Run the artifact on every held-out text here: its score, and its distance from the float student."""

    def make(folder: Path) -> Mapping[str, Any]:
        score = score_of(texts_of(texts))
        rows = tokenizer_of(plan, trimmed).encode(score.texts)
        file = artifact.file(f"model{SUFFIXES[runtime]}")
        run: Callable[[Sequence[int]], Tensor]
        run = executorch.Session(file) if runtime == "executorch" else litert.Session(file, plan.recipe.lengths)
        found = []
        for index, row in enumerate(rows):
            found.append(run(row.ids))
            plan.progress.update(index + 1, len(rows))
        outputs = torch.stack(found)
        parity = compare(outputs, text_models.outputs(model_of(student), rows))
        return {"score": score.of(outputs), "parity": parity.document()}

    return _stage(plan, f"check {runtime}", {}, {"artifact": artifact.key, "texts": texts.key}, make)


def texts_of(texts: Done) -> Texts:
    """The examples a stage read."""
    return Texts.load(texts.file("texts.json"))


def model_of(stage: Done) -> TextModel:
    """The float model a stage saved."""
    return text_models.load(stage.result.folder)


def tokenizer_of(plan: Plan, stage: Done) -> TextTokenizer:
    """The tokenizer a stage saved."""
    return TextTokenizer.load(stage.file("tokenizer.json"), max_length=plan.max_length)


def score_of(texts: Texts) -> Score:
    """The judge of the held-out part."""
    if texts.labels:
        labels = [str(row.label) for row in texts.test]
        return LabelScore([row.text for row in texts.test], labels, texts.labels)
    return SearchScore([row.text for row in texts.test], [str(row.pair) for row in texts.test])


def asked_texts(texts: Done) -> list[str]:
    """A seeded sample of what the device will be asked: held-out texts that inferences are timed and checked on."""
    asked = sorted({row.text for row in texts_of(texts).test})
    return random.Random(0).sample(asked, min(VECTORS, len(asked)))


def time_on_host(plan: Plan, contenders: Sequence[Contender]) -> Done:
    """Time artifacts in turn on this machine; a result is of this machine alone."""
    entered = [(each.name, each.sha256, each.inputs) for each in contenders]
    identity = {"node": platform.node(), "machine": platform.machine(), "contenders": entered}

    def make(folder: Path) -> Mapping[str, Any]:
        found = compare_on_host(contenders, progress=plan.progress)
        return {name: asdict(latency) for name, latency in found.items()}

    return _stage(plan, "time", {"threads": 1}, identity, make)


def _stage(
    plan: Plan,
    name: str,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Any],
    make: Callable[[Path], Mapping[str, Any]],
) -> Done:
    def make_and_note(folder: Path) -> None:
        findings = make(folder)
        (folder / "findings.json").write_text(json.dumps(findings, indent=2), encoding="utf-8")

    with plan.progress.stage(name):
        result = cache.stage(name, {"settings": settings, **inputs}, make_and_note)
    findings = json.loads((result.folder / "findings.json").read_text(encoding="utf-8"))
    return Done(result=result, settings=settings, findings=findings)


def _export_settings(plan: Plan, runtime: str) -> dict[str, Any]:
    lengths = list(plan.recipe.lengths) if runtime == "litert" else []
    return {"runtime": runtime, "max_length": plan.max_length, "lengths": lengths}


def _write_float(plan: Plan, runtime: str, model: TextModel, file: Path) -> None:
    if runtime == "executorch":
        executorch.export(OneText(model, padded=False), file, max_length=plan.max_length)
    else:
        litert.export(OneText(model, padded=True), file, lengths=plan.recipe.lengths)


def _score(plan: Plan, model: TextModel, tokenizer: TextTokenizer, score: Score) -> float:
    rows = tokenizer.encode(score.texts)
    return score.of(
        text_models.outputs(model, rows, told=lambda done: plan.progress.update(done, len(rows), "scoring"))
    )


def _baseline(texts: Texts) -> Baseline:
    score = score_of(texts)
    if isinstance(score, SearchScore):
        return search_baseline(score)
    if isinstance(score, LabelScore):
        labels = [str(row.label) for row in texts.train]
        return label_baseline([row.text for row in texts.train], labels, texts.labels, score)
    raise InputError(f"there is no baseline for {score.metric}")


def _count_within(rows: Sequence[Encoded], limit: int | None) -> int:
    """How many of the first rows stay within so many tokens; at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += len(row.ids)
        if limit is not None and total > limit:
            return max(count, 1)
    return len(rows)


def _shares(plan: Plan, what: str) -> Callable[[float, float], None]:
    return lambda done, value: plan.progress.update(done, 1.0, f"{what} {value:.3f}")
