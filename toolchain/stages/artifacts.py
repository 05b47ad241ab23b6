"""The stages that make files: exported models, their check on every held-out text, the search index, and timings.

In:  the two sides of a build.
Out: `Done` stages that hold artifacts, or say what was found of them.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgewright.bundles.bundle import CORPUS, INDEX
from edgewright.cost.exported import slower_in_float
from edgewright.devices.host_latency import Contender, compare_on_host, digest_of
from edgewright.errors import InputError
from edgewright.measure.outputs import outputs_of
from edgewright.measure.parity import compare
from edgewright.modality.text import TextDataset
from edgewright.quantize.sensitivity import Limits, checked, sensitivity
from edgewright.quantize.simulated import linear_parts
from edgewright.runtimes.quantization import Int8
from edgewright.runtimes.subject import PLACE
from edgewright.runtimes.table import RUNTIMES
from edgewright.stages.float_models import require_validation
from edgewright.stages.plan import Done, Plan, stage
from edgewright.stages.sides import Side
from edgewright.stages.train import is_static
from edgewright.tasks.account import account_of
from edgewright.tasks.attribution import asked_of, side_by_side
from edgewright.tasks.search_index import SearchIndex

FLOAT16 = "float16"
JUDGED = 256  # examples that sensitivity is measured on
EXPORT_VERSION = 2  # of exports that say their signature
OBSERVED = 10  # passes over a model that counting all of its values takes as long as


def artifact_name(runtime: str) -> str:
    """The model file's name in a stage's folder and in a bundle."""
    return RUNTIMES[runtime].file_name


def index_corpus(plan: Plan, student: Side) -> Done:
    """What a search finds: every answer of the data, embedded with its question as one text."""
    dataset = student.dataset
    assert isinstance(dataset, TextDataset)

    def make(folder: Path) -> Mapping[str, Any]:
        found = dataset.texts
        rows = {row.pair: row for row in (*found.train, *found.validation, *found.test) if row.pair}
        shown = [f"{row.text} {row.pair}" for row in rows.values()]
        embeddings = dataset.outputs(student.model(), dataset.encoded(shown))
        index = SearchIndex.of([row.title for row in rows.values()], shown, embeddings)
        index.save(folder / CORPUS, folder / INDEX)
        return {"texts": len(shown)}

    return stage(plan, "index", {}, student.keys, make)


def export_float(plan: Plan, runtime: str, side: Side, name: str) -> Done:
    """A float artifact, made to be compared with: of the teacher, or of the student before int8."""

    def make(folder: Path) -> Mapping[str, Any]:
        file = folder / artifact_name(runtime)
        source = side.subject().for_runtime(RUNTIMES[runtime])
        RUNTIMES[runtime].write_float(source, file)
        return {"bytes": file.stat().st_size, "signature": source.signature.model_dump(mode="json")}

    return stage(
        plan, name, _export_settings(plan, runtime, side), {"model": side.stage.key}, make, version=EXPORT_VERSION
    )


def schemes(plan: Plan, student: Side, runtimes: Sequence[str]) -> dict[str, bool]:
    """For each runtime whether its activations have fixed scales: as it needs, or as the recipe or the model asks."""
    by_model = is_static(plan, student.model())
    return {name: by_model or RUNTIMES[name].static for name in runtimes}


def measure_sensitivity(plan: Plan, student: Side, *, static: bool, name: str = "sensitivity") -> Done:
    """What int8 does to each part of the student, and which parts are better left float."""
    settings = plan.recipe.stages.quantize

    def make(_: Path) -> Mapping[str, Any]:
        if settings.scheme == FLOAT16:
            return {"kept_float": [], "int4": [], "static": False}
        model, int4 = student.to_run(), settings.weights == "int4"
        if int4 and static:
            raise InputError(
                'stages.quantize.weights = "int4" needs activations that are scaled as they come; set '
                'stages.quantize.scheme to "dynamic-int8", or leave weights out'
            )
        if not settings.sensitivity:
            checked(model, settings.exclude)
            narrow = [name for name in linear_parts(model) if int4 and name not in settings.exclude]
            return {"kept_float": list(settings.exclude), "int4": narrow, "static": static}
        subject = student.subject()
        sample = student.sample(JUDGED, passes=len(subject.parts()) + 2)
        places = [f"{PLACE}.{part}" for part in subject.parts()]
        slower = slower_in_float(subject.module(), subject.form, places, plan.profile)
        found = sensitivity(
            model,
            lambda trial: student.outputs(sample, model=trial),
            limits=Limits(error=settings.max_error_percent / 100, points=settings.max_score_loss_points),
            score=_validation(student) if settings.max_score_loss_points is not None else None,
            static=static,
            calibration=settings.calibration,
            kept_float=settings.exclude,
            int4=int4,
            float_ms={place.removeprefix(f"{PLACE}."): ms for place, ms in slower.items()},
            told=plan.progress.update,
        )
        return {**found.document(), "static": static, "examples": len(sample)}

    device = plan.profile.model_dump(mode="json", include={"processor", "caches", "memory", "preferences"})
    return stage(plan, name, {**settings.model_dump(), "static": static}, {**student.keys, "device": device}, make)


def _validation(student: Side) -> Callable[[Any], float]:
    """The score of a model in the student's place on the validation part. Raises `InputError` where that is empty."""
    inputs = student.held_out("validation")
    require_validation(inputs, "stages.quantize", "max_score_loss_points", "is of")
    score = student.score("validation")
    return lambda trial: score.of(student.as_scored(student.outputs(inputs, model=trial), inputs, score))


