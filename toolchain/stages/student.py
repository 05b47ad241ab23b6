"""The stages that make the student: vocabulary, what matters, the cut, low rank, the teacher's answers, the lesson.

In:  the stages of `teacher`.
Out: `Done` stages, each with a smaller or better student than the one before.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from edgewright.base.cache import ARTIFACT_PACKAGES, MODEL_PACKAGES
from edgewright.base.places import cache_dir
from edgewright.compress import (
    cost_limits,
    distill,
    distillation_loss,
    importance,
    importance_scores,
    low_rank,
    prune,
    search,
    targets,
    unit_counts,
    vocabulary,
)
from edgewright.compress.drift import drift
from edgewright.compress.levels import levels
from edgewright.compress.reconstruct import reconstructed
from edgewright.modality.tokenizer import Encoded
from edgewright.models import families
from edgewright.models import model as models
from edgewright.models.inputs import Inputs, TextInputs
from edgewright.models.model import TransformerModel, fresh
from edgewright.models.text import batches
from edgewright.models.training import Schedule
from edgewright.models.transformer import LINEARS, LayerCut, TransformerShape
from edgewright.quantize.sensitivity import checked
from edgewright.quantize.simulated import as_int8, linear_parts, ranges_of
from edgewright.specs.recipe import Distill, Prune
from edgewright.stages.part_prices import calibrated_prices, price_parts
from edgewright.stages.plan import Done, Plan, Unfinished, encoder_of, model_of, shares, stage, texts_of, tokenizer_of
from edgewright.stages.teacher import (
    COUNTED_TOKENS,
    as_read,
    encoded,
    lesson_of,
    priced,
    score_of,
    scored,
    sizes_of,
    validation,
)

RANGED_BATCH = 16  # examples that are run at once to see what their activations need
RANKED_TEXTS = 800  # that importance is measured on
FITTED_TEXTS = 4000  # that least squares and low rank are fitted to
LESSONS = ("distill", "finish")  # the stages that train, one for each of the recipe's lessons
AWARE = "aware"  # the one that trains in int8
LEARNT_IN_INT8 = {"scheme", "weights", "examples", "calibration", "keep_float"}  # which parts stay float is found later
RECORDINGS = ("teach", "teach finish")  # those that ask the teacher for them
Teach = Callable[..., dict[str, Any]]
TAUGHT = "taught.json"  # the texts that the teacher was asked, beside its answers
# How much is trained where a recipe does not say: forward multiply-accumulates, what a quiet machine of two cores does
# in about five minutes with their backward passes, and no more than so many passes over the examples.
USUAL_MACS = 5e12
MOST_USUAL_EPOCHS = 100


def trim_vocabulary(plan: Plan, texts: Done, teacher: Done) -> Done:
    """Choose the word pieces that stay."""
    settings = plan.recipe.stages.vocabulary

    def make(folder: Path) -> Mapping[str, Any]:
        tokenizer = tokenizer_of(plan, teacher)
        examples = texts_of(texts)
        if not settings.enabled:
            trimmed = vocabulary.whole(tokenizer)
        else:
            read = as_read(plan, examples.training_texts)
            trimmed = vocabulary.trim(tokenizer, read, size=settings.size, coverage=settings.coverage)
        held_out = as_read(plan, score_of(plan, texts).texts)
        trimmed.tokenizer.save(folder / "tokenizer.json")
        (folder / "kept.json").write_text(json.dumps(trimmed.kept), encoding="utf-8")
        return {
            "pieces": len(trimmed.kept),
            "of": len(tokenizer.vocabulary),
            "coverage": trimmed.coverage,
            "held_out_tokens_affected": vocabulary.affected(tokenizer, trimmed, held_out),
        }

    return stage(
        plan,
        "vocabulary",
        settings.model_dump(),
        {"teacher": teacher.key, "texts": texts.key},
        make,
        packages=MODEL_PACKAGES,
    )


def rank_parts(plan: Plan, texts: Done, trimmed: Done, whole: Done) -> Done:
    """Measure how much each part of a model matters."""
    settings = {"importance": plan.recipe.stages.prune.importance}

    def make(folder: Path) -> Mapping[str, Any]:
        model = _whole_of(whole, trimmed)
        found = importance.importance(
            model,
            training_sample(plan, texts, trimmed, RANKED_TEXTS),
            kind=settings["importance"],
            told=plan.progress.update,
        )
        found.save(folder / "importance.safetensors")
        return {"layers": [float(layer.layer) for layer in found.layers]}

    inputs = {"texts": texts.key, "vocabulary": trimmed.key, "model": whole.key}
    return stage(plan, "importance", settings, inputs, make, packages=MODEL_PACKAGES)


def cut(plan: Plan, texts: Done, teacher: Done, trimmed: Done, whole: Done, ranked: Done, *, step: int = 0) -> Done:
    """Cut parts out of a model, and refit what is left to answer as before: the student before training.

    `whole` is the teacher itself, or with gradual pruning the student of the step before.
    """
    settings = plan.recipe.stages.prune
    multiple = plan.profile.preferences.int8_channel_multiple.value
    inputs = {"vocabulary": trimmed.key, "whole": whole.key, "importance": ranked.key, "multiple": multiple}
    if settings.speedup is not None:  # only a search asks what parts cost on the device
        inputs["device"] = plan.profile.model_dump(mode="json", include={"name", "processor", "memory"})
        if table := calibrated_prices(plan):
            inputs["calibrated"] = table.model_dump(mode="json")
    original = model_of(teacher).encoder.shape

    def make(folder: Path) -> Mapping[str, Any]:
        model = _whole_of(whole, trimmed)
        score, tokenizer = score_of(plan, texts), tokenizer_of(plan, trimmed)
        found: dict[str, Any] = {}
        pruned = prune.Pruned(model=model, cuts=_everything(model), width=None)
        student = model
        if settings.enabled:
            sample = training_sample(plan, texts, trimmed, FITTED_TEXTS)
            if settings.speedup is None:
                pruned = _pruned(plan, model, original, ranked, multiple, step)
            else:
                pruned, found = _searched(plan, model, sample, multiple)
            student = pruned.model
            found["score_before_reconstruction"] = scored(plan, student, tokenizer, score)
            if settings.reconstruct:
                student = reconstructed(student, model, pruned.cuts, sample, width=pruned.width)
        models.save(student, folder)
        before = whole.findings.get("layers")  # of a gradual cut: which of the teacher's layers these are
        layers = [
            {
                "from_layer": before[each.layer]["from_layer"] if before else each.layer,
                "heads": len(each.heads),
                "neurons": len(each.neurons),
            }
            for each in pruned.cuts
        ]
        return {**found, "score": scored(plan, student, tokenizer, score), **sizes_of(student), "layers": layers}

    timed = settings.speedup is not None and settings.prices != "profile"  # of exported models
    packages = ARTIFACT_PACKAGES if timed else MODEL_PACKAGES
    return priced(plan, stage(plan, "prune", {**settings.model_dump(), "step": step}, inputs, make, packages=packages))


def factorise(plan: Plan, texts: Done, trimmed: Done, student: Done) -> Done:
    """Keep the token table, and matrices where it pays, as products of two smaller ones."""
    settings = plan.recipe.stages.low_rank
    multiple = plan.profile.preferences.int8_channel_multiple.value

    def make(folder: Path) -> Mapping[str, Any]:
        model = model_of(student)
        sample = training_sample(plan, texts, trimmed, FITTED_TEXTS)
        report: list[dict[str, Any]] = []
        if settings.enabled and settings.token_rank is not None:
            ranks = {"tokens": settings.token_rank}
            made = low_rank.factorise(
                model,
                sample,
                parts=("tokens",),
                ranks=ranks,
                multiple=multiple,
                token_exponent=settings.token_exponent,
            )
            model, report = made.model, [*report, *map(asdict, made.report)]
        if settings.enabled and (settings.energy is not None or settings.keep_parameters is not None):
            made = low_rank.factorise(
                model,
                sample,
                parts=LINEARS,
                energy=settings.energy,
                keep_parameters=settings.keep_parameters,
                multiple=multiple,
            )
            model, report = made.model, [*report, *map(asdict, made.report)]
        models.save(model, folder)
        score = scored(plan, model, tokenizer_of(plan, trimmed), score_of(plan, texts))
        kept = {"layers": student.findings["layers"]}
        return {"score": score, **sizes_of(model), **kept, "matrices": report}

    inputs = {"texts": texts.key, "vocabulary": trimmed.key, "student": student.key, "multiple": multiple}
    return priced(plan, stage(plan, "low rank", settings.model_dump(), inputs, make, packages=MODEL_PACKAGES))


def ask_teacher(plan: Plan, texts: Done, teacher: Done, small: Done) -> tuple[Done, ...]:
    """Record the teacher's answers on the training texts, once for each lesson.

    Of what passes between its layers that is recorded which enters those that stay in `small`, the teacher after a cut.
    """
    kept = [each["from_layer"] for each in small.findings["layers"]]
    lessons = zip(plan.recipe.stages.distill.lessons, RECORDINGS, strict=False)
    return tuple(_ask(plan, texts, teacher, kept, lesson, name) for lesson, name in lessons)


def _ask(plan: Plan, texts: Done, teacher: Done, kept: Sequence[int], settings: Distill, name: str) -> Done:
    length, limit = _taught_length(plan, settings), settings.tokens
    entered = list(kept[1:]) if settings.intermediate_weight else []
    asked = {
        "tokens": limit,
        "max_length": length,
        "rest": settings.rest,
        "augment": settings.augment,
        "hidden": settings.hidden_weight > 0,
        "entered": entered,
        "attention": settings.relation_weight > 0,
    }

    def make(folder: Path) -> Mapping[str, Any]:
        tokenizer = tokenizer_of(plan, teacher).cut_at(length)
        taught = texts_of(texts).taught_texts(copies=settings.augment, max_words=length)
        if settings.rest:
            rest = tokenizer.rest(taught)
            taught = list(dict.fromkeys([*taught, *random.Random(0).sample(rest, len(rest))]))
        rows = encoded(plan, tokenizer, taught)
        rows = rows[: _count_within(rows, limit)]
        (folder / TAUGHT).write_text(json.dumps(taught[: len(rows)]), encoding="utf-8")
        targets.record_targets(
            model_of(teacher),
            TextInputs(rows),
            hidden=bool(asked["hidden"]),
            entered=entered,
            attention=bool(asked["attention"]),
            folder=folder,
            on_progress=plan.progress.update,
        )
        return {"texts": len(rows), "tokens": sum(len(row.ids) for row in rows)}

    return stage(plan, name, asked, {"teacher": teacher.key, "texts": texts.key}, make, packages=MODEL_PACKAGES)


def teach_student(
    plan: Plan,
    texts: Done,
    teacher: Done,
    trimmed: Done,
    student: Done,
    answers: Done,
    *,
    lesson: int = 0,
    share: float = 1.0,
    aware: Distill | None = None,
) -> Done:
    """Distil: train the student on the teacher's answers to a lesson, for this share of its work.

    `aware` are the settings of a lesson in which the student already computes in int8.
    """
    settings, name = aware or plan.recipe.stages.distill.lessons[lesson], AWARE if aware else LESSONS[lesson]
    part = "quantize.aware" if aware else "distill.finish" if lesson else "distill"
    inputs = {"vocabulary": trimmed.key, "student": student.key, "answers": answers.key, "share": share}

    def make(folder: Path, teach: Teach) -> Mapping[str, Any]:
        model, tokenizer, examples = model_of(student), tokenizer_of(plan, trimmed), texts_of(texts)
        found: dict[str, Any] = {}
        if settings.enabled:
            if settings.fresh:
                model = fresh(model, seed=settings.seed)
            if settings.projection:
                model = models.projected(model)
            taught = json.loads(answers.file(TAUGHT).read_text(encoding="utf-8"))
            rows = encoded(plan, tokenizer.cut_at(answers.settings["max_length"]), taught)
            pairs = examples.training_pairs
            found = teach(
                model,
                answers,
                TextInputs(rows),
                schedule_of(
                    settings,
                    batch=settings.batch_tokens,
                    usual=usual_work(sizes_of(model)["macs"] / COUNTED_TOKENS, sum(len(row.ids) for row in rows)),
                    share=share,
                ),
                sample=lambda count: training_sample(plan, texts, trimmed, count),
                layers=[each["from_layer"] for each in student.findings["layers"]],
                partners=distill.partners_of(taught, pairs) if pairs else None,
                setting=f"stages.{part}.learning_rate",
                validate=validation(plan, texts, model, tokenizer, stage_name="distill"),
            )
        models.save(model, folder)
        return {
            **found,
            "score": scored(plan, model, tokenizer, score_of(plan, texts)),
            **sizes_of(model),
            "layers": student.findings["layers"],
            "drift": _drift(plan, texts, teacher, trimmed, student, model),
        }

    return priced(plan, lesson_stage(plan, name, settings, inputs, make))


def lesson_stage(
    plan: Plan,
    name: str,
    settings: Distill,
    inputs: Mapping[str, Any],
    make: Callable[[Path, Teach], Mapping[str, Any]],
) -> Done:
    """A stage that trains, of texts or of images, which goes on from a checkpoint where it was cut off.

    `make` is given a `Teach`: (model, the recorded answers, the same examples, a schedule) trains the model in place
    and gives what a manifest says of it. By name it takes a `sample` of so many training examples, which the scales of
    a lesson in int8 are taken from, and whatever else `distill.distill` takes.
    """
    aware = name == AWARE
    told = settings.model_dump(exclude={"minutes"})  # a limit changes no result
    if aware:
        told["quantize"] = plan.recipe.stages.quantize.model_dump(include=LEARNT_IN_INT8)

    def teach(
        model: nn.Module,
        answers: Done,
        examples: Inputs,
        schedule: Schedule,
        *,
        sample: Callable[[int], Inputs],
        **more: Any,
    ) -> dict[str, Any]:
        within = in_int8(plan, model, sample(plan.recipe.stages.quantize.examples)) if aware else nullcontext()
        with within:
            trained = distill.distill(
                model,
                targets.Targets.load(answers.result.folder),
                examples,
                schedule,
                imitation=imitation_of(plan),
                weights=weights_of(settings),
                checkpoints=unfinished.folder,
                key=unfinished.key,
                trackers=settings.trackers,
                tracker_folder=cache_dir("trackers") if settings.trackers else None,
                told=shares(plan, "loss"),
                **more,
            )
        return lesson_of(trained)

    unfinished = Unfinished.of(name, told, inputs)
    packages = ARTIFACT_PACKAGES if aware else MODEL_PACKAGES
    done = stage(plan, name, told, inputs, lambda folder: make(folder, teach), packages=packages)
    unfinished.remove()
    return done


def _whole_of(whole: Done, trimmed: Done) -> TransformerModel:
    """A model that is to be cut, with the vocabulary that stays."""
    model = model_of(whole)
    kept = json.loads(trimmed.file("kept.json").read_text(encoding="utf-8"))
    encoder = encoder_of(model)
    if len(kept) == encoder.shape.vocabulary:
        return model
    return TransformerModel(encoder.with_vocabulary(kept), model.head).eval()


def _everything(model: TransformerModel) -> tuple[LayerCut, ...]:
    shapes = enumerate(model.encoder.shape.layers)
    return tuple(
        LayerCut(layer=index, heads=tuple(range(shape.heads)), neurons=tuple(range(shape.neurons)))
        for index, shape in shapes
    )


def _pruned(
    plan: Plan, model: TransformerModel, original: TransformerShape, ranked: Done, multiple: int, step: int
) -> prune.Pruned:
    """By the sizes the recipe gives; a step of a gradual cut goes part of the way from the `original` teacher."""
    settings = plan.recipe.stages.prune
    goal = goal_of(settings, multiple)
    if settings.steps > 1:
        goal = prune.steps(original, goal, settings.steps)[step]
    return prune.prune(model, importance_scores.Importance.load(ranked.file("importance.safetensors")), goal)


def goal_of(settings: Prune, multiple: int) -> unit_counts.PruneSizes:
    """The sizes that a recipe gives."""
    return unit_counts.PruneSizes(
        layers=settings.layers,
        heads=settings.heads,
        neurons=settings.neurons,
        head_width=settings.head_width,
        width=settings.width,
        share=settings.keep_macs,
        ranking=settings.ranking,
        multiple=multiple,
    )


def _searched(
    plan: Plan, model: TransformerModel, sample: TextInputs, multiple: int
) -> tuple[prune.Pruned, dict[str, Any]]:
    """What loses least of all that makes the layers so much faster; and what the search found."""
    settings, shape = plan.recipe.stages.prune, model.encoder.shape
    assert settings.speedup is not None
    assert not isinstance(settings.layers, tuple), "the recipe refuses it"
    length = round(sum(sample.sizes) / len(sample))
    table = price_parts(plan, encoder_of(model).shape, length)
    whole_ms = sum(table.attention(layer.heads) + table.feed_forward(layer.neurons) for layer in shape.layers)
    # Each step of a gradual cut takes the same factor off what is left.
    budget_ms = whole_ms / settings.speedup ** (1 / settings.steps)
    limit = cost_limits.CostLimit(costs=table, budget=budget_ms, name="layers' ms")
    found = search.choose(levels(model, sample, multiple=multiple), limit, layers=settings.layers)
    student = TransformerModel(model.encoder.sliced(found.cuts), model.head).eval()
    told = {"searched_ms": found.cost, "of_ms": whole_ms, "prices": table.source, "length": length}
    return prune.Pruned(model=student, cuts=found.cuts, width=None), told


def training_sample(plan: Plan, texts: Done, trimmed: Done, count: int) -> TextInputs:
    """A seeded sample of the training texts, in the student's tokens."""
    taught = texts_of(texts).training_texts
    chosen = random.Random(0).sample(taught, min(count, len(taught)))
    length = _taught_length(plan, plan.recipe.stages.distill)
    return TextInputs(encoded(plan, tokenizer_of(plan, trimmed).cut_at(length), chosen))


