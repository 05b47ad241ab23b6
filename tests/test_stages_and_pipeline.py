"""The main job on the tiny model: what is built, what is kept, and what a later build makes anew."""

import csv
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgewright import pipeline, stages
from edgewright.base import extras
from edgewright.base.cache import PACKAGES
from edgewright.base.progress import Progress, Silent
from edgewright.bundles.bundle import Bundle
from edgewright.bundles.files import sha256_of
from edgewright.devices.benchmark import bench
from edgewright.errors import EnvironmentFaultError, InputError, TrainingError, TrainingLimitError
from edgewright.models.encoder import Encoder
from edgewright.models.text import outputs
from edgewright.models.transformer import LayerShape
from edgewright.pipeline import BuildResult
from edgewright.quantize.simulated import linear_parts, parts_of
from edgewright.report.int8 import int8_of
from edgewright.specs.profiles import Profile, load_profile
from edgewright.specs.recipe import Recipe
from edgewright.stages import Done, Plan, TextSide, sides, student
from tests import tiny

BOARD = load_profile("raspberry-pi-4")
# Its kernels like more channels than the tiny teacher has heads to give.
FINE = BOARD.preferences.int8_channel_multiple.model_copy(update={"value": 8})
PROFILE = BOARD.model_copy(update={"preferences": BOARD.preferences.model_copy(update={"int8_channel_multiple": FINE})})
SHRINKING = ["importance", "prune", "low rank", "distill"]
BEFORE_EXPORT = ["texts", "teacher", "vocabulary", "teach", *SHRINKING, "account", "sensitivity"]
EXPORTS = ["float", "int8", "teacher", "check"]
WHOLE: dict[str, Any] = {"layers": None, "heads": None, "neurons": None}
WIDTH = 32  # of the tiny teacher


pytestmark = pytest.mark.usefixtures("own_places")


