"""The main job on the tiny model: what is built, what is kept, and what a later build makes anew."""

import csv
import json
import time
from importlib import metadata
from pathlib import Path

import pytest
import torch

from edgewright import pipeline, stages
from edgewright.base import extras
from edgewright.base.cache import ARTIFACT_PACKAGES
from edgewright.base.digest import sha256_of
from edgewright.bundles.bundle import Bundle
from edgewright.devices.benchmark import bench
from edgewright.errors import EnvironmentFaultError, InputError
from edgewright.modality.text_dataset import TextDataset
from edgewright.models.text import outputs
from edgewright.specs.recipe import Recipe
from edgewright.stages import sides
from edgewright.stages.exported import exported
from tests import tiny
from tests.stages.builds import (
    BEFORE_EXPORT,
    EXPORTS,
    PROFILE,
    Built,
    Listener,
    built,
    model_of,
    plan,
    recipe,
    score_of,
    side_of,
    student_of,
    texts_of,
    tokenizer_of,
)

pytestmark = pytest.mark.usefixtures("places_of_stages")


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
    assert manifest.packages == {name: metadata.version(name) for name in ARTIFACT_PACKAGES}
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
    dataset = side_of(plan(classifier.recipe)).dataset
    assert isinstance(dataset, TextDataset)
    asked = dataset.asked_texts(sides.VECTORS)
    assert 0 < len(asked) == len(vectors["inputs"]) <= sides.VECTORS
    assert set(asked) <= {row.text for row in texts_of(made["texts"]).test}
    rows = tokenizer_of(plan(classifier.recipe), made["vocabulary"]).encode(asked)
    assert [list(row.ids) for row in rows] == vectors["inputs"]
    found = outputs(model_of(made["distill"]), rows)
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
    from edgewright.bundles.answering import AskOptions, answer_of

    bundle = Bundle.open(classifier.place)
    right = 0
    for label in tiny.LABELS:
        for text in tiny.sentences(5, seed=9, label=label):
            answer = answer_of(bundle, text, AskOptions(runtime=runtime))
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
        "importance": True,
        "prune": False,
        "teach": True,
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
    texts = score_of(given, made["texts"]).texts
    rows = tokenizer_of(given, made["teacher"]).encode(texts)
    assert tokenizer_of(given, made["vocabulary"]).encode(texts) == rows
    teacher, student = model_of(made["teacher"]), model_of(made["distill"])
    assert torch.equal(outputs(teacher, rows), outputs(student, rows))
    assert made["distill"].findings["score"] == pytest.approx(made["teacher"].findings["score"])


def test_a_device_without_any_of_the_recipes_runtimes_is_told_before_anything_is_made(
    paired: Path, tmp_path: Path
) -> None:
    preferences = PROFILE.preferences.model_copy(update={"runtimes": ("litert",)})
    given = recipe("embedding", paired, export={"runtimes": ["executorch"]})
    heard = Listener()
    with pytest.raises(InputError, match=r"raspberry-pi-4 runs litert; change stages\.export\.runtimes"):
        pipeline.build(given, PROFILE.model_copy(update={"preferences": preferences}), tmp_path / "x", progress=heard)
    assert heard.entered == []


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
        quantize={"max_score_loss_points": 1.0},
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
    sizes = [call.inputs["ids"].size for call in vectors.calls]
    assert len(set(sizes)) > 3
    assert max(sizes) == tiny.MAX_LENGTH or max(sizes) > 16
    assert [call.outputs["output"].shape for call in vectors.calls] == [(1, size, 4) for size in sizes]


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
    from edgewright.bundles.answering import AskOptions, answer_of

    bundle = Bundle.open(tagger.place)
    text = "the rain fell on butter and a rose"
    answer = answer_of(bundle, text, AskOptions(runtime=runtime))
    assert (answer["kind"], [each["word"] for each in answer["words"]]) == ("token-classification", text.split())
    said = {each["word"]: each["label"] for each in answer["words"]}
    assert {word: said[word] for word in ("rain", "butter", "rose")} == {
        "rain": "weather",
        "butter": "kitchen",
        "rose": "garden",
    }
    assert said["the"] == said["and"] == "O"
    assert all(0.25 < each["score"] <= 1 for each in answer["words"])
    long = answer_of(bundle, "rain " * 40, AskOptions(runtime=runtime))["words"]
    assert [each["label"] is None for each in long] == [place >= tiny.MAX_LENGTH - 2 for place in range(40)]


@pytest.mark.slow
def test_a_student_narrow_of_low_rank_and_with_ragged_layers_is_exported_and_agrees(paired: Path) -> None:
    sizes = {"layers": 3, "heads": 2, "neurons": 24, "width": 24, "ranking": "global"}
    low_rank = {"token_rank": 16, "energy": 0.8}
    made = pipeline.run_stages(plan(recipe("embedding", paired, prune=sizes, low_rank=low_rank)))
    for each in exported(made):
        assert each.check.findings.parity.passed, each.check.findings
        assert each.check.findings.score == pytest.approx(stages.student_of(made).findings.score, abs=0.1)


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
    shape = stages.student_of(made).findings.layers
    assert [(each.heads, each.neurons) for each in shape] == [(2, 24)] * 2
    assert {each.check.findings.parity.passed for each in exported(made)} == {True}


def test_a_package_that_a_later_stage_needs_is_told_before_anything_is_made(
    paired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    given = plan(recipe("embedding", paired, account={"attributions": 2}))
    monkeypatch.setattr(stages, "run_stages", lambda *_: pytest.fail("a stage ran"))
    with pytest.raises(EnvironmentFaultError, match=r"edgewright\[explain\]"):
        pipeline.run_stages(given)
