"""Every setting of a recipe is read: it changes a result, or the recipe that gives it is refused.

Each leaf of `Recipe` has an entry in `ENTRIES`: a recipe, another value, and what is looked at, which must differ. That
is what a stage made (weights, chosen pieces, examples), never the settings it was kept under. A setting that is added
without an entry fails the first test.
"""

import ast
import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from pydantic import BaseModel, ValidationError

from edgewright.base.renamed import inner_model
from edgewright.data.images import load_images
from edgewright.data.texts import load_texts
from edgewright.errors import ToolchainError
from edgewright.specs.budget import judge
from edgewright.specs.recipe import Recipe, disagreements
from edgewright.stages import Plan, Side
from edgewright.stages.artifact_stages import schemes_for
from edgewright.stages.exported import runtimes_of
from edgewright.tasks.table import TASKS
from tests import tiny
from tests.stages.builds import PROFILE, Made, build_of, made_of, side_of, stage_of
from tests.stages.builds import judged as judged_of
from tests.stages.builds import plan as planned

ROOT = Path(__file__).parent.parent.parent
IMAGES = "image-classification"
TEXTS = tuple(kind for kind, task in TASKS.items() if task.modality == "text")
OF_SOME = frozenset().union(*(task.settings for task in TASKS.values()))  # settings that not every task reads
OFTEN = 3e-3  # a learning rate that a tiny model is moved by

pytestmark = pytest.mark.usefixtures("own_places")


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, each in model.model_fields.items():
        inner = inner_model(each.annotation)
        if inner is None:
            yield prefix + name
        else:
            yield from leaves(inner, f"{prefix}{name}.")


LEAVES = tuple(leaves(Recipe))