def write(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 texts of three labels, which their words give away."""
    rows = [(text, label) for label in tiny.LABELS for text in tiny.sentences(40, label=label)]
    return write(tmp_path_factory.mktemp("data") / "labelled.csv", [("text", "label"), *rows])


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions, and answers that share their words."""
    questions, ends = tiny.sentences(100, seed=1), tiny.sentences(100, seed=2)
    rows = [(question, f"{question} {end}") for question, end in zip(questions, ends, strict=True)]
    return write(tmp_path_factory.mktemp("data") / "paired.csv", [("text", "pair"), *rows])


@pytest.fixture(scope="module")
def valued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 texts and a value: how many of a text's words are of the weather, in percent."""
    weather = set(tiny.THINGS["weather"].split())
    rows = []
    for text in (text for label in tiny.LABELS for text in tiny.sentences(40, label=label)):
        words = text.split()
        rows.append((text, f"{100 * sum(word in weather for word in words) / len(words):.1f}"))
    return write(tmp_path_factory.mktemp("data") / "valued.csv", [("text", "value"), *rows])


def tag_of(word: str) -> str:
    """What a word is of, or "O"; the last letter of a rare one, as in "rainq", does not matter."""
    return next((name for name, things in tiny.THINGS.items() if {word, word[:-1]} & set(things.split())), "O")


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sentences whose words are of a label each or of none; some are too long, some have words of two pieces."""
    file = tmp_path_factory.mktemp("data") / "tagged.conll"
    texts = [text for label in tiny.LABELS for text in tiny.sentences(100, label=label)]
    texts += [f"{text.split()[1]}q {text}" for text in texts[::9]]
    texts += [" ".join([text] * 6) for text in texts[::100]]
    lines = ["\n".join(f"{word} {tag_of(word)}" for word in text.split()) for text in texts]
    file.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return file


def recipe(kind: str, data: Path, **changes: Mapping[str, Any]) -> Recipe:
    """A recipe that builds in seconds; `changes` are merged into its sections, those of stages among them."""
    column = {"classification": "label", "embedding": "pair", "regression": "value"}.get(kind)
    sections: dict[str, dict[str, Any]] = {
        "vocabulary": {},
        "prune": {"layers": 2, "heads": 3, "neurons": 30},
        "distill": {"epochs": 2, "learning_rate": 3e-3, "batch_tokens": 64},
        "export": {"lengths": [16]},
    }
    if kind != "embedding":
        sections["finetune"] = {"epochs": 12, "learning_rate": 3e-3, "batch_tokens": 256}
    for name in set(changes) - {"budget", "more_data"}:
        sections[name] = {**sections.get(name, {}), **changes[name]}
    return Recipe.model_validate(
        {
            "recipe": {"name": f"tiny-{kind}"},
            "model": {"folder": tiny.bert_folder()},
            "task": {"kind": kind, "max_length": tiny.MAX_LENGTH},
            "data": {
                "file": data,
                **({"columns": {column: column}} if column else {}),
                **changes.get("more_data", {}),
            },
            "budget": changes.get("budget", {}),
            "stages": sections,
        }
    )


def plan(made_from: Recipe, *, progress: Progress | None = None, profile: Profile = PROFILE) -> Plan:
    return Plan(recipe=made_from, profile=profile, progress=progress or Silent())


def made_of(given: Plan) -> list[Done]:
    """All stages up to the trained student, in their order."""
    texts = stages.read_texts(given)
    teacher = stages.load_teacher(given, texts)
    trimmed = stages.trim_vocabulary(given, texts, teacher)
    answers, shrinking = pipeline.shrink(given, texts, teacher, trimmed)
    return [texts, teacher, trimmed, *answers, *shrinking]


def student_of(given: Plan) -> dict[str, Done]:
    """The same by name; of steps made more than once, the last."""
    return {stage.name: stage for stage in made_of(given)}


def encoder_of(done: Done) -> Encoder:
    encoder = stages.model_of(done).encoder
    assert isinstance(encoder, Encoder)
    return encoder


def cosine_with_the_teacher(given: Plan, name: str) -> float:
    """How near a stage's model is to its teacher on held-out texts, at the mean."""
    made = student_of(given)
    texts = stages.score_of(given, made["texts"]).texts
    found, wanted = (
        outputs(stages.model_of(made[model]), stages.tokenizer_of(given, made[tokenizer]).encode(texts))
        for model, tokenizer in ((name, "vocabulary"), ("teacher", "teacher"))
    )
    return float(torch.nn.functional.cosine_similarity(found, wanted).mean())


@dataclass(kw_only=True)
class Listener:
    """Writes down what it hears; interrupts the stage named once so much of it is done, as Ctrl-C does."""

    interrupt_in: str = ""
    interrupt_at: float = 0.0
    interrupt_while: str = ""
    entered: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    notes: list[tuple[str, float, str]] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.entered.append(name)
        yield

    def update(self, done: float, total: float, note: str = "") -> None:
        self.shares.append(done / total)
        self.notes.append((self.entered[-1], done / total, note))
        due = self.entered[-1] == self.interrupt_in and done / total >= self.interrupt_at
        if due and note.startswith(self.interrupt_while):
            raise KeyboardInterrupt


@dataclass(frozen=True, kw_only=True)
class Built:
    result: BuildResult
    recipe: Recipe
    heard: Listener

    @property
    def place(self) -> Path:
        return self.result.bundle.path


def built(made_from: Recipe, place: Path) -> Built:
    heard = Listener()
    return Built(result=pipeline.build(made_from, PROFILE, place, progress=heard), recipe=made_from, heard=heard)


@pytest.fixture(scope="module")
def classifier(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(recipe("classification", labelled), tmp_path_factory.mktemp("classifier") / "bundle")


@pytest.fixture(scope="module")
def search(paired: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built(recipe("embedding", paired), tmp_path_factory.mktemp("search") / "bundle.zip")


@pytest.mark.slow
def test_the_summary_has_every_promised_key_and_survives_json(classifier: Built) -> None:
    summary = json.loads(json.dumps(classifier.result.summary(), allow_nan=False))
    promised = {"bundle", "profile", "teacher", "student", "baseline", "artifacts", "stages", "budget"}
    assert promised <= set(summary)
    assert set(summary["teacher"]) == set(summary["student"]) == {"score", "parameters", "bytes", "latency_ms"}
    assert set(summary["baseline"]) == {"name", "score"}
    for artifact in summary["artifacts"]:
        assert {"runtime", "file", "bytes", "score", "latency_ms", "speedup", "parity"} <= set(artifact)
        there, here = artifact["speedup"], artifact["speedup_where_built"]
        assert (there["how"], there["core"]) == ("predicted", "Cortex-A72")
        assert there["low"] < there["value"] < there["high"]
        assert here["processor"]
        assert (here["by"] == "wall") is not bool(here["marks"])
        assert {"passed", "cosine_min", "max_abs_error"} <= set(artifact["parity"])
    assert all(set(stage) == {"name", "seconds", "cached"} for stage in summary["stages"])
    assert set(summary["budget"]) >= {"met", "missed"}
    assert summary["bundle"] == str(classifier.place)
    assert summary["profile"] == "raspberry-pi-4"


@pytest.mark.slow
def test_every_stage_is_in_the_manifest_in_the_order_it_was_made(classifier: Built) -> None:
    expected = list(BEFORE_EXPORT)
    for runtime in ("executorch", "litert"):
        expected += [f"{name} {runtime}" for name in EXPORTS]
    found = classifier.result.bundle.manifest.stages
    assert [stage.name for stage in found] == [*expected, "time"]
    assert not any(stage.cached for stage in found)
    assert all(stage.made_in_seconds > 0 for stage in found)
    assert {stage.name: stage.settings for stage in found}["prune"]["layers"] == 2
    assert set(classifier.heard.entered) == {*expected, "time", "bundle"}
    assert all(0 <= share <= 1 for share in classifier.heard.shares)


@pytest.mark.slow
def test_the_manifest_tells_the_truth_about_every_file(classifier: Built) -> None:
    manifest = classifier.result.bundle.manifest
    assert set(manifest.files) == {"model.pte", "model.tflite", "tokenizer.json", "vectors.json"}
    for artifact in manifest.artifacts:
        file = classifier.place / artifact.file
        assert artifact.bytes == file.stat().st_size
        assert artifact.sha256 == manifest.files[artifact.file] == sha256_of(file)
        assert artifact.parity.passed
        assert artifact.structure is not None
        assert artifact.teacher_structure is not None
        assert artifact.teacher_structure.weights > artifact.structure.weights
        timing = artifact.timing
        assert timing is not None
        assert timing.processor == manifest.machine["cpu_model"]
        assert 0 < timing.teacher_length <= timing.length <= tiny.MAX_LENGTH
        assert (timing.by == "wall") is not bool(timing.marks)
        if not timing.marks:
            assert artifact.speedup == pytest.approx(artifact.teacher_latency_ms / artifact.latency_ms)
    assert {artifact.runtime: artifact.lengths for artifact in manifest.artifacts} == {
        "executorch": (),
        "litert": (16, tiny.MAX_LENGTH),
    }


@pytest.mark.slow
def test_the_manifest_says_what_was_built_from_what(classifier: Built) -> None:
    manifest = classifier.result.bundle.manifest
    assert Recipe.model_validate(manifest.recipe) == classifier.recipe
    assert (manifest.name, manifest.profile) == ("tiny-classification", "raspberry-pi-4")
    assert (manifest.task.kind, manifest.task.labels) == ("classification", tiny.LABELS)
    assert manifest.baseline.name == "TF-IDF + logistic regression"
    assert manifest.packages == {name: metadata.version(name) for name in PACKAGES}
    assert manifest.student.parameters < 0.7 * manifest.teacher.parameters
    assert manifest.teacher.bytes > (tiny.bert_folder() / "model.safetensors").stat().st_size * 0.9
    assert manifest.teacher.score > 0.7
    assert manifest.student.score > 0.6


@pytest.mark.slow
def test_neurons_are_a_multiple_that_the_device_prefers(classifier: Built) -> None:
    (prune,) = (stage for stage in classifier.result.bundle.manifest.stages if stage.name == "prune")
    multiple = PROFILE.preferences.int8_channel_multiple.value
    assert [layer["neurons"] for layer in prune.findings["layers"]] == [-(-30 // multiple) * multiple] * 2
    assert [layer["from_layer"] for layer in prune.findings["layers"]] == [0, 2]


@pytest.mark.slow
def test_the_test_vectors_are_held_out_texts_with_the_float_students_outputs(classifier: Built) -> None:
    vectors = json.loads((classifier.place / "vectors.json").read_text())
    made = student_of(plan(classifier.recipe))
    assert made["distill"].result.cached
    asked = stages.asked_texts(made["texts"])
    assert 0 < len(asked) == len(vectors["inputs"]) <= sides.VECTORS
    assert set(asked) <= {row.text for row in stages.texts_of(made["texts"]).test}
    rows = stages.tokenizer_of(plan(classifier.recipe), made["vocabulary"]).encode(asked)
    assert [list(row.ids) for row in rows] == vectors["inputs"]
    found = outputs(stages.model_of(made["distill"]), rows)
    assert torch.allclose(torch.tensor(vectors["outputs"]), found, atol=1e-5)


@pytest.mark.slow
def test_a_second_build_makes_nothing_anew_and_gives_the_same_files(classifier: Built, tmp_path: Path) -> None:
    started = time.monotonic()
    again = pipeline.build(classifier.recipe, PROFILE, tmp_path / "again")
    assert time.monotonic() - started < 15
    assert all(stage.cached for stage in again.bundle.manifest.stages)
    assert again.bundle.manifest.files == classifier.result.bundle.manifest.files
    assert again.bundle.manifest.artifacts == classifier.result.bundle.manifest.artifacts


@pytest.mark.slow
def test_a_budget_that_cannot_be_met_is_told_and_the_bundle_is_left(classifier: Built, tmp_path: Path) -> None:
    hard = classifier.recipe.model_copy(update={"budget": type(classifier.recipe.budget)(artifact_mb=0.001)})
    result = pipeline.build(hard, PROFILE, tmp_path / "missed", even_if_unreachable=True)
    assert not result.verdict.met
    (miss,) = result.verdict.missed
    best = result.bundle.artifact()
    assert (miss.name, miss.stage) == ("artifact_mb", "vocabulary")
    assert miss.actual == best.bytes / 1e6
    assert f"{miss.by_percent:.3g} % over the limit of 0.001 MB" in miss.sentence
    assert Bundle.open(tmp_path / "missed").manifest.verdict["met"] is False
    assert all(stage.cached for stage in result.bundle.manifest.stages)


@pytest.mark.slow
def test_limits_that_only_a_device_can_decide_stay_undecided(classifier: Built, tmp_path: Path) -> None:
    budget = type(classifier.recipe.budget)(latency_ms=0.001, artifact_mb=100, max_score_loss_percent=100)
    asked = classifier.recipe.model_copy(update={"budget": budget})
    result = pipeline.build(asked, PROFILE, tmp_path / "bundle", even_if_unreachable=True)
    assert result.verdict.met
    assert result.verdict.undecided == ("latency_ms",)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_classifier_answers_with_its_labels_most_likely_first(classifier: Built, runtime: str) -> None:
    from edgewright.bundles.answering import answer_of

    bundle = Bundle.open(classifier.place)
    right = 0
    for label in tiny.LABELS:
        for text in tiny.sentences(5, seed=9, label=label):
            answer = answer_of(bundle, text, runtime=runtime)
            scores = [each["score"] for each in answer["labels"]]
            assert (answer["kind"], answer["runtime"]) == ("classification", runtime)
            assert scores == sorted(scores, reverse=True)
            assert sum(scores) == pytest.approx(1)
            right += answer["labels"][0]["label"] == label
    assert right >= 9


@pytest.mark.slow
def test_an_empty_question_is_refused(classifier: Built) -> None:
    with pytest.raises(InputError, match="the input is empty"):
        Bundle.open(classifier.place).answer("  ")


@pytest.mark.slow
def test_a_search_bundle_finds_the_answer_that_holds_the_question(search: Built, paired: Path) -> None:
    bundle = Bundle.open(search.place)
    assert search.place.suffix == ".zip"
    assert {"corpus.json", "index.safetensors"} <= set(bundle.manifest.files)
    with paired.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = 0
    for row in rows[:6]:
        matches = bundle.answer(f"{row['text']} {row['pair']}", top=3)["matches"]
        assert len(matches) == 3
        found += matches[0]["text"] == f"{row['text']} {row['pair']}"
        assert matches[0]["score"] <= 1.02
    assert found >= 5
    assert len(json.loads(bundle.file("corpus.json").read_text())["texts"]) == len(rows)


@pytest.mark.slow
def test_a_search_bundle_has_the_words_own_baseline_and_both_artifacts_agree(search: Built) -> None:
    manifest = search.result.bundle.manifest
    assert (manifest.task.metric, manifest.baseline.name) == ("mean reciprocal rank", "TF-IDF")
    assert manifest.baseline.score > 0.9  # questions share every word with their answers
    assert [artifact.runtime for artifact in manifest.artifacts] == ["executorch", "litert"]
    scores = [artifact.score for artifact in manifest.artifacts]
    assert max(scores) - min(scores) < 0.1
    assert manifest.student.score == pytest.approx(sum(scores) / 2, abs=0.1)
    assert "finetune" not in json.dumps([stage.settings for stage in manifest.stages if stage.name == "teacher"])


def test_a_changed_setting_makes_its_stage_and_those_behind_it_anew(labelled: Path) -> None:
    student_of(plan(recipe("classification", labelled)))
    changed = student_of(plan(recipe("classification", labelled, prune={"heads": 2})))
    assert {name: done.result.cached for name, done in changed.items()} == {
        "texts": True,
        "teacher": True,
        "vocabulary": True,
        "teach": True,
        "importance": True,
        "prune": False,
        "low rank": False,
        "distill": False,
    }


def test_changed_data_makes_everything_anew(labelled: Path, tmp_path: Path) -> None:
    student_of(plan(recipe("classification", labelled)))
    more = tmp_path / "more.csv"
    more.write_text(labelled.read_text(encoding="utf-8") + "the rain and the rain,weather\n", encoding="utf-8")
    assert not any(done.result.cached for done in student_of(plan(recipe("classification", more))).values())


def test_an_interrupted_build_goes_on_where_it_stopped(paired: Path, tmp_path: Path) -> None:
    given = recipe("embedding", paired, distill={"seed": 4})
    with pytest.raises(KeyboardInterrupt):
        pipeline.build(given, PROFILE, tmp_path / "bundle", progress=Listener(interrupt_in="distill"))
    assert not (tmp_path / "bundle").exists()
    again = student_of(plan(given))
    assert [name for name, done in again.items() if not done.result.cached] == ["distill"]


def test_the_same_recipe_makes_the_same_student_on_a_machine_without_a_cache(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = plan(recipe("classification", labelled))
    weights = []
    for name in ("first", "second"):
        monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path / name))
        torch.manual_seed(len(weights))  # whatever was random before
        weights.append(student_of(given)["distill"].file("encoder.safetensors").read_bytes())
    assert weights[0] == weights[1]


def test_stages_that_are_turned_off_leave_the_teacher_as_it_is(paired: Path) -> None:
    off = {"enabled": False}
    given = plan(recipe("embedding", paired, vocabulary=off, prune=off, distill=off))
    made = student_of(given)
    texts = stages.score_of(given, made["texts"]).texts
    rows = stages.tokenizer_of(given, made["teacher"]).encode(texts)
    assert stages.tokenizer_of(given, made["vocabulary"]).encode(texts) == rows
    teacher, student = stages.model_of(made["teacher"]), stages.model_of(made["distill"])
    assert torch.equal(outputs(teacher, rows), outputs(student, rows))
    assert made["distill"].findings["score"] == pytest.approx(made["teacher"].findings["score"])


def test_distilling_brings_the_student_closer_to_its_teacher(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, distill={"epochs": 6})))
    losses = made["distill"].findings["losses"]
    assert losses[-1] < losses[0]
    assert made["distill"].findings["steps"] > 6
    (first, second) = stages.model_of(made["prune"]).encoder.shape.layers
    assert (first, second) == (LayerShape(heads=3, head_width=8, neurons=32),) * 2


def test_what_enters_the_layers_that_stay_is_recorded_and_followed_where_it_has_a_weight(paired: Path) -> None:
    drifts = []
    for weight in (0.0, 10.0):
        lesson = {"epochs": 6, "intermediate_weight": weight}
        made = student_of(plan(recipe("embedding", paired, prune={"layers": [0, 2]}, distill=lesson)))
        assert made["teach"].settings["entered"] == ([2] if weight else [])
        drifts.append(made["distill"].findings["drift"][0]["cosine"])
    without, following = drifts
    assert following > without


@pytest.mark.parametrize("prune", [{"layers": 2}, {**WHOLE, "speedup": 2.0}])
def test_layers_that_no_recipe_lists_are_followed_too(paired: Path, prune: dict[str, Any]) -> None:
    made = student_of(plan(recipe("embedding", paired, prune=prune, distill={"intermediate_weight": 1.0})))
    kept = [layer["from_layer"] for layer in made["prune"].findings["layers"]]
    assert made["teach"].settings["entered"] == kept[1:]
    assert len(np.load(made["teach"].file("intermediate.npy"))) == len(kept) - 1 > 0


def test_a_limit_of_tokens_takes_the_first_texts_only(paired: Path) -> None:
    all_of_it = student_of(plan(recipe("embedding", paired)))["teach"].findings
    limited = student_of(plan(recipe("embedding", paired, distill={"tokens": 100})))["teach"].findings
    assert limited["tokens"] <= 100 < all_of_it["tokens"]
    assert 1 <= limited["texts"] < all_of_it["texts"]
    least = student_of(plan(recipe("embedding", paired, distill={"tokens": 1})))["teach"].findings
    assert least["texts"] == 1


@pytest.mark.parametrize(
    ("lessons", "setting"),
    [
        ({"learning_rate": 1e30}, "stages.distill.learning_rate"),
        ({"finish": {"epochs": 1, "learning_rate": 1e30}}, "stages.distill.finish.learning_rate"),
    ],
)
def test_training_that_diverges_is_told_and_leaves_no_student(
    paired: Path, lessons: dict[str, Any], setting: str
) -> None:
    given = plan(recipe("embedding", paired, distill=lessons))
    for _ in range(2):  # the second time, too: nothing half-made was kept
        with pytest.raises(TrainingError, match=f"lower {re.escape(setting)};"):
            student_of(given)


def test_more_text_to_distil_on_leaves_the_fitted_teacher_as_it_is(labelled: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.txt"
    more.write_text("\n".join(tiny.sentences(20, seed=7)))
    alone = plan(recipe("classification", labelled))
    joined = plan(recipe("classification", labelled, more_data={"extra_text": more}))
    before, after = (stages.read_texts(each) for each in (alone, joined))
    assert before.key != after.key
    teacher = stages.load_teacher(alone, before)
    assert stages.load_teacher(joined, after).key == teacher.key


def test_a_device_without_any_of_the_recipes_runtimes_is_told_before_anything_is_made(
    paired: Path, tmp_path: Path
) -> None:
    preferences = PROFILE.preferences.model_copy(update={"runtimes": ("litert",)})
    given = recipe("embedding", paired, export={"runtimes": ["executorch"]})
    heard = Listener()
    with pytest.raises(InputError, match=r"raspberry-pi-4 runs litert; change stages\.export\.runtimes"):
        pipeline.build(given, PROFILE.model_copy(update={"preferences": preferences}), tmp_path / "x", progress=heard)
    assert heard.entered == []


def test_what_is_asked_of_a_device_is_the_same_in_every_build(paired: Path) -> None:
    texts = stages.read_texts(plan(recipe("embedding", paired)))
    asked = stages.asked_texts(texts)
    assert asked == stages.asked_texts(texts)
    assert len(set(asked)) == len(asked) == min(sides.VECTORS, len(stages.texts_of(texts).test))


def test_a_floor_for_coverage_keeps_no_more_pieces_than_it_takes(paired: Path) -> None:
    found = student_of(plan(recipe("embedding", paired, vocabulary={"coverage": 0.9})))["vocabulary"].findings
    everything = student_of(plan(recipe("embedding", paired)))["vocabulary"].findings
    assert found["coverage"] >= 0.9
    assert found["pieces"] < everything["pieces"] <= everything["of"]
    assert everything["held_out_tokens_affected"] <= found["held_out_tokens_affected"] < 0.4


def test_a_token_table_of_low_rank_is_trained_and_kept(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, low_rank={"token_rank": 16})))
    whole, factorised, student = (made[name] for name in ("prune", "low rank", "distill"))
    assert encoder_of(whole).shape.token_rank is None
    assert encoder_of(student).shape.token_rank == encoder_of(factorised).shape.token_rank == 16
    assert [each["name"] for each in factorised.findings["matrices"]] == ["tokens"]
    assert student.findings["parameters"] == factorised.findings["parameters"] < whole.findings["parameters"]
    assert student.findings["losses"][-1] < student.findings["losses"][0]


def test_a_narrower_student_gives_embeddings_of_the_teachers_size(paired: Path) -> None:
    lesson = {"relation_weight": 1.0}
    given = plan(recipe("embedding", paired, prune={"width": 24, "head_width": 4}, distill=lesson))
    made = student_of(given)
    model = stages.model_of(made["distill"])
    assert (model.encoder.shape.width, model.head.shape.projected) == (24, WIDTH)
    assert {layer.head_width for layer in model.encoder.shape.layers} == {8}  # the device likes channels by eights
    rows = stages.tokenizer_of(given, made["vocabulary"]).encode(["rain and snow"])
    assert outputs(model, rows).shape == (1, WIDTH)
    assert made["distill"].findings["drift"] == []  # nothing to compare where the widths differ
    assert made["distill"].findings["losses"][-1] < made["distill"].findings["losses"][0]


def test_a_speedup_is_searched_for_by_the_prices_of_the_profile(paired: Path) -> None:
    given = recipe("embedding", paired, prune={**WHOLE, "speedup": 2.0})
    found = student_of(plan(given))["prune"].findings
    assert 0 < found["searched_ms"] <= found["of_ms"] / 2
    assert PROFILE.name in found["prices"]
    assert all(layer["neurons"] % PROFILE.preferences.int8_channel_multiple.value == 0 for layer in found["layers"])
    teacher = encoder_of(student_of(plan(given))["teacher"]).shape.layers
    assert sum(layer["neurons"] for layer in found["layers"]) < sum(layer.neurons for layer in teacher)


def test_a_search_keeps_no_more_layers_than_are_asked_for(paired: Path) -> None:
    every, one = (
        student_of(plan(recipe("embedding", paired, prune={**WHOLE, "speedup": 1.5, "layers": most})))["prune"].findings
        for most in (None, 1)
    )
    assert len(every["layers"]) > 1
    assert len(one["layers"]) == 1
    assert one["searched_ms"] <= one["of_ms"] / 1.5


def test_a_search_is_made_anew_for_a_device_with_other_prices(paired: Path) -> None:
    given = recipe("embedding", paired, prune={**WHOLE, "speedup": 2.0})
    student_of(plan(given))
    gops = PROFILE.processor.int8_peak_gops
    processor = PROFILE.processor.model_copy(
        update={"int8_peak_gops": gops.model_copy(update={"value": gops.value / 1000})}
    )
    slower = PROFILE.model_copy(update={"processor": processor})
    cached = {name: done.result.cached for name, done in student_of(plan(given, profile=slower)).items()}
    assert [name for name, kept in cached.items() if not kept] == ["prune", "low rank", "distill"]


def test_one_student_of_given_sizes_serves_two_devices_and_is_priced_for_each(paired: Path) -> None:
    here = student_of(plan(recipe("embedding", paired)))["distill"]
    memory = PROFILE.memory
    bandwidth = memory.copy_bandwidth_gb_s
    slower = PROFILE.model_copy(
        update={
            "memory": memory.model_copy(
                update={"copy_bandwidth_gb_s": bandwidth.model_copy(update={"value": bandwidth.value / 1e4})}
            )
        }
    )
    there = student_of(plan(recipe("embedding", paired), profile=slower))["distill"]
    assert there.result.cached
    assert there.findings["predicted_layers_ms"] > here.findings["predicted_layers_ms"]


def test_a_global_ranking_gives_layers_what_they_deserve_and_no_more_in_all(paired: Path) -> None:
    sizes = {"layers": 3, "heads": 2, "neurons": 32, "importance": "fisher"}
    found = student_of(plan(recipe("embedding", paired, prune={**sizes, "ranking": "global"})))["prune"].findings
    assert sum(layer["heads"] for layer in found["layers"]) == 3 * 2
    assert sum(layer["neurons"] for layer in found["layers"]) == 3 * 32
    uniform = student_of(plan(recipe("embedding", paired, prune=sizes)))["prune"].findings
    assert [layer["neurons"] for layer in uniform["layers"]] == [32] * 3
    assert found["layers"] != uniform["layers"]


@pytest.mark.parametrize(("layers", "kept"), [(2, [0, 2]), ([1, 2], [1, 2]), ([0], [0])])
def test_a_gradual_cut_is_taught_between_and_ends_at_the_teachers_layers_of_one_single_cut(
    paired: Path, layers: int | list[int], kept: list[int]
) -> None:
    sizes = {"layers": layers, "heads": 2, "neurons": 16}
    made = made_of(plan(recipe("embedding", paired, prune={**sizes, "steps": 2}, distill={"epochs": 1})))
    assert [done.name for done in made] == [*BEFORE_EXPORT[:4], "importance", "prune", "distill", *SHRINKING]
    between, last = (done.findings["layers"] for done in made if done.name == "prune")
    assert all(16 < layer["neurons"] < 64 for layer in between)
    assert last == [{"from_layer": layer, "heads": 2, "neurons": 16} for layer in kept]
    assert set(kept) <= {layer["from_layer"] for layer in between}
    assert [each["from_layer"] for each in made[-1].findings["drift"]] == kept
    assert len(made[-1].findings["losses"]) > 0


def test_a_share_of_the_arithmetic_is_the_same_goal_in_one_step_and_in_two(paired: Path) -> None:
    parts = {}
    for steps in (1, 2):
        changes = {**WHOLE, "keep_macs": 0.25, "steps": steps}
        given = plan(recipe("embedding", paired, prune=changes, distill={"epochs": 1}))
        layers = student_of(given)["prune"].findings["layers"]
        # A head has 4 × 8 × 32 weights, a neuron 2 × 32.
        parts[steps] = sum(1024 * layer["heads"] + 64 * layer["neurons"] for layer in layers)
    whole = 3 * (1024 * 4 + 64 * 64)
    assert parts[1] == pytest.approx(0.25 * whole, rel=0.2)
    assert parts[2] == pytest.approx(parts[1], rel=0.35)  # blocks of eight neurons and whole heads, rounded twice


def test_a_fresh_student_has_the_sizes_that_pruning_left_and_none_of_its_weights(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, distill={"fresh": True, "learning_rate": 1e-9})))
    before, after = encoder_of(made["low rank"]), encoder_of(made["distill"])
    assert before.shape == after.shape
    assert float(after.tokens.weight.detach().std()) == pytest.approx(0.02, rel=0.1)  # as BERT's are drawn
    assert float(before.tokens.weight.detach().std()) > 0.1
    off = student_of(plan(recipe("embedding", paired, distill={"fresh": True, "enabled": False})))
    assert torch.equal(encoder_of(off["distill"]).tokens.weight, encoder_of(off["low rank"]).tokens.weight)


