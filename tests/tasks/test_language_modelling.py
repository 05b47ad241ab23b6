"""Language modelling: the loss, the imitation of a teacher, the score of a part, and what is refused."""

import pytest
import torch
from torch.nn import functional

from edgewright.errors import BadDataError, InputError
from edgewright.tasks.language_modelling import LANGUAGE_MODELLING
from edgewright.tasks.task import Question
from edgewright.tasks.token_score import TokenScore
from tests.tasks.writing import ByteExamples, documents, told

EXAMPLES = ByteExamples(train=documents("one text", "another"), test=documents("a text"))


def logits(seed: int) -> torch.Tensor:
    return torch.randn(5, 7, generator=torch.Generator().manual_seed(seed))


def test_the_loss_is_what_the_tokens_that_follow_cost() -> None:
    output, targets = logits(0), torch.tensor([0, 6, 3, 3, 1])
    chosen = output.log_softmax(-1)[range(5), targets]
    assert float(LANGUAGE_MODELLING.loss(output, targets)) == pytest.approx(-float(chosen.mean()))


def test_imitation_is_least_of_the_teachers_own_logits() -> None:
    teacher = logits(0)
    assert float(LANGUAGE_MODELLING.imitation(teacher + 3.0, teacher)) == pytest.approx(0, abs=1e-6)
    divergence = functional.kl_div(logits(1).log_softmax(-1), teacher.softmax(-1), reduction="batchmean")
    assert float(LANGUAGE_MODELLING.imitation(logits(1), teacher)) == pytest.approx(float(divergence), rel=1e-5)
    assert float(divergence) > 0.1


def test_a_temperature_softens_both_sides() -> None:
    softened = LANGUAGE_MODELLING.imitation(logits(1), logits(0), temperature=2.0)
    assert float(softened) == pytest.approx(4 * float(LANGUAGE_MODELLING.imitation(logits(1) / 2, logits(0) / 2)))


def test_a_part_is_judged_in_bits_per_byte() -> None:
    score = LANGUAGE_MODELLING.score(EXAMPLES)
    assert isinstance(score, TokenScore)
    assert score.metric == "bits per byte"
    assert score.of(told(EXAMPLES.test, lambda *_: 0.25)) == pytest.approx(2.0)


def test_a_part_without_documents_is_refused() -> None:
    with pytest.raises(BadDataError, match="the validation part holds no document"):
        LANGUAGE_MODELLING.score(EXAMPLES, "validation")


def test_the_baseline_counts_tokens() -> None:
    baseline = LANGUAGE_MODELLING.baseline(EXAMPLES, LANGUAGE_MODELLING.score(EXAMPLES))
    assert "gram of tokens" in baseline.name
    assert 0 < baseline.score < 8


def test_a_teacher_is_not_fitted_to_answers() -> None:
    with pytest.raises(InputError, match=r"remove stages\.finetune"):
        LANGUAGE_MODELLING.targets(EXAMPLES)


def test_an_answer_is_no_single_output() -> None:
    with pytest.raises(InputError, match="token by token"):
        LANGUAGE_MODELLING.answer([0.0], Question(text="a", top=1))
