"""The main job on the tiny model: what is built, what is kept, and what a later build makes anew."""

import csv
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch

from tests import tiny
from toolchain import host_latency, pipeline, stages
from toolchain.bundle import Bundle, sha256_of
from toolchain.cache import PACKAGES
from toolchain.errors import InputError, TrainingError
from toolchain.models.encoder import LayerShape
from toolchain.models.text import outputs
from toolchain.pipeline import BuildResult
from toolchain.places import cache_dir
from toolchain.profiles import Profile, load_profile
from toolchain.progress import Progress, Silent
from toolchain.recipe import Recipe
from toolchain.stages import Done, Plan

PROFILE = load_profile("raspberry-pi-4")
BEFORE_EXPORT = ["texts", "teacher", "vocabulary", "prune", "teach", "distill"]
EXPORTS = ["teacher", "float", "int8", "check"]


@pytest.fixture(scope="module", autouse=True)
def own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache and a home for all of these tests, sharing only the compiled runner; and short measurements."""
    cache = tmp_path_factory.mktemp("cache")
    (cache / "runners").symlink_to(cache_dir("runners"))
    quick = replace(host_latency.PROTOCOL, warmup_runs=2, warmup_s=0.0, samples=8, min_seconds=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEWRIGHT_CACHE_DIR", str(cache))
        patch.setenv("EDGEWRIGHT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(host_latency, "PROTOCOL", quick)
        yield


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


def recipe(kind: str, data: Path, **changes: Mapping[str, Any]) -> Recipe:
    """A recipe that builds in seconds; `changes` are merged into its sections, those of stages among them."""
    column = {"classification": "label", "embedding": "pair"}[kind]
    sections: dict[str, dict[str, Any]] = {
        "vocabulary": {},
        "prune": {"layers": 2, "heads": 3, "neurons": 30},
        "distill": {"epochs": 2, "learning_rate": 3e-3, "batch_tokens": 64},
        "export": {"lengths": [16]},
    }
    if kind == "classification":
        sections["finetune"] = {"epochs": 12, "learning_rate": 3e-3, "batch_tokens": 256}
    for name in set(changes) - {"budget", "data"}:
        sections[name] = {**sections.get(name, {}), **changes[name]}
    return Recipe.model_validate(
        {
            "recipe": {"name": f"tiny-{kind}"},
            "model": {"folder": tiny.bert_folder()},
            "task": {"kind": kind, "max_length": tiny.MAX_LENGTH},
            "data": {"file": data, "columns": {column: column}, **changes.get("data", {})},
            "budget": changes.get("budget", {}),
            "stages": sections,
        }
    )


def plan(made_from: Recipe, *, progress: Progress | None = None, profile: Profile = PROFILE) -> Plan:
    return Plan(recipe=made_from, profile=profile, progress=progress or Silent())


def student_of(given: Plan) -> dict[str, Done]:
    """All stages up to the trained student, by name."""
    texts = stages.read_texts(given)
    teacher = stages.load_teacher(given, texts)
    trimmed = stages.trim_vocabulary(given, texts, teacher)
    pruned = stages.cut(given, texts, teacher, trimmed)
    answers = stages.ask_teacher(given, texts, teacher)
    student = stages.teach_student(given, texts, trimmed, pruned, answers)
    return {stage.name: stage for stage in (texts, teacher, trimmed, pruned, answers, student)}


@dataclass(kw_only=True)
class Listener:
    """Writes down what it hears; interrupts the work in the stage named, as Ctrl-C does."""

    interrupt_in: str = ""
    entered: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self.entered.append(name)
        yield

    def update(self, done: float, total: float, note: str = "") -> None:
        self.shares.append(done / total)
        if self.entered[-1] == self.interrupt_in:
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
    assert 0 < len(asked) == len(vectors["inputs"]) <= stages.VECTORS
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
    result = pipeline.build(hard, PROFILE, tmp_path / "missed")
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
    result = pipeline.build(classifier.recipe.model_copy(update={"budget": budget}), PROFILE, tmp_path / "bundle")
    assert result.verdict.met
    assert result.verdict.undecided == ("latency_ms",)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "litert"])
def test_a_classifier_answers_with_its_labels_most_likely_first(classifier: Built, runtime: str) -> None:
    from toolchain.answer import answer_of

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
        "prune": False,
        "teach": True,
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
    examples = stages.texts_of(made["texts"])
    rows = stages.tokenizer_of(given, made["teacher"]).encode(stages.score_of(examples).texts)
    assert stages.tokenizer_of(given, made["vocabulary"]).encode(stages.score_of(examples).texts) == rows
    teacher, student = stages.model_of(made["teacher"]), stages.model_of(made["distill"])
    assert torch.equal(outputs(teacher, rows), outputs(student, rows))
    assert made["distill"].findings["score"] == pytest.approx(made["teacher"].findings["score"])


def test_distilling_brings_the_student_closer_to_its_teacher(paired: Path) -> None:
    made = student_of(plan(recipe("embedding", paired, distill={"epochs": 6})))
    losses = made["distill"].findings["losses"]
    assert losses[-1] < losses[0]
    assert made["distill"].findings["steps"] > 6
    (first, second) = stages.model_of(made["prune"]).encoder.shape.layers
    assert (first, second) == (LayerShape(heads=3, neurons=32), LayerShape(heads=3, neurons=32))


def test_a_limit_of_tokens_takes_the_first_texts_only(paired: Path) -> None:
    all_of_it = student_of(plan(recipe("embedding", paired)))["teach"].findings
    limited = student_of(plan(recipe("embedding", paired, distill={"tokens": 100})))["teach"].findings
    assert limited["tokens"] <= 100 < all_of_it["tokens"]
    assert 1 <= limited["texts"] < all_of_it["texts"]
    least = student_of(plan(recipe("embedding", paired, distill={"tokens": 1})))["teach"].findings
    assert least["texts"] == 1


def test_training_that_diverges_is_told_and_leaves_no_student(paired: Path) -> None:
    given = plan(recipe("embedding", paired, distill={"learning_rate": 1e30}))
    for _ in range(2):  # the second time, too: nothing half-made was kept
        with pytest.raises(TrainingError, match=r"lower stages\.distill\.learning_rate"):
            student_of(given)


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
    assert len(set(asked)) == len(asked) == min(stages.VECTORS, len(stages.texts_of(texts).test))