def test_a_projection_starts_as_nothing_and_is_taught_with_the_student(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, distill={"projection": True})))
    assert not stages.model_of(made["low rank"]).head.shape.projected
    moved = stages.model_of(made["distill"]).head.projection.weight.detach() - torch.eye(WIDTH)
    assert 0.001 < float(moved.abs().max()) < 0.5


def test_what_int8_does_to_each_part_is_measured_and_named_parts_stay_float(paired: Path) -> None:
    sensitivities = {}
    kept = {"keep_float": ["encoder.layers.0.up"]}
    for name, asked in (("plain", {}), ("named", kept), ("off", {**kept, "sensitivity": False})):
        given = plan(recipe("embedding", paired, quantize=asked))
        texts, _, trimmed, *_, student = made_of(given)
        side = TextSide(plan=given, texts=texts, tokens=trimmed, stage=student)
        sensitivities[name] = stages.measure_sensitivity(given, side, static=False).findings
    plain, named, off = sensitivities.values()
    assert plain["kept_float"] == []
    assert named["kept_float"] == off["kept_float"] == ["encoder.layers.0.up"]
    assert set(off) == {"kept_float", "int4", "static"}
    assert plain["int4"] == off["int4"] == []
    assert 0 < plain["left"] == plain["error"] == named["error"] < 0.1
    assert named["left"] != named["error"]
    assert "encoder.positions" in {part["name"] for part in plain["parts"]}