@cache
def folder() -> Path:
    """Files of each kind of task, a few dozen examples each."""
    place = tiny.scratch() / "settings"
    place.mkdir()
    halves = (tiny.sentences(60, seed=1), tiny.sentences(60, seed=2))
    longer = [f"{one} {other}" for one, other in zip(*halves, strict=True)]
    labelled = [
        (f"{one} {other}", label)
        for label in tiny.LABELS
        for one, other in zip(*(tiny.sentences(20, label=label, seed=seed) for seed in (0, 1)), strict=True)
    ]
    tables: dict[str, list[tuple[str, ...]]] = {
        "pairs": [("text", "pair", "other"), *((text, f"{text} {text}", text[::-1]) for text in longer)],
        "labels": [("text", "label", "other"), *((text, label, label[:1]) for text, label in labelled)],
        "values": [("text", "value", "other"), *((text, str(len(text)), str(text.count("e"))) for text in longer)],
    }
    for name, rows in tables.items():
        for separator, suffix in ((",", ""), (";", "-semicolons")):
            with (place / f"{name}{suffix}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, delimiter=separator).writerows(rows)
    parts = {"train": labelled[::2], "validation": labelled[1::4], "test": labelled[3::4]}
    for name, rows in parts.items():
        for count in (len(rows), len(rows) - 1):
            with (place / f"{name}-{len(rows) - count}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("text", "label"), *rows[:count]])
    (place / "more.txt").write_text("\n".join(tiny.sentences(20, seed=9)), encoding="utf-8")
    words = [[("\t".join((word, word[:1], word[-1:]))) for word in text.split()] for text in longer]
    (place / "words.conll").write_text("\n\n".join("\n".join(rows) for rows in words), encoding="utf-8")
    with (place / "words.jsonl").open("w", encoding="utf-8") as file:
        for text in longer:
            first, last = ([word[at] for word in text.split()] for at in (0, -1))
            print(json.dumps({"words": text.split(), "tags": first, "last": last}), file=file)
    pictures = np.random.default_rng(0).integers(0, 256, (110, 8, 8), dtype=np.uint8)
    rows = ["image,other,label"]
    for number, pixels in enumerate(pictures):
        label = str(number % 10)
        path = place / ("extra" if number >= 100 else f"pictures/{label}") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        if number < 100:
            rows.append(f"pictures/{label}/{number}.png,pictures/{label}/{(number + 10) % 100}.png,{label}")
    (place / "pictures.csv").write_text("\n".join(rows))
    shutil.copytree(place / "pictures", place / "others")
    (place / "others/0/0.png").rename(place / "others/1/0.png")
    tiny.family_folder(place / "roberta", "roberta")
    torch.manual_seed(0)
    transformers.ViTForImageClassification(
        transformers.ViTConfig(
            hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, initializer_range=0.1,
            image_size=8, patch_size=2, num_channels=1, num_labels=10,
        )
    ).save_pretrained(place / "vit")  # fmt: skip
    return place


def base(kind: str) -> dict[str, Any]:
    """A recipe that is made in a moment."""
    text: dict[str, Any] = {
        "recipe": {"name": "x"},
        "model": {"folder": str(tiny.bert_folder())},
        "task": {"kind": kind, "max_length": tiny.MAX_LENGTH},
        "stages": {
            "prune": {"layers": 2, "heads": 3, "neurons": 30},
            "distill": {"epochs": 1, "learning_rate": OFTEN, "batch_tokens": 256},
            "finetune": {"epochs": 1, "learning_rate": OFTEN, "batch_tokens": 256},
        },
    }
    file, column = {
        "embedding": ("pairs.csv", "pair"),
        "classification": ("labels.csv", "label"),
        "regression": ("values.csv", "value"),
        "token-classification": ("words.conll", ""),
        IMAGES: ("", ""),
    }[kind]
    if kind == IMAGES:
        rates = {"epochs": 1, "learning_rate": OFTEN}
        return {
            **text,
            "model": {"factory": "tests.tiny_vision:digits_net"},
            "task": {"kind": kind},
            "data": {"folder": str(folder() / "pictures")},
            "stages": {"prune": {"keep_macs": 0.5}, "distill": rates, "finetune": {**rates, "refit": True}},
        }
    if kind == "embedding":
        del text["stages"]["finetune"]
    return {**text, "data": {"file": str(folder() / file), **({"columns": {column: column}} if column else {})}}


def with_settings(given: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe with these settings by their full names; those that are `GONE` are taken out."""
    made = deepcopy(given)
    for name, value in settings.items():
        section, parts = made, name.split(".")
        for part in parts[:-1]:
            section = section.setdefault(part, {})
        if value is GONE:
            section.pop(parts[-1], None)
        else:
            section[parts[-1]] = value
    return made


GONE = object()


def plan(recipe: Recipe) -> Plan:
    """For a device whose kernels take any number of channels, so that no size is rounded to another."""
    any_number = PROFILE.preferences.int8_channel_multiple.model_copy(update={"value": 1})
    preferences = PROFILE.preferences.model_copy(update={"int8_channel_multiple": any_number})
    return planned(recipe, profile=PROFILE.model_copy(update={"preferences": preferences}))


def contents(made: list[Made]) -> list[tuple[str, str]]:
    """What each stage wrote, without what it says of itself."""
    found = []
    for each in made:
        for path in sorted(each.result.folder.rglob("*")):
            if path.is_file() and path.name not in ("findings.json", "stage.json"):
                found.append((f"{each.name} {path.name}", hashlib.sha256(path.read_bytes()).hexdigest()))
    return found


def student(recipe: Recipe) -> Any:
    return contents(made_of(plan(recipe)))


def phases(recipe: Recipe) -> Any:
    """How much each training learnt."""
    return [(each.name, each.findings.get("steps")) for each in made_of(plan(recipe)) if "losses" in each.findings]


def outcome(recipe: Recipe) -> Any:
    """Whether it ends, or with which error."""
    try:
        made_of(plan(recipe))
    except ToolchainError as error:
        return type(error).__name__
    return "made"


def side(recipe: Recipe) -> Side:
    return side_of(plan(recipe))


def judged(recipe: Recipe) -> Any:
    """What int8 is found to do, and what stays float."""
    return judged_of(plan(recipe))


def smoothed(recipe: Recipe) -> Any:
    return contents([Made.of(side(recipe).stage)])


def schemes(recipe: Recipe) -> Any:
    found = schemes_for(build_of(plan(recipe)), ["executorch", "litert"])
    return {name: scheme.static for name, scheme in found.items()}


def form(recipe: Recipe) -> Any:
    return side(recipe).input_spec()


def runtimes(recipe: Recipe) -> Any:
    return runtimes_of(plan(recipe))


def examples(recipe: Recipe) -> Any:
    return load_texts(recipe.data, recipe.task)


def pictures(recipe: Recipe) -> Any:
    images = load_images(recipe.data, recipe.task)
    parts = (images.train, images.validation, images.test, images.extra)
    return [(part.pixels.shape, part.pixels.tobytes(), part.labels) for part in parts]


def verdict(recipe: Recipe) -> Any:
    known = {"latency_ms": 1.0, "artifact_bytes": 1_000_000, "peak_rss_bytes": 1_000_000, "score_loss_percent": 1.0}
    return judge(recipe.budget, **known)  # type: ignore[arg-type]


def task(recipe: Recipe) -> Any:
    return plan(recipe).task


@dataclass(frozen=True)
class Differs:
    """With the setting at `value`, `see` differs from what it is without.

    Both times `beside` stands in the recipe; `instead` is what must stand in it with the value.
    """

    see: Callable[[Recipe], Any]
    value: Any
    kind: str = "embedding"
    beside: Mapping[str, Any] = field(default_factory=dict)
    instead: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HeldBy:
    """Another test holds the effect: it would take long here, or needs what is not here."""

    test: str


@dataclass(frozen=True)
class Read:
    """Told or passed on alone: a module reads it as an attribute."""

    module: str


NO_SIZES = {f"stages.prune.{name}": GONE for name in ("layers", "heads", "neurons")}
PARTS = {"data.file": GONE, "data.train": "train-0.csv", "data.test": "test-0.csv"}
FINISH = {"stages.distill.final_phase.epochs": 1}
AWARE = {"stages.quantize.qat.epochs": 1}
STATIC = {**AWARE, "stages.quantize.scheme": "static-int8"}
DISTILL, FINETUNE, PRUNE, QUANTIZE = "stages.distill", "stages.finetune", "stages.prune", "stages.quantize"
LABELS, VALUES, WORDS = "classification", "regression", "token-classification"
WRITING = "tests/sweeps/test_writing_settings.py"
UNMOVED = {"learning_rate": 1e-12, "epochs": 6}  # a training that gets no better

ENTRIES: Mapping[str, Differs | HeldBy | Read] = {
    "recipe.name": Read("toolchain/assembly/manifest.py"),
    "recipe.description": Read("toolchain/cli/verbs/recipes.py"),
    "model.folder": Differs(student, "roberta"),
    "model.hub": Read("toolchain/models/source.py"),
    "model.revision": Read("toolchain/models/source.py"),
    "model.factory": Differs(
        student, "tests.tiny:factory", beside={"model.folder": "roberta"}, instead={"model.folder": GONE}
    ),
    "model.package": HeldBy(
        "tests/specs/recipe/test_model.py::test_the_demo_has_a_budget_and_finds_its_teacher_without_importing_it"
    ),
    "task.kind": Differs(task, "regression", LABELS, instead={"data.columns": {"value": "text"}}),
    "task.max_length": Differs(student, 16),
    "task.labels": Differs(examples, tiny.LABELS[::-1], LABELS),
    "task.image_size": Differs(pictures, 12, IMAGES),
    "data.builtin": Differs(pictures, "digits", IMAGES, instead={"data.folder": GONE}),
    "data.file": Differs(examples, "train-0.csv", LABELS),
    "data.folder": Differs(pictures, "others", IMAGES),
    "data.train": Differs(examples, "train-1.csv", LABELS, PARTS),
    "data.validation": Differs(examples, "validation-0.csv", LABELS, PARTS),
    "data.test": Differs(examples, "test-1.csv", LABELS, PARTS),
    "data.columns.text": Differs(examples, "other"),
    "data.columns.pair": Differs(examples, "other"),
    "data.columns.label": Differs(examples, "other", LABELS),
    "data.columns.value": Differs(examples, "other", VALUES),
    "data.columns.words": Differs(examples, "tags", WORDS, {"data.file": "words.jsonl"}),
    "data.columns.tags": Differs(examples, "last", WORDS, {"data.file": "words.jsonl"}),
    "data.columns.image": Differs(pictures, "other", IMAGES, {"data.folder": GONE, "data.file": "pictures.csv"}),
    "data.columns.prompt": HeldBy(
        "tests/data/test_documents.py::test_columns_of_other_names_are_renamed_by_the_recipe"
    ),
    "data.columns.completion": HeldBy(
        "tests/data/test_documents.py::test_columns_of_other_names_are_renamed_by_the_recipe"
    ),
    "data.columns.source": HeldBy(
        "tests/data/test_documents.py::test_a_table_with_a_column_of_texts_is_read_for_language_modelling"
    ),
    "data.document": HeldBy("tests/data/test_text_files.py::test_the_unit_says_what_a_document_is"),
    "data.separator": HeldBy(
        "tests/data/test_texts.py::test_the_separator_of_a_recipe_is_the_one_its_files_are_read_with"
    ),
    "data.split.test": Differs(examples, 0.5),
    "data.split.validation": Differs(examples, 0.3),
    "data.extra_text": Differs(examples, "more.txt"),
    "data.extra_text_packages": HeldBy(
        "tests/data/test_texts.py::test_further_packages_give_text_without_labels_to_distil_from"
    ),
    "data.extra_images": Differs(pictures, "extra", IMAGES),
    "budget.latency_ms": Differs(verdict, 0.5),
    "budget.artifact_mb": Differs(verdict, 0.5),
    "budget.peak_memory_mb": Differs(verdict, 0.5),
    "budget.max_score_loss_percent": Differs(verdict, 0.5),
    "budget.first_token_ms": HeldBy(
        "tests/specs/test_budget.py::test_the_first_token_is_to_come_in_time_and_a_miss_says_what_would_change_it"
    ),
    "budget.tokens_per_second": HeldBy(
        "tests/specs/test_budget.py::test_a_limit_that_is_to_be_reached_is_missed_from_below"
    ),
    "budget.context": HeldBy("tests/specs/test_budget.py::test_a_limit_that_is_to_be_reached_is_missed_from_below"),
    "task.chat_template": HeldBy(f"{WRITING}::test_prompts_are_written_as_messages_where_the_recipe_says_so"),
    f"{DISTILL}.top_k": HeldBy(
        "tests/stages/test_learning.py::test_the_likeliest_tokens_of_the_trimmed_vocabulary_are_recorded"
    ),
    f"{DISTILL}.true_token_weight": HeldBy(f"{WRITING}::test_true_tokens_are_learnt_by_their_weight"),
    "stages.export.context": HeldBy(f"{WRITING}::test_a_cache_and_how_prompts_are_read_are_those_of_the_recipe"),
    "stages.export.prefill_lengths": HeldBy(
        f"{WRITING}::test_a_cache_and_how_prompts_are_read_are_those_of_the_recipe"
    ),
    "stages.export.cache": HeldBy(f"{WRITING}::test_a_cache_and_how_prompts_are_read_are_those_of_the_recipe"),
    "stages.export.verify_tokens": HeldBy(f"{WRITING}::test_a_cache_and_how_prompts_are_read_are_those_of_the_recipe"),
    f"{FINETUNE}.refit": HeldBy("tests/sweeps/test_settings.py::test_a_fitted_teacher_of_texts_is_fitted_again"),
    f"{FINETUNE}.epochs": Differs(student, 2, LABELS),
    f"{FINETUNE}.minutes": Differs(outcome, 1e-9, LABELS, {f"{FINETUNE}.seed": 77}),
    f"{FINETUNE}.learning_rate": Differs(student, 1e-3, LABELS),
    f"{FINETUNE}.batch_tokens": Differs(student, 64, LABELS),
    f"{FINETUNE}.batch_images": Differs(student, 8, IMAGES),
    f"{FINETUNE}.augment": Differs(student, 1, IMAGES),
    f"{FINETUNE}.patience": Differs(student, 1, LABELS, {f"{FINETUNE}.{name}": UNMOVED[name] for name in UNMOVED}),
    f"{FINETUNE}.seed": Differs(student, 5, LABELS),
    "stages.vocabulary.enabled": Differs(student, False),
    "stages.vocabulary.size": Differs(student, 280, beside={"model.folder": "roberta"}),
    "stages.vocabulary.coverage": Differs(student, 0.5),
    f"{PRUNE}.enabled": Differs(student, False),
    f"{PRUNE}.layers": Differs(student, 1),
    f"{PRUNE}.heads": Differs(student, 2),
    f"{PRUNE}.neurons": Differs(student, 16),
    f"{PRUNE}.head_width": Differs(student, 4),
    f"{PRUNE}.width": Differs(student, 24),
    f"{PRUNE}.keep_macs": Differs(student, 0.4, instead=NO_SIZES),
    f"{PRUNE}.speedup": Differs(student, 2, instead=NO_SIZES),
    f"{PRUNE}.prices": HeldBy("tests/stages/test_part_prices.py::test_layers_are_timed_on_a_target_and_asked_once"),
    f"{PRUNE}.importance": Differs(student, "taylor"),
    f"{PRUNE}.ranking": Differs(student, "global"),
    f"{PRUNE}.reconstruct": Differs(student, False),
    f"{PRUNE}.steps": Differs(student, 2),
    "stages.low_rank.enabled": Differs(student, False, beside={"stages.low_rank.energy": 0.5}),
    "stages.low_rank.token_rank": Differs(student, 8),
    "stages.low_rank.token_exponent": Differs(student, 0.5, beside={"stages.low_rank.token_rank": 8}),
    "stages.low_rank.energy": Differs(student, 0.5),
    "stages.low_rank.keep_parameters": Differs(student, 0.5),
    f"{DISTILL}.enabled": Differs(student, False),
    f"{DISTILL}.from_scratch": Differs(student, True),
    f"{DISTILL}.projection": Differs(student, True),
    f"{DISTILL}.max_length": Differs(student, 8),
    f"{DISTILL}.keep_overflow": Differs(student, True, beside={f"{DISTILL}.max_length": 16}),
    f"{DISTILL}.augment": Differs(student, 2),
    f"{DISTILL}.epochs": Differs(phases, 2),
    f"{DISTILL}.train_tokens": Differs(phases, 100),
    f"{DISTILL}.train_images": Differs(student, 10, IMAGES, {f"{DISTILL}.batch_images": 8}),
    f"{DISTILL}.minutes": Differs(outcome, 1e-9, beside={f"{DISTILL}.seed": 77}),
    f"{DISTILL}.tokens": Differs(student, 100),
    f"{DISTILL}.learning_rate": Differs(student, 1e-3),
    f"{DISTILL}.batch_tokens": Differs(student, 64),
    f"{DISTILL}.batch_images": Differs(student, 8, IMAGES),
    f"{DISTILL}.temperature": Differs(student, 4.0, LABELS),
    f"{DISTILL}.output_weight": Differs(student, 1.0),
    f"{DISTILL}.hidden_weight": Differs(student, 1.0),
    f"{DISTILL}.intermediate_weight": Differs(student, 1.0),
    f"{DISTILL}.relation_weight": Differs(student, 1.0),
    f"{DISTILL}.similarity_weight": Differs(student, 0.0),
    f"{DISTILL}.pair_weight": Differs(student, 0.0),
    f"{DISTILL}.patience": Differs(phases, 1, beside={f"{DISTILL}.{name}": UNMOVED[name] for name in UNMOVED}),
    f"{DISTILL}.trackers": HeldBy(
        "tests/models/test_training.py::test_other_trackers_write_into_the_folder_they_are_given_and_nowhere_else"
    ),
    f"{DISTILL}.seed": Differs(student, 5),
    f"{DISTILL}.final_phase.epochs": Differs(phases, 2, beside=FINISH),
    f"{DISTILL}.final_phase.train_tokens": Differs(phases, 100, beside=FINISH),
    f"{DISTILL}.final_phase.minutes": Differs(outcome, 1e-9, beside={**FINISH, f"{DISTILL}.seed": 78}),
    f"{DISTILL}.final_phase.max_length": Differs(student, 8, beside=FINISH),
    f"{DISTILL}.final_phase.tokens": Differs(student, 100, beside=FINISH),
    **{
        f"{DISTILL}.final_phase.{name}": Differs(student, value, beside=FINISH)
        for name, value in (
            ("learning_rate", 1e-3),
            ("output_weight", 1.0),
            ("hidden_weight", 1.0),
            ("intermediate_weight", 1.0),
            ("relation_weight", 1.0),
            ("similarity_weight", 0.0),
            ("pair_weight", 0.0),
        )
    },
    "stages.account.attributions": HeldBy(
        "tests/stages/test_account.py::test_an_account_tells_which_words_the_answers_rest_on"
    ),
    f"{QUANTIZE}.scheme": Differs(schemes, "static-int8"),
    f"{QUANTIZE}.weights": Differs(judged, "int4"),
    f"{QUANTIZE}.examples": Differs(student, 8, beside=STATIC),
    f"{QUANTIZE}.calibration": Differs(student, "minmax", beside=STATIC),
    f"{QUANTIZE}.smooth": Differs(smoothed, 0.5, beside={f"{QUANTIZE}.smooth": 0.1}),
    f"{QUANTIZE}.qat.epochs": Differs(phases, 2, beside=AWARE),
    f"{QUANTIZE}.qat.train_tokens": Differs(phases, 100, beside=AWARE),
    f"{QUANTIZE}.qat.train_images": Differs(student, 10, IMAGES, {**AWARE, f"{DISTILL}.batch_images": 8}),
    f"{QUANTIZE}.qat.minutes": Differs(outcome, 1e-9, beside={**AWARE, f"{DISTILL}.seed": 79}),
    f"{QUANTIZE}.qat.learning_rate": Differs(student, 1e-3, beside=AWARE),
    f"{QUANTIZE}.sensitivity": Differs(judged, False),
    f"{QUANTIZE}.max_error_percent": Differs(judged, 1e-3),
    f"{QUANTIZE}.max_score_loss_points": Differs(judged, 1e-6),
    f"{QUANTIZE}.exclude": Differs(judged, ["encoder.layers.0.up"]),
    "stages.export.runtimes": Differs(runtimes, ["litert"]),
    "stages.export.lengths": Differs(form, [16]),
    "stages.export.batch": Differs(form, 4),
    "stages.export.float_reference": HeldBy(
        "tests/end_to_end/test_bench.py::"
        "test_int8_is_measured_in_turn_with_its_float_twin_and_said_to_be_faster_only_where_it_is"
    ),
}
PLACES = (
    *(f"data.{name}" for name in ("file", "folder", "train", "validation", "test", "extra_text", "extra_images")),
    "model.folder",
)


def recipe_of(entry: Differs, settings: Mapping[str, Any]) -> Recipe:
    """Names of files stand for those in `folder`."""
    given = with_settings(with_settings(base(entry.kind), entry.beside), settings)
    for name in PLACES:
        around, _, last = name.partition(".")
        if isinstance(given[around].get(last), str):
            given[around][last] = str(folder() / given[around][last])
    return Recipe.model_validate(given)


def test_every_setting_has_an_entry_and_every_entry_a_setting() -> None:
    assert sorted(ENTRIES) == sorted(LEAVES)


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if isinstance(entry, Differs)])
def test_a_setting_changes_what_is_made(name: str) -> None:
    entry = ENTRIES[name]
    assert isinstance(entry, Differs)
    # The changed one first: what is kept of the other must not stand in for it.
    changed = entry.see(recipe_of(entry, {name: entry.value, **entry.instead}))
    assert changed != entry.see(recipe_of(entry, {}))


VIT = {"model.factory": GONE, "model.folder": "vit", PRUNE: {"layers": 2, "heads": 3, "neurons": 30}}
OTHERS = {kind: (kind, {}) for kind in (*TEXTS, IMAGES)} | {"vision transformer": (IMAGES, VIT)}


def reads(kind: str, name: str) -> bool:
    """Whether a recipe lets this kind of task have a setting of a stage."""
    parts = name.split(".")[1:]
    around = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return all(each in TASKS[kind].settings or each not in OF_SOME for each in around)


def others() -> Iterator[tuple[str, str]]:
    """The settings of stages, with each other kind of task or model that the recipe lets have them."""
    for name, entry in ENTRIES.items():
        if name.startswith("stages.") and isinstance(entry, Differs) and entry.see in (student, phases):
            for other, (kind, _) in OTHERS.items():
                if other != entry.kind and reads(kind, name):
                    yield name, other


@pytest.mark.slow
@pytest.mark.parametrize(("name", "other"), list(others()))
def test_a_setting_changes_what_is_made_of_every_other_kind_or_is_refused(name: str, other: str) -> None:
    entry = ENTRIES[name]
    assert isinstance(entry, Differs)
    kind, beside = OTHERS[other]
    see = student if kind == IMAGES else phases if entry.see is phases else student
    entry = replace(entry, see=see, kind=kind, beside={**beside, **entry.beside})
    try:
        changed = entry.see(recipe_of(entry, {name: entry.value, **entry.instead}))
        without = entry.see(recipe_of(entry, {}))
    except (ToolchainError, ValidationError) as error:
        refusal = str(error)
    else:
        assert changed != without
        return
    assert any(each.rpartition(".")[2] in refusal or each.split(".")[1] in refusal for each in (name, *entry.beside))


def test_a_fitted_teacher_of_texts_is_fitted_again(tmp_path: Path) -> None:
    from transformers import BertForSequenceClassification

    place = tmp_path / "fitted"
    shutil.copytree(tiny.bert_folder(), place)
    names = dict(enumerate(tiny.LABELS))
    config = tiny.bert_config(id2label=names, label2id={label: number for number, label in names.items()})
    BertForSequenceClassification(config).save_pretrained(place)
    assert json.loads((place / "config.json").read_text())["architectures"] == ["BertForSequenceClassification"]
    entry = Differs(student, True, LABELS, {"model.folder": str(place)})
    kept, again = (
        plan(recipe_of(entry, {f"{FINETUNE}.refit": value, f"{FINETUNE}.epochs": 2})) for value in (False, True)
    )
    teachers = [stage_of(each, "teacher") for each in (kept, again)]
    assert ["steps" in each.findings for each in teachers] == [False, True]
    (said,) = teachers[0].findings["notes"]
    assert said.startswith(
        "stages.finetune.epochs, stages.finetune.learning_rate, stages.finetune.batch_tokens not used"
    )
    assert contents([teachers[0]]) != contents([teachers[1]])


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if isinstance(entry, HeldBy)])
def test_a_setting_whose_effect_another_test_holds_is_named_there(name: str) -> None:
    entry = ENTRIES[name]
    assert isinstance(entry, HeldBy)
    path, _, function = entry.test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def attributes(path: Path) -> set[str]:
    """Every name that is read of something, and every text that may be a name."""
    nodes = list(ast.walk(ast.parse(path.read_bytes())))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {node.attr for node in nodes if isinstance(node, ast.Attribute)} | texts


@cache
def read_anywhere() -> set[str]:
    declared = ROOT / "toolchain" / "specs" / "recipe"
    files = [path for path in (ROOT / "toolchain").rglob("*.py") if not path.is_relative_to(declared)]
    return set().union(*map(attributes, files))


@pytest.mark.parametrize("name", LEAVES)
def test_a_setting_is_read_outside_the_recipe(name: str) -> None:
    entry, last = ENTRIES[name], name.rpartition(".")[2]
    assert last in (attributes(ROOT / entry.module) if isinstance(entry, Read) else read_anywhere())


VALUE_OF = {name: entry.value for name, entry in ENTRIES.items() if isinstance(entry, Differs)}


@pytest.mark.parametrize("kind", [*TEXTS, IMAGES])
def test_a_setting_is_refused_by_the_kinds_that_do_not_read_it_and_by_no_other(kind: str) -> None:
    for name in OF_SOME:
        value = VALUE_OF.get(f"stages.{name}", {"epochs": 1})
        given = with_settings({"task": {"kind": kind}}, {f"stages.{name}": value})
        places = {".".join(map(str, place)) for place, _ in disagreements(given)}
        assert (f"stages.{name}" in places) == (name not in TASKS[kind].settings)
