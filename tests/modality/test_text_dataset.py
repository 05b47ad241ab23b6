"""Texts as one model takes them."""

from pathlib import Path

import pytest
import torch

from edgewright.modality.text_dataset import TextDataset
from edgewright.specs.recipe import Distill
from tests.stages.builds import build_of, labelled_texts, paired_texts, plan, recipe, tagged_texts

pytestmark = pytest.mark.usefixtures("own_places")


def dataset(kind: str, file: Path) -> TextDataset:
    """The teacher's."""
    build = (
        build_of(plan(recipe(kind, file, finetune={"epochs": 1})), last="teacher")
        if kind != "embedding"
        else (build_of(plan(recipe(kind, file)), last="teacher"))
    )
    given = build.plan
    found = given.modality.dataset(given.recipe, build.result("examples").folder, build.result("inputs").folder)
    assert isinstance(found, TextDataset)
    return found


def test_texts_are_recorded_in_the_same_order_for_teacher_and_student(tmp_path: Path) -> None:
    found = dataset("embedding", paired_texts(tmp_path))
    recorded = found.to_record(Distill(max_length=12), tmp_path)
    again = found.recorded(tmp_path, {"max_length": 12})
    assert [row.ids for row in again.rows] == [row.ids for row in recorded.rows]
    assert max(again.sizes) <= 12
    partners = found.partners(tmp_path)
    assert partners is not None
    assert all(partners[int(other)] == index for index, other in enumerate(partners) if other >= 0)


def test_words_are_read_one_by_one_where_each_gets_a_tag_and_targets_are_a_pieces(tmp_path: Path) -> None:
    found = dataset("token-classification", tagged_texts(tmp_path))
    inputs, targets = found.labelled(found.recipe.stages.finetune)
    assert [len(each) for each in targets] == inputs.sizes
    score = found.score()
    outputs = torch.zeros(sum(found.held_out().sizes), 4)
    assert len(found.as_scored(outputs, found.held_out(), score)) == sum(len(text.split()) for text in score.texts)


def test_labels_are_one_target_a_text_and_pairs_are_none(tmp_path: Path) -> None:
    found = dataset("classification", labelled_texts(tmp_path))
    inputs, targets = found.labelled(found.recipe.stages.finetune)
    assert len(targets) == len(inputs) == len(found.texts.train)
    found.to_record(Distill(), tmp_path)
    assert found.partners(tmp_path) is None


def test_a_search_finds_each_answer_once_with_its_question(tmp_path: Path) -> None:
    found = dataset("embedding", paired_texts(tmp_path))
    corpus = found.corpus()
    parts = found.texts
    answers = {row.pair for row in (*parts.train, *parts.validation, *parts.test)}
    assert len(corpus.texts) == len(corpus.titles) == len(corpus.inputs) == len(answers)
    assert all(any(text.endswith(f" {answer}") for answer in answers) for text in corpus.texts)


def test_the_usual_size_is_the_median_of_the_held_out_texts(tmp_path: Path) -> None:
    found = dataset("classification", labelled_texts(tmp_path))
    sizes = sorted(found.encoded([row.text for row in found.texts.test]).sizes)
    assert found.usual_size(len(sizes)) == found.usual_size(10_000) == sizes[len(sizes) // 2]
    assert found.usual_size(1) in sizes