def test_what_int8_costs_of_the_validation_score_is_measured_where_a_limit_is_given(paired: Path) -> None:
    for split, validated in ({}, True), ({"split": {"validation": 0.0}}, False):
        given = plan(recipe("embedding", paired, quantize={"max_points_lost": 20}, more_data=split))
        texts, _, trimmed, *_, student = made_of(given)
        side = TextSide(plan=given, texts=texts, tokens=trimmed, stage=student)
        if validated:
            found = stages.measure_sensitivity(given, side, static=False).findings
            assert found["points"] == found["left_points"] < 20
            assert all(isinstance(part["points"], float) for part in found["parts"])
            assert len(side.held_out("validation")) == len(side.score("validation").texts) > 0
        else:
            with pytest.raises(InputError, match=r"stages\.quantize\.max_points_lost .* is empty; raise data\.split"):
                stages.measure_sensitivity(given, side, static=False)


def test_weights_are_int4_where_the_recipe_says_so_and_the_outputs_bear_it(paired: Path) -> None:
    found = {}
    for most_percent in (1, 100):
        asked = {"weights": "int4", "max_error_percent": most_percent}
        given = plan(recipe("embedding", paired, quantize=asked))
        texts, _, trimmed, *_, student = made_of(given)
        side = TextSide(plan=given, texts=texts, tokens=trimmed, stage=student)
        found[most_percent] = stages.measure_sensitivity(given, side, static=False).findings
        with pytest.raises(InputError, match=r"stages\.quantize\.scheme to \"dynamic-int8\""):
            stages.measure_sensitivity(given, side, static=True)
    assert found[1]["int4"] == []
    assert len(found[100]["int4"]) == len(found[100]["int4_parts"]) > 4
    assert found[1]["left"] < found[100]["left"]
    off = plan(recipe("embedding", paired, quantize={"weights": "int4", "sensitivity": False}))
    assert (
        stages.measure_sensitivity(off, replace(side, plan=off), static=False).findings["int4"] == (found[100]["int4"])
    )