def export_int8(plan: Plan, runtime: str, student: Side, twin: Done, judged: Done) -> Done:
    """The int8 artifact, made from the model or its float twin's file; what was `judged` too sensitive stays float."""
    kept_float, int4, static = (judged.findings[name] for name in ("kept_float", "int4", "static"))
    quantize = plan.recipe.stages.quantize
    count = quantize.examples if static else 0
    scheme: dict[str, Any] = {"scheme": "static-int8" if static else "dynamic-int8", "examples": count}
    descriptor = RUNTIMES[runtime]
    write_half = descriptor.write_half if quantize.scheme == FLOAT16 else None
    if write_half:
        scheme = {"scheme": FLOAT16}
    if static:
        scheme["calibration"] = quantize.calibration
    settings = {**_export_settings(plan, runtime, student), **scheme, "kept_float": kept_float, "int4": int4}
    name = artifact_name(runtime)

    def make(folder: Path) -> Mapping[str, Any]:
        file = folder / name
        subject = student.subject()
        source = subject.for_runtime(descriptor)
        signature = source.signature.model_dump(mode="json")
        if write_half:
            found = write_half(source, twin.file(name), file)
            return {**found, "format": FLOAT16, "bytes": file.stat().st_size, "signature": signature}
        sample = student.given(student.sample(count, passes=OBSERVED)) if count else ()
        asked = Int8(
            kept_float=kept_float,
            int4=int4,
            examples=subject.calibration(sample, descriptor),
            calibration=quantize.calibration,
        )
        found = descriptor.write_int8(source, twin.file(name), file, asked)
        return {"bytes": file.stat().st_size, "signature": signature, **found}

    return stage(plan, f"int8 {runtime}", settings, {**student.keys, "twin": twin.key}, make, version=EXPORT_VERSION)


def check(plan: Plan, runtime: str, student: Side, artifact: Done) -> Done:
    """Run the artifact on every held-out example here: its score, and its distance from the float student.

    Where it takes several at once it is asked so, too, and the parity is the worse of both.
    """

    def make(_: Path) -> Mapping[str, Any]:
        held_out, form = student.held_out(), student.form()
        given, expected = student.given(held_out), student.outputs(held_out)
        answered = [
            outputs_of(
                runtime,
                artifact.file(artifact_name(runtime)),
                call,
                given,
                on_progress=lambda done: plan.progress.update(done, len(held_out)),
            )
            for call in form.calls()
        ]
        compared = (compare(outputs, expected, tags=form.tags) for outputs in answered)
        parity = min(compared, key=lambda each: each.cosine_min)
        score = student.score()
        return {"score": score.of(student.as_scored(answered[0], held_out, score)), "parity": parity.document()}

    return stage(plan, f"check {runtime}", {}, {**student.keys, "artifact": artifact.key}, make)


def account(plan: Plan, teacher: Side, student: Side) -> Done:
    """Which held-out examples the student answers worse than its teacher, and what these answers rest on."""
    wanted = plan.recipe.stages.account.attributions

    def make(_: Path) -> Mapping[str, Any]:
        score, inputs = student.score(), [side.held_out() for side in (teacher, student)]
        outputs = [side.outputs(each) for side, each in zip((teacher, student), inputs, strict=True)]
        judged = [
            side.as_scored(said, each, score)
            for side, said, each in zip((teacher, student), outputs, inputs, strict=True)
        ]
        found = account_of(score, *judged)
        if found is None:
            return {}
        explained = [
            side_by_side(
                *(
                    side.rests_on(given, flip.index, asked_of(score, said, flip.index))
                    for side, given, said in zip((teacher, student), inputs, outputs, strict=True)
                )
            )
            for flip in found.flips[:wanted]
        ]
        return {**found.document(), **({"attributions": explained} if wanted else {})}

    settings = {"attributions": wanted} if wanted else {}
    return stage(plan, "account", settings, {"teacher": teacher.stage.key, **student.keys}, make)


def time_on_host(plan: Plan, contenders: Sequence[Contender]) -> Done:
    """Time artifacts in turn on this machine; a result is of this machine alone."""
    entered = [(each.name, each.sha256, digest_of(each.calls)) for each in contenders]
    identity = {"node": platform.node(), "machine": platform.machine(), "contenders": entered}

    def make(folder: Path) -> Mapping[str, Any]:
        found = compare_on_host(contenders, progress=plan.progress)
        return {name: asdict(latency) for name, latency in found.items()}

    return stage(plan, "time", {"threads": 1}, identity, make)


def _export_settings(plan: Plan, runtime: str, side: Side) -> dict[str, Any]:
    made_for = RUNTIMES[runtime]
    form = asdict(side.form())
    lengths = list(form.pop("lengths")) if made_for.fixed_shapes else []
    versions = {"packages": versions} if (versions := made_for.versions()) else {}
    return {"runtime": runtime, **form, "lengths": lengths, **versions}