def _taught_length(plan: Plan, settings: Distill) -> int:
    """Where a text is cut that the student is made or taught with, in tokens; the task may be of shorter ones."""
    return min(settings.max_length, plan.max_length)


def _drift(
    plan: Plan, texts: Done, teacher: Done, trimmed: Done, student: Done, model: TransformerModel
) -> list[dict[str, Any]]:
    """How far each layer's output is from the teacher's at the same place."""
    sample = training_sample(plan, texts, trimmed, RANKED_TEXTS)
    return drift(
        model, _whole_of(teacher, trimmed), [each["from_layer"] for each in student.findings["layers"]], sample
    )


def is_static(plan: Plan, model: nn.Module) -> bool:
    """Whether activations are to have fixed scales: as the recipe says, or where it is silent the model's family."""
    scheme = plan.recipe.stages.quantize.scheme
    return (scheme or families.family_of(model).scheme) == "static-int8"


@contextmanager
def in_int8(plan: Plan, model: nn.Module, sample: Inputs) -> Iterator[None]:
    """Within it the model computes as its int8 artifact will, on scales that a sample needs."""
    settings = plan.recipe.stages.quantize
    names = [name for name in checked(model, settings.keep_float) if name not in settings.keep_float]
    ranges = None
    if is_static(plan, model):
        ranges = ranges_of(model, lambda trial: _run_all(trial, sample), calibration=settings.calibration)
    int4 = linear_parts(model) if settings.weights == "int4" else ()
    with as_int8(model, names, ranges=ranges, int4=int4):
        yield


