"""The loss of next tokens is the divergence in buckets and the true token's cross-entropy, with its exact gradient."""

import pytest
import torch
from torch.nn import functional

from edgewright.compress import token_loss as module
from edgewright.compress.token_loss import TokenWeights, Wanted, loss_of_states, token_loss
from edgewright.compress.token_targets import likeliest

TOKENS, VOCABULARY, TOP = 9, 40, 5


def wanted(teacher: torch.Tensor, top: int = TOP) -> Wanted:
    tokens, logarithms, rest = likeliest(teacher, top)
    shares = torch.cat([logarithms, rest[:, None]], dim=1).softmax(dim=-1)
    return Wanted(tokens=tokens, shares=shares, true=torch.arange(len(teacher)) % VOCABULARY)


def scores(seed: int, scale: float = 2.0) -> torch.Tensor:
    return scale * torch.randn(TOKENS, VOCABULARY, generator=torch.Generator().manual_seed(seed))


def spelt_out(logits: torch.Tensor, known: Wanted, weights: TokenWeights) -> torch.Tensor:
    """The same by automatic differentiation."""
    own = logits.softmax(dim=-1).gather(1, known.tokens)
    student = torch.cat([own, 1 - own.sum(dim=-1, keepdim=True)], dim=1)
    divergence = (known.shares * (known.shares.log() - student.log())).sum()
    return weights.teacher * divergence + weights.true * functional.cross_entropy(logits, known.true, reduction="sum")


@pytest.mark.parametrize("weights", [TokenWeights(), TokenWeights(teacher=0.0, true=1.0), TokenWeights(true=0.3)])
def test_value_and_gradient_are_those_of_automatic_differentiation(weights: TokenWeights) -> None:
    known = wanted(scores(1))
    ours, theirs = (scores(2).requires_grad_() for _ in range(2))
    loss, expected = token_loss(ours, known, weights), spelt_out(theirs, known, weights)
    (3 * loss).backward()  # type: ignore[no-untyped-call]
    (3 * expected).backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-5)  # type: ignore[arg-type]


def test_a_student_that_says_what_the_teacher_says_has_no_loss_and_no_gradient() -> None:
    teacher = scores(3)
    own = teacher.clone().requires_grad_()
    loss = token_loss(own, wanted(teacher), TokenWeights())
    loss.backward()  # type: ignore[no-untyped-call]
    assert abs(loss.item()) < 1e-4
    assert float(own.grad.abs().max()) < 1e-5  # type: ignore[union-attr]


def test_with_every_token_recorded_it_is_the_divergence_of_whole_distributions() -> None:
    teacher, own = scores(4), scores(5)
    expected = functional.kl_div(own.log_softmax(dim=-1), teacher.log_softmax(dim=-1), reduction="sum", log_target=True)
    assert float(token_loss(own, wanted(teacher, VOCABULARY), TokenWeights())) == pytest.approx(
        expected.item(), rel=1e-4
    )


def test_a_student_sure_of_the_teachers_tokens_has_a_finite_gradient() -> None:
    teacher = scores(6)
    own = (40 * functional.one_hot(teacher.argmax(dim=-1), VOCABULARY)).float().requires_grad_()
    token_loss(own, wanted(teacher), TokenWeights(true=0.3)).backward()  # type: ignore[no-untyped-call]
    assert bool(own.grad.isfinite().all())  # type: ignore[union-attr]


def test_scores_made_in_lots_give_the_same_loss_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    known, closed, found = wanted(scores(7)), torch.randn(TOKENS, 6), []
    for largest in (1 << 25, 2 * VOCABULARY):
        monkeypatch.setattr(module, "LARGEST_LOGITS", largest)
        torch.manual_seed(0)
        table, largest_lot = torch.nn.Linear(6, VOCABULARY), 0
        own = closed.clone().requires_grad_()

        def some(part: torch.Tensor, table: torch.nn.Linear = table) -> torch.Tensor:
            nonlocal largest_lot
            largest_lot = max(largest_lot, len(part))
            return table(part)  # type: ignore[no-any-return]

        loss = loss_of_states(some, own, known, TokenWeights(true=0.3), vocabulary=VOCABULARY)
        loss.backward()  # type: ignore[no-untyped-call]
        found.append((loss.item(), own.grad, table.weight.grad, largest_lot))
    (whole, first, weight, most), (parted, second, other, least) = found
    assert (most, least) == (TOKENS, 2)
    assert whole == pytest.approx(parted, rel=1e-5)
    assert torch.allclose(first, second, atol=1e-6)  # type: ignore[arg-type]
    assert torch.allclose(weight, other, atol=1e-5)  # type: ignore[arg-type]