@pytest.mark.slow
def test_a_student_is_float16_on_a_device_that_computes_in_it_and_on_no_other(paired: Path, tmp_path: Path) -> None:
    asked = {"quantize": {"scheme": "float16"}, "export": {"runtimes": ["executorch"]}}
    given = recipe("embedding", paired, **asked)
    with pytest.raises(InputError, match="raspberry-pi-4 has no arithmetic for float16"):
        pipeline.build(given, PROFILE, tmp_path / "slower")
    result = pipeline.build(given, load_profile("raspberry-pi-5"), tmp_path / "bundle")
    (artifact,) = result.bundle.manifest.artifacts
    assert artifact.parity.cosine_min > 0.999
    assert artifact.score == pytest.approx(result.bundle.manifest.student.score, abs=0.02)
    (row,) = int8_of(result.bundle.manifest)
    assert row.verdict.startswith("float16 executorch is ")


@pytest.mark.slow
def test_a_student_taught_in_int4_bears_it_and_its_linear_layers_take_half_the_bytes(paired: Path) -> None:
    narrow = {"weights": "int4", "max_error_percent": 100}
    asked = {"int8": {}, "int4": narrow, "taught": {**narrow, "aware": {"epochs": 6, "learning_rate": 1e-3}}}
    made = {
        name: pipeline.run_stages(plan(recipe("embedding", paired, quantize=quantize)))
        for name, quantize in asked.items()
    }
    left = {name: each.sensitivity[0].findings["left"] for name, each in made.items()}
    assert left["int8"] < left["taught"] < 0.95 * left["int4"]
    student = made["int4"].student.to_run()
    halved = sum(parts_of(student)[name].weight.numel() for name in linear_parts(student)) / 2
    for wide, small in zip(made["int8"].exported, made["int4"].exported, strict=True):
        assert wide.int8.findings["bytes"] - small.int8.findings["bytes"] == pytest.approx(halved, rel=0.3)