def _run_all(model: nn.Module, inputs: Inputs) -> None:
    for indexes in batches(inputs.sizes, RANGED_BATCH * max(inputs.sizes)):
        model(*inputs.batch(indexes))


def schedule_of(settings: Distill, *, batch: int, usual: int, share: float = 1.0) -> Schedule:
    """A training phase's length and rate, for this share of its work.

    A batch is of so many tokens or images; `usual` is how many are trained where the recipe does not say.
    """
    epochs, units = settings.epochs, settings.train_tokens or settings.train_images
    if epochs is None and units is None:
        units = usual
    return Schedule(
        learning_rate=settings.learning_rate,
        batch_tokens=batch,
        seed=settings.seed,
        epochs=epochs * share if epochs else None,
        tokens=max(round(units * share), 1) if units else None,
        patience=settings.patience,
        limit_s=settings.minutes * 60 if settings.minutes else None,
    )


def usual_work(macs: float, units: int) -> int:
    """How many tokens or images are trained where the recipe does not say.

    The student takes `macs` multiply-accumulates for each, and an epoch has so many `units`.
    """
    return max(min(round(USUAL_MACS / max(macs, 1.0)), MOST_USUAL_EPOCHS * units), 1)


def weights_of(settings: Distill) -> distillation_loss.Weights:
    """How much each part of a lesson's loss counts."""
    return distillation_loss.Weights(
        output=settings.output_weight,
        hidden=settings.hidden_weight,
        intermediate=settings.intermediate_weight,
        relation=settings.relation_weight,
        similarity=settings.similarity_weight,
        pair=settings.pair_weight,
    )


def imitation_of(plan: Plan) -> distillation_loss.Imitation:
    """How far outputs are from the teacher's, as the task has it."""
    task, temperature = plan.task, plan.recipe.stages.distill.temperature

    def imitation(output: Tensor, wanted: Tensor) -> Tensor:
        return task.imitation(output, wanted, temperature=temperature)

    return imitation


def _count_within(rows: Sequence[Encoded], limit: int | None) -> int:
    """How many of the first rows stay within so many tokens; at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += len(row.ids)
        if limit is not None and total > limit:
            return max(count, 1)
    return len(rows)
