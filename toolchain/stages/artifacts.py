"""The stages that make files: exported models, their check on every held-out text, the search index, and timings.

In:  the stages of `teacher` and `student`.
Out: `Done` stages that hold artifacts, or say what was found of them.
"""

from __future__ import annotations

import platform
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from toolchain.bundle import CORPUS, INDEX
from toolchain.export.parity import compare
from toolchain.host_latency import Contender, compare_on_host
from toolchain.models import text as text_models
from toolchain.models.model import reading
from toolchain.quantize.sensitivity import checked, sensitivity
from toolchain.stages.plan import Done, Plan, model_of, stage, texts_of, tokenizer_of
from toolchain.stages.runtimes import RUNTIMES, Limits
from toolchain.stages.student import training_sample
from toolchain.stages.teacher import score_of
from toolchain.tasks.account import account_of
from toolchain.tasks.search_index import SearchIndex

VECTORS = 16
JUDGED_TEXTS = 256  # that sensitivity is measured on


def artifact_name(runtime: str) -> str:
    """The model file's name in a stage's folder and in a bundle."""
    return f"model{RUNTIMES[runtime].suffix}"


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

    return stage(plan, "index", {}, {"student": student.key, "texts": texts.key}, make)


def export_float(plan: Plan, runtime: str, source: Done, name: str) -> Done:
    """A float artifact, made to be compared with: of the teacher, or of the student before int8."""

    def make(folder: Path) -> Mapping[str, Any]:
        file = folder / artifact_name(runtime)
        RUNTIMES[runtime].write_float(model_of(source), file, _limits(plan))
        return {"bytes": file.stat().st_size}

    return stage(plan, name, _export_settings(plan, runtime), {"model": source.key}, make)


def measure_sensitivity(plan: Plan, texts: Done, trimmed: Done, student: Done) -> Done:
    """What int8 does to each part of the student, and which parts are better left float."""
    settings = plan.recipe.stages.quantize

    def make(folder: Path) -> Mapping[str, Any]:
        model = reading(model_of(student))
        if not settings.sensitivity:
            checked(model, settings.keep_float)
            return {"kept_float": list(settings.keep_float)}
        rows = training_sample(plan, texts, trimmed, JUDGED_TEXTS).rows
        found = sensitivity(
            model,
            lambda trial: text_models.outputs(trial, rows),
            limit=settings.max_error_percent / 100,
            kept_float=settings.keep_float,
            told=plan.progress.update,
        )
        return {**found.document(), "texts": len(rows)}

    inputs = {"student": student.key, "texts": texts.key, "vocabulary": trimmed.key}
    return stage(plan, "sensitivity", settings.model_dump(), inputs, make)


def export_int8(plan: Plan, runtime: str, student: Done, twin: Done, kept_float: Sequence[str]) -> Done:
    """The int8 artifact, made from the model or from its float twin's file; the parts `kept_float` stay float."""
    settings = {
        **_export_settings(plan, runtime),
        "scheme": plan.recipe.stages.quantize.scheme,
        "kept_float": list(kept_float),
    }
    name = artifact_name(runtime)

    def make(folder: Path) -> Mapping[str, Any]:
        file = folder / name
        found = RUNTIMES[runtime].write_int8(model_of(student), twin.file(name), file, _limits(plan), kept_float)
        return {"bytes": file.stat().st_size, **found}

    return stage(plan, f"int8 {runtime}", settings, {"student": student.key, "twin": twin.key}, make)


def check(plan: Plan, runtime: str, texts: Done, trimmed: Done, student: Done, artifact: Done) -> Done:
    """Run the artifact on every held-out text here: its score, and its distance from the float student."""

    def make(folder: Path) -> Mapping[str, Any]:
        score = score_of(plan, texts)
        rows = tokenizer_of(plan, trimmed).encode(score.texts)
        run = RUNTIMES[runtime].session(artifact.file(artifact_name(runtime)), _limits(plan))
        found = []
        for index, row in enumerate(rows):
            found.append(run(row.ids))
            plan.progress.update(index + 1, len(rows))
        outputs = torch.stack(found)
        parity = compare(outputs, text_models.outputs(model_of(student), rows))
        return {"score": score.of(outputs), "parity": parity.document()}

    return stage(plan, f"check {runtime}", {}, {"artifact": artifact.key, "texts": texts.key}, make)


def account(plan: Plan, texts: Done, teacher: Done, trimmed: Done, student: Done) -> Done:
    """Which held-out examples the student answers worse than its teacher, and which classes lost."""

    def make(folder: Path) -> Mapping[str, Any]:
        score = score_of(plan, texts)
        said = [
            text_models.outputs(model_of(model), tokenizer_of(plan, tokenizer).encode(score.texts))
            for model, tokenizer in ((teacher, teacher), (student, trimmed))
        ]
        found = account_of(score, *said)
        return found.document() if found else {}

    inputs = {"teacher": teacher.key, "student": student.key, "texts": texts.key, "vocabulary": trimmed.key}
    return stage(plan, "account", {}, inputs, make)


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

    return stage(plan, "time", {"threads": 1}, identity, make)


def _limits(plan: Plan) -> Limits:
    return Limits(max_length=plan.max_length, lengths=plan.recipe.lengths)


def _export_settings(plan: Plan, runtime: str) -> dict[str, Any]:
    made_for = RUNTIMES[runtime]
    lengths = list(plan.recipe.lengths) if made_for.fixed_lengths else []
    versions = {"packages": versions} if (versions := made_for.versions()) else {}
    return {"runtime": runtime, "max_length": plan.max_length, "lengths": lengths, **versions}