def test_a_student_is_smoothed_where_the_recipe_says_so_and_says_what_it_said(paired: Path) -> None:
    given = plan(recipe("embedding", paired, quantize={"smooth": 0.5}))
    texts, _, trimmed, *_, student = made_of(given)
    side = TextSide(plan=given, texts=texts, tokens=trimmed, stage=student)
    found = stages.smooth(given, side)
    assert found.stage.name == "smooth"
    assert found.stage.findings == student.findings
    assert torch.allclose(found.outputs(side.held_out()), side.outputs(side.held_out()), atol=1e-5)
    before, after = (each.model().encoder.layer(0).attention_output.weight for each in (side, found))
    assert not torch.allclose(before, after)
    without = plan(recipe("embedding", paired))
    assert stages.smooth(without, replace(side, plan=without)).stage is student


@pytest.mark.slow
def test_texts_too_are_taught_and_exported_on_scales_of_their_own(labelled: Path, tmp_path: Path) -> None:
    quantize = {"scheme": "static-int8", "aware": {"epochs": 4, "learning_rate": 1e-3}, "max_error_percent": 30}
    runtimes = {"runtimes": ["executorch", "litert", "onnx", "tflite"]}
    given = recipe("classification", labelled, quantize=quantize | {"smooth": 0.5}, export=runtimes)
    manifest = pipeline.build(given, PROFILE, tmp_path / "bundle").bundle.manifest
    names = [stage.name for stage in manifest.stages]
    assert names.index("aware") == names.index("distill") + 1
    findings = {stage.name: stage.findings for stage in manifest.stages}
    assert findings["aware"]["steps"] > 0
    assert findings["sensitivity"]["static"] is True
    for artifact in manifest.artifacts:
        assert artifact.parity.cosine_min > 0.9, artifact
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.1)


@pytest.mark.slow
def test_a_runtime_without_dynamic_kernels_gets_fixed_scales_and_its_own_choice_of_parts(paired: Path) -> None:
    made = pipeline.run_stages(plan(recipe("embedding", paired, export={"runtimes": ["litert", "tflite"]})))
    assert [stage.name for stage in made.sensitivity] == ["sensitivity", "second sensitivity"]
    assert [stage.findings["static"] for stage in made.sensitivity] == [False, True]
    litert, tflite = made.exported
    assert (litert.file(litert.int8).name, tflite.file(tflite.int8).name) == ("model.tflite", "model-tflite.tflite")
    assert tflite.int8.settings["scheme"] == "static-int8"
    assert tflite.check.findings["parity"]["cosine_min"] > 0.95
    assert litert.check.findings["parity"]["passed"]


@pytest.mark.slow
def test_an_artifact_is_larger_by_the_parts_that_the_recipe_keeps_float(paired: Path) -> None:
    sizes = {}
    for kept in ((), ("encoder.tokens",)):
        made = pipeline.run_stages(plan(recipe("embedding", paired, quantize={"keep_float": kept})))
        assert all(each.check.findings["parity"]["passed"] for each in made.exported)
        sizes[kept] = {each.runtime: each.int8.findings["bytes"] for each in made.exported}
    table = encoder_of(made.student.stage).tokens.weight.numel()
    for runtime, plain in sizes[()].items():
        assert sizes["encoder.tokens",][runtime] - plain == pytest.approx(3 * table, rel=0.2)


def test_refitting_what_is_left_brings_the_student_nearer_before_any_training(paired: Path) -> None:
    sizes = {"layers": 3, "heads": 3, "neurons": 16}
    cosines = {
        refitted: cosine_with_the_teacher(
            plan(recipe("embedding", paired, prune={**sizes, "reconstruct": refitted})), "prune"
        )
        for refitted in (False, True)
    }
    assert cosines[False] < cosines[True]
    assert 1 - cosines[True] < 0.7 * (1 - cosines[False])


def test_distilling_says_where_the_student_leaves_its_teacher(paired: Path) -> None:
    found = student_of(plan(recipe("embedding", paired)))["distill"].findings["drift"]
    assert [(each["layer"], each["from_layer"]) for each in found] == [(0, 0), (1, 2)]
    assert all(-1 <= each["cosine"] <= 1 for each in found)


def test_what_is_cut_off_of_long_texts_is_taught_where_the_recipe_says_so(tmp_path: Path) -> None:
    long = [" ".join(tiny.sentences(4, seed=seed)) for seed in range(60)]
    path = write(tmp_path / "long.csv", [("text", "pair"), *((text, f"the answer {text}") for text in long)])
    asked = {}
    for rest in (False, True):
        made = plan(recipe("embedding", path, distill={"max_length": 12, "rest": rest}))
        asked[rest] = student_of(made)["teach"]
    taught = {rest: json.loads(done.file("taught.json").read_text()) for rest, done in asked.items()}
    assert taught[True][: len(taught[False])] == taught[False]
    assert asked[True].findings["texts"] == len(taught[True]) > 1.5 * len(taught[False])
    assert len(set(taught[True])) == len(taught[True])


def test_altered_copies_are_asked_and_taught_where_the_recipe_says_so(labelled: Path) -> None:
    made = {
        copies: student_of(plan(recipe("classification", labelled, distill={"augment": copies, "epochs": 1})))
        for copies in (0, 3)
    }
    plain, more = (json.loads(made[copies]["teach"].file("taught.json").read_text()) for copies in (0, 3))
    assert more[: len(plain)] == plain
    assert len(more) > 2.5 * len(plain)
    assert made[3]["distill"].findings["tokens_seen"] > 2 * made[0]["distill"].findings["tokens_seen"]


def test_a_last_lesson_reads_whole_texts_and_leaves_the_one_before_as_it_was(tmp_path: Path) -> None:
    long = [" ".join(tiny.sentences(3, seed=seed)) for seed in range(60)]
    path = write(tmp_path / "long.csv", [("text", "pair"), *((text, f"the answer {text}") for text in long)])
    lesson = {"max_length": 12, "epochs": 2}
    before = made_of(plan(recipe("embedding", path, distill=lesson)))
    finish = {"train_tokens": 2000, "learning_rate": 1e-3, "hidden_weight": 0, "tokens": 600}
    heard = Listener()
    made = made_of(plan(recipe("embedding", path, distill={**lesson, "finish": finish}), progress=heard))
    assert [done.name for done in made] == [*BEFORE_EXPORT[:4], "teach finish", *SHRINKING, "finish"]
    by_name = {done.name: done for done in made}
    assert by_name["distill"].key == before[-1].key
    assert by_name["distill"].result.cached
    short, whole = (by_name[name].findings for name in ("teach", "teach finish"))
    assert whole["tokens"] / whole["texts"] > 1.5 * short["tokens"] / short["texts"]
    assert whole["tokens"] <= 600 < short["tokens"]
    first, last = (encoder_of(by_name[name]).tokens.weight for name in ("distill", "finish"))
    assert not torch.equal(first, last)
    assert by_name["finish"].findings["layers"] == by_name["distill"].findings["layers"]
    assert [note for stage, _, note in heard.notes if stage == "finish" and note.startswith("loss")]


