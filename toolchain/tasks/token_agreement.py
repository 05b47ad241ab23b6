"""How often a student takes the same next token for likeliest as its teacher, on held-out texts.

In:  the student's likeliest token at each counted place, and the teacher's likeliest ones on the same tokens.
Out: `TokenAgreement`. Both are given the text that stands there, so that one unlike token changes none behind it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import Tensor

FIRST = 5  # of the teacher's tokens, among which the student's may be
SURE = 0.8  # the teacher's probability from which on it is sure of a token


@dataclass(frozen=True, kw_only=True)
class TokenAgreement:
    """Shares of `tokens`: where both take the same, where the student's is among the teacher's first five.

    `sure` is the share of the same where the teacher is sure of its token, which it is of `sure_tokens`.
    """

    tokens: int
    same: float
    among_first: float
    sure_tokens: int
    sure: float

    def document(self) -> dict[str, object]:
        """As it stands in a manifest."""
        return asdict(self)


def token_agreement(student: Tensor, teacher: Tensor) -> TokenAgreement | None:
    """The student's likeliest tokens (tokens,), and the teacher's behind the probability of the first (tokens, 1 + n).

    None where there are no tokens.
    """
    if not len(student):
        return None
    hits = teacher[:, 1 : 1 + FIRST] == student[:, None]
    same, sure = hits[:, 0], teacher[:, 0] > SURE
    return TokenAgreement(
        tokens=len(student),
        same=float(same.double().mean()),
        among_first=float(hits.any(dim=-1).double().mean()),
        sure_tokens=int(sure.sum()),
        sure=float(same[sure].double().mean()) if bool(sure.any()) else 0.0,
    )
