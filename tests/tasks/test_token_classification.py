"""The task of a tag for each word."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from edgewright.data.texts import Example, Texts
from edgewright.errors import BadDataError
from edgewright.specs.recipe import Data, TaskSettings
from edgewright.tasks.table import task_of
from edgewright.tasks.token_classification import IGNORED
from tests import tiny


def texts(*train: Example, test: tuple[Example, ...] = (), **more: Any) -> Texts:
    return Texts(train=train, validation=(), test=test, **more)


def test_the_loss_of_tags_leaves_out_all_pieces_that_speak_for_no_word() -> None:
    task, output = task_of("token-classification"), torch.randn(2, 4, 3)
    targets = torch.tensor([[IGNORED, 1, IGNORED, IGNORED], [IGNORED, 2, 0, IGNORED]])
    chosen = functional.cross_entropy(output[targets != IGNORED], targets[targets != IGNORED])
    assert task.loss(output, targets) == pytest.approx(float(chosen))
    assert task.loss(output, torch.full((2, 4), IGNORED)) == 0.0


def test_the_target_of_a_word_stands_at_its_first_piece_and_nowhere_else() -> None:
    rows = tiny.tokenizer().encode_words([["warmest", "rain"], ["rain"]])
    assert len(rows[0].ids) == 5  # [CLS] warm ##est rain [SEP]
    first, second = task_of("token-classification").aligned([torch.tensor([2, 1]), torch.tensor([0])], rows)
    assert first.tolist() == [IGNORED, 2, IGNORED, 1, IGNORED]
    assert second.tolist() == [IGNORED, 0, IGNORED]


def test_words_behind_the_maximum_length_have_no_target_and_no_outputs() -> None:
    from edgewright.models.inputs import first_pieces

    words = ["rain"] * 12
    rows = tiny.tokenizer().cut_at(8).encode_words([words])
    (pieces,) = task_of("token-classification").aligned([torch.arange(12)], rows)
    assert pieces.tolist() == [IGNORED, 0, 1, 2, 3, 4, 5, IGNORED]
    found = first_pieces([torch.randn(8, 3)], rows, [12])
    assert found.isnan().all(dim=-1).tolist() == [False] * 6 + [True] * 6


def test_more_words_than_tags_are_reported_with_their_row() -> None:
    rows = tiny.tokenizer().encode_words([["rain"], ["rain", "snow"]])
    with pytest.raises(BadDataError, match="row 2 has 2 words or more, but 1 tags"):
        task_of("token-classification").aligned([torch.tensor([0])] * 2, rows)


def test_tagged_words_reach_the_score_from_a_file(tmp_path: Path) -> None:
    from edgewright.data.texts import load_texts

    path = tmp_path / "a.conll"
    path.write_text("\n".join(f"rain{n} B\nfalls O\nfalls O\n" for n in range(30)))
    examples = load_texts(Data(file=path), TaskSettings(kind="token-classification"))
    task = task_of("token-classification")
    assert task.baseline(examples, task.score(examples)).score == pytest.approx(0.0)  # every "rain…" is a new word