def test_a_student_that_is_not_distilled_is_not_taught_a_last_lesson(paired: Path) -> None:
    off = {"enabled": False, "finish": {"epochs": 1}}
    made = made_of(plan(recipe("embedding", paired, distill=off)))
    assert [done.name for done in made] == [*BEFORE_EXPORT[:4], *SHRINKING]


def test_patience_ends_training_that_gets_no_better(labelled: Path) -> None:
    lesson = {"epochs": 40, "learning_rate": 1e-9}
    found = student_of(plan(recipe("classification", labelled, distill={**lesson, "patience": 2})))["distill"].findings
    assert found["stopped_early"]
    assert 0 <= found["best_validation"] <= 1
    once = student_of(plan(recipe("classification", labelled, distill={**lesson, "epochs": 1})))["distill"].findings
    assert found["steps"] == 3 * once["steps"]  # the first epoch is the best so far, and two are no better
    assert (once["stopped_early"], once["best_validation"]) == (False, None)


def test_patience_ends_the_fitting_of_a_teacher_too(labelled: Path) -> None:
    fitting = {"learning_rate": 1e-9, "epochs": 30, "batch_tokens": 4096, "patience": 2}
    made = plan(recipe("classification", labelled, finetune=fitting))
    found = stages.load_teacher(made, stages.read_texts(made)).findings
    assert found["stopped_early"]
    assert found["steps"] < 30


def test_patience_without_a_validation_part_is_refused(labelled: Path) -> None:
    split = {"split": {"validation": 0.0}}
    with pytest.raises(InputError, match=r"stages\.distill\.patience .* is empty; raise data\.split\.validation"):
        student_of(plan(recipe("classification", labelled, more_data=split, distill={"patience": 1})))


