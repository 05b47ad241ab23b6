"""How much trainings work on: examples where all are of one size, tokens where texts are longer and shorter."""

import pytest

from edgewright.data.texts import Example, Texts
from edgewright.modality.workload import PIECES_A_WORD, TextWorkload, Workload
from edgewright.specs.recipe import Distill, Finetune


def test_examples_of_one_size_count_alike_and_copies_as_more_of_them() -> None:
    work = Workload(unit="images", train=100, every=160)
    assert work.usual_size == 1
    assert work.fitted(Finetune(epochs=3, augment=1)) == 600
    assert work.recorded(Distill(augment=2)) == 360
    assert Workload(unit="images", train=0, every=0).recorded(Distill()) == 1


def test_texts_count_by_their_tokens_up_to_where_they_are_cut() -> None:
    work = TextWorkload(unit="tokens", train=10, every=20, words=(10, 10, 100), max_length=50)
    short = PIECES_A_WORD * 10 + 2
    assert work.usual_size == round(PIECES_A_WORD * 10) + 2
    assert work.fitted(Finetune(epochs=2)) == pytest.approx(2 * 10 * (2 * short + 50) / 3)
    assert work.recorded(Distill(max_length=12)) == 20 * 12
    assert work.recorded(Distill(max_length=12, augment=1)) == 30 * 12
    assert work.recorded(Distill(max_length=12, tokens=100)) == 100


def test_each_text_that_a_student_sees_counts_once() -> None:
    rows = [Example(text=f"{number} of nine words that make up one text") for number in range(5)]
    texts = Texts(train=(*rows, rows[0]), validation=(), test=(), extra=(Example(text="more"),))
    work = TextWorkload.of(texts, 64)
    assert (work.unit, work.train, work.every) == ("tokens", 6, 6)
    assert sorted(work.words) == [1, 9, 9, 9, 9, 9]