def test_a_recipe_that_says_nothing_trains_by_the_students_size_and_at_most_a_hundred_epochs(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(**settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        made = student_of(plan(recipe("embedding", paired, distill={"epochs": None, **settings})))
        return made["distill"].findings, made["teach"].findings

    assert student.usual_work(2_600_000, 10**9) == pytest.approx(1.9e6, rel=0.02)  # a student of three thin layers
    assert student.usual_work(2 * 2_600_000, 10**9) == pytest.approx(0.95e6, rel=0.02)
    assert student.usual_work(2_600_000, 500) == 50_000
    monkeypatch.setattr(student, "MOST_USUAL_EPOCHS", 3)
    found, asked = trained()
    assert found["tokens_seen"] == pytest.approx(3 * asked["tokens"], rel=0.15)  # of another vocabulary than asked in
    monkeypatch.setattr(student, "USUAL_MACS", 2000 * found["macs"] / 16)
    found, _ = trained(seed=1)
    assert 2000 <= found["tokens_seen"] < 2000 + 64
    found, _ = trained(train_tokens=900)
    assert 900 <= found["tokens_seen"] < 900 + 64


def test_a_training_past_its_limit_goes_on_by_the_same_command_to_the_student_of_a_quiet_machine(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = student_of(plan(recipe("embedding", paired, distill={"epochs": 4, "seed": 6})))["distill"]
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    limited = recipe("embedding", paired, distill={"epochs": 4, "seed": 6, "minutes": 1e-5})
    with pytest.raises(TrainingLimitError, match=r"stages\.distill\.minutes = 1e-05 allows, .* same command goes on"):
        student_of(plan(limited))
    heard = Listener()
    raised = recipe("embedding", paired, distill={"epochs": 4, "seed": 6, "minutes": 60})
    made = student_of(plan(raised, progress=heard))["distill"]
    assert next(share for name, share, _ in heard.notes if name == "distill") > 0
    assert made.key == quiet.key  # a limit is no part of what a student is made from
    for name in ("encoder.safetensors", "head.safetensors"):
        assert made.file(name).read_bytes() == quiet.file(name).read_bytes()


def test_an_interrupted_fitting_of_a_teacher_goes_on_from_its_last_epoch_to_the_same_teacher(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe("classification", labelled, finetune={"epochs": 4, "seed": 3, "patience": 4})

    def fitted(progress: Progress | None = None) -> Done:
        made = plan(given, progress=progress)
        return stages.load_teacher(made, stages.read_texts(made))

    straight = fitted()
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        fitted(Listener(interrupt_in="teacher", interrupt_at=0.6, interrupt_while="loss"))
    assert list(tmp_path.glob("training/*/training-*.safetensors"))
    heard = Listener()
    resumed = fitted(heard)
    first = next(share for stage, share, note in heard.notes if stage == "teacher" and note.startswith("loss"))
    assert first >= 0.25
    for name in ("encoder.safetensors", "head.safetensors"):
        assert resumed.file(name).read_bytes() == straight.file(name).read_bytes()
    assert resumed.findings == straight.findings
    assert not list(tmp_path.glob("training/*"))


def test_a_teacher_that_takes_longer_than_its_limit_is_given_up_with_a_fault(labelled: Path) -> None:
    made = plan(recipe("classification", labelled, finetune={"epochs": 5, "seed": 8, "minutes": 1e-6}))
    with pytest.raises(TrainingLimitError, match=r"stages\.finetune\.minutes"):
        stages.load_teacher(made, stages.read_texts(made))


def test_an_interrupted_lesson_goes_on_from_its_checkpoint_to_the_same_student(
    paired: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = recipe("embedding", paired, distill={"epochs": 4, "seed": 5})
    straight = student_of(plan(given))["distill"]
    monkeypatch.setenv("EDGEWRIGHT_CACHE_DIR", str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        student_of(plan(given, progress=Listener(interrupt_in="distill", interrupt_at=0.5)))
    assert list(tmp_path.glob("training/*/training-*.safetensors"))
    heard = Listener()
    resumed = student_of(plan(given, progress=heard))["distill"]
    first = next(share for stage, share, note in heard.notes if stage == "distill" and note.startswith("loss"))
    assert first >= 0.25
    for name in ("encoder.safetensors", "head.safetensors"):
        assert resumed.file(name).read_bytes() == straight.file(name).read_bytes()
    assert resumed.findings["losses"] == straight.findings["losses"]
    assert not list(tmp_path.glob("training/*"))  # a finished student needs no checkpoint


def test_a_teacher_learns_values_and_a_student_learns_them_from_it(valued: Path) -> None:
    made = student_of(plan(recipe("regression", valued, distill={"epochs": 6})))
    assert made["teacher"].findings["metric"] == "Spearman correlation"
    assert made["teacher"].findings["baseline"]["name"].startswith("TF-IDF")
    assert made["teacher"].findings["score"] > 0.5
    assert made["distill"].findings["score"] > 0.3
    assert stages.model_of(made["distill"]).head.shape.classes == 1


@pytest.mark.slow
def test_a_bundle_of_a_single_value_is_built_checked_and_judged(valued: Path, tmp_path: Path) -> None:
    budget = {"artifact_mb": 1, "max_score_loss_percent": 90, "latency_ms": 5}
    given = recipe("regression", valued, budget=budget, distill={"epochs": 6})
    result = pipeline.build(given, PROFILE, tmp_path / "bundle")
    manifest = Bundle.open(tmp_path / "bundle").manifest
    assert (manifest.task.kind, manifest.task.metric) == ("regression", "Spearman correlation")
    assert result.verdict.met, result.verdict.summary()
    assert result.verdict.undecided == ("latency_ms",)
    for artifact in manifest.artifacts:
        assert artifact.parity.passed, artifact.parity
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.1)
    assert Recipe.model_validate(manifest.recipe) == given


@pytest.fixture(scope="module")
def tagger(tagged: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    given = recipe(
        "token-classification",
        tagged,
        vocabulary={"coverage": 0.93},  # so that student and teacher split some words otherwise
        finetune={"epochs": 16, "learning_rate": 3e-3, "batch_tokens": 256},
        distill={"epochs": 16, "learning_rate": 3e-3, "batch_tokens": 128},
        export={"lengths": [16], "batch": 2},
        quantize={"max_points_lost": 1.0},
    )
    return built(given, tmp_path_factory.mktemp("tagger") / "bundle")


@pytest.mark.slow
def test_a_bundle_of_tags_is_built_and_every_artifact_says_of_each_word_what_the_student_says(tagger: Built) -> None:
    manifest = Bundle.open(tagger.place).manifest
    assert (manifest.task.kind, manifest.task.metric) == ("token-classification", "micro F1 of tags")
    assert manifest.task.labels == ("O", *tiny.LABELS)
    assert manifest.teacher.score > 0.9
    assert manifest.student.score > 0.8
    assert [artifact.runtime for artifact in manifest.artifacts] == ["executorch", "litert"]
    for artifact in manifest.artifacts:
        assert artifact.parity.passed, artifact.parity
        assert artifact.score == pytest.approx(manifest.student.score, abs=0.05)
        assert artifact.structure is not None
    findings = {stage.name: stage.findings for stage in manifest.stages}
    assert 0 < findings["vocabulary"]["held_out_tokens_affected"] < 0.3
    assert {group["name"] for group in findings["account"]["groups"]} == set(manifest.task.labels)
    assert findings["sensitivity"]["left_points"] is not None


@pytest.mark.slow
def test_the_vectors_of_tags_have_as_many_numbers_as_a_text_has_tokens_and_tags(tagger: Built) -> None:
    vectors = Bundle.open(tagger.place).vectors()
    sizes = [len(ids) for ids in vectors.inputs]
    assert len(set(sizes)) > 3
    assert max(sizes) == tiny.MAX_LENGTH or max(sizes) > 16
    assert [len(row) for row in vectors.outputs] == [4 * size for size in sizes]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
@pytest.mark.parametrize("batched", [False, True])
def test_a_bundle_of_tags_is_measured_one_text_at_a_time_or_several_padded_together(
    tagger: Built, runtime: str, batched: bool
) -> None:
    found = bench(tagger.place, "local:", runtime=runtime, batched=batched, quick=True)
    assert found.parity.passed, found.parity
    assert found.parity.cosine_min > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_tagger_gives_each_word_its_tag_and_none_to_those_behind_the_longest_text(
    tagger: Built, runtime: str
) -> None:
    from edgewright.bundles.answering import answer_of

    bundle = Bundle.open(tagger.place)
    text = "the rain fell on butter and a rose"
    answer = answer_of(bundle, text, runtime=runtime)
    assert (answer["kind"], [each["word"] for each in answer["words"]]) == ("token-classification", text.split())
    said = {each["word"]: each["label"] for each in answer["words"]}
    assert {word: said[word] for word in ("rain", "butter", "rose")} == {
        "rain": "weather",
        "butter": "kitchen",
        "rose": "garden",
    }
    assert said["the"] == said["and"] == "O"
    assert all(0.25 < each["score"] <= 1 for each in answer["words"])
    long = answer_of(bundle, "rain " * 40, runtime=runtime)["words"]
    assert [each["label"] is None for each in long] == [place >= tiny.MAX_LENGTH - 2 for place in range(40)]


def test_words_are_read_as_they_are_given_also_by_a_tokenizer_that_knows_the_spaces_between(
    tagged: Path, tmp_path: Path
) -> None:
    folder, _ = tiny.family_folder(tmp_path, "roberta")
    finetune = {"epochs": 16, "learning_rate": 3e-3, "batch_tokens": 256}
    given = recipe("token-classification", tagged, finetune=finetune, distill={"epochs": 6, "learning_rate": 3e-3})
    source = given.model.model_copy(update={"folder": folder})
    made = made_of(plan(given.model_copy(update={"model": source})))
    assert made[1].findings["score"] > 0.75  # its words are of more pieces, so more texts are cut
    assert made[-1].findings["score"] > 0.5


@pytest.mark.slow
def test_a_student_narrow_of_low_rank_and_with_ragged_layers_is_exported_and_agrees(paired: Path) -> None:
    sizes = {"layers": 3, "heads": 2, "neurons": 24, "width": 24, "ranking": "global"}
    low_rank = {"token_rank": 16, "energy": 0.8}
    made = pipeline.run_stages(plan(recipe("embedding", paired, prune=sizes, low_rank=low_rank)))
    for each in made.exported:
        assert each.check.findings["parity"]["passed"], each.check.findings
        assert each.check.findings["score"] == pytest.approx(made.student.stage.findings["score"], abs=0.1)


@pytest.mark.slow
def test_a_model_with_a_unigram_vocabulary_goes_through_every_stage_to_artifacts_that_agree(
    paired: Path, tmp_path: Path
) -> None:
    folder, _ = tiny.family_folder(tmp_path, "xlm-roberta")
    sizes = {"layers": 2, "heads": 2, "neurons": 24, "width": 24}
    given = recipe("embedding", paired, prune=sizes, low_rank={"token_rank": 16, "energy": 0.9})
    made = pipeline.run_stages(
        plan(given.model_copy(update={"model": given.model.model_copy(update={"folder": folder})}))
    )
    shape = made.student.stage.findings["layers"]
    assert [(each["heads"], each["neurons"]) for each in shape] == [(2, 24)] * 2
    assert {each.check.findings["parity"]["passed"] for each in made.exported} == {True}


def test_an_account_tells_which_words_the_answers_rest_on(paired: Path) -> None:
    given = plan(recipe("embedding", paired, account={"attributions": 2}))
    made = student_of(given)
    teacher = TextSide(plan=given, texts=made["texts"], tokens=made["teacher"], stage=made["teacher"])
    cut = TextSide(plan=given, texts=made["texts"], tokens=made["vocabulary"], stage=made["prune"])
    found = stages.account(given, teacher, cut).findings
    assert len(found["attributions"]) == 2
    for flip, each in zip(found["flips"], found["attributions"], strict=False):
        assert each["shown"] == flip["text"].split()
        assert len(each["teacher"]) == len(each["student"]) == len(each["shown"])
        assert each["teacher"] != each["student"]


def test_a_package_that_a_later_stage_needs_is_told_before_anything_is_made(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    given = plan(recipe("embedding", paired, account={"attributions": 2}))
    monkeypatch.setattr(stages, "read_texts", lambda _: pytest.fail("a stage ran"))
    with pytest.raises(EnvironmentFaultError, match=r"edgewright\[explain\]"):
        pipeline.run_stages(given)
