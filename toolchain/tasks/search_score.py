"""How well embeddings find what belongs to a text.

In:  held-out texts and the text that answers each.
Out: `SearchScore`, the judge of their embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from edgewright.tasks.account import Account, Flip, account_of_losses, shortened
from edgewright.tasks.scores import Asked, Score

QUERIES_AT_ONCE = 4096


class SearchScore(Score):
    """Mean reciprocal rank of the right answer among all held-out answers, by cosine similarity."""

    metric = "mean reciprocal rank"

    def __init__(self, queries: Sequence[str], answers: Sequence[str]) -> None:
        candidates = list(dict.fromkeys(answers))
        place = {answer: index for index, answer in enumerate(candidates)}
        self.queries, self.candidates = tuple(queries), tuple(candidates)
        self.right = torch.tensor([place[answer] for answer in answers])
        self.texts = (*self.queries, *self.candidates)

    def of(self, outputs: Tensor) -> float:
        """Embeddings of the queries, then of the candidates → the score."""
        return float((1.0 / self.ranks(outputs)).mean())

    def of_similarities(self, rows: Callable[[slice], Tensor]) -> float:
        """The score, of `rows`: a slice of the queries → their similarities, (queries of the slice, candidates).

        Candidates as similar as the right one count half a rank each.
        """
        return float((1.0 / self._ranks(rows)).mean())

    def details(self, outputs: Tensor) -> Mapping[str, float]:
        """The share of queries whose right answer is among the first 1 and 10."""
        ranks = self.ranks(outputs)
        return {f"recall at {count}": float((ranks <= count).float().mean()) for count in (1, 10)}

    def account(self, teacher: Tensor, student: Tensor) -> Account:
        """The queries whose right answer fell furthest."""
        before, after = self.ranks(teacher), self.ranks(student)

        def flip(index: int) -> Flip:
            return Flip(
                index=index,
                text=shortened(self.queries[index]),
                expected=shortened(self.candidates[int(self.right[index])]),
                teacher=f"rank {before[index]:g}",
                student=f"rank {after[index]:g}",
            )

        return account_of_losses(1 / before - 1 / after, flip)

    def asked(self, outputs: Tensor, index: int) -> Asked:
        """The similarity to the right answer's vector."""
        answer = normalize(outputs[len(self.queries) + int(self.right[index])].clone().float(), dim=-1)
        return lambda output: normalize(output, dim=-1) @ answer

    def ranks(self, outputs: Tensor) -> Tensor:
        """Embeddings as `of` takes them → each query's rank of its right answer, (queries,), 1 where it is first."""
        vectors = normalize(outputs.float(), dim=-1)
        queries, candidates = vectors[: len(self.queries)], vectors[len(self.queries) :]
        return self._ranks(lambda part: queries[part] @ candidates.T)

    def _ranks(self, rows: Callable[[slice], Tensor]) -> Tensor:
        """A part of the queries at a time: all similarities of 60,000 pairs would take 14 GB."""
        starts = range(0, len(self.queries), QUERIES_AT_ONCE)
        parts = [slice(start, start + QUERIES_AT_ONCE) for start in starts]
        return torch.cat([_ranks(rows(part), self.right[part]) for part in parts])


def _ranks(similarities: Tensor, right: Tensor) -> Tensor:
    """(queries, candidates), and each query's right candidate → its rank."""
    similarities = similarities.nan_to_num(nan=-math.inf)  # a comparison with "not a number" would rank it first
    wanted = similarities.gather(1, right[:, None])
    above = (similarities > wanted).sum(dim=1)
    level = (similarities == wanted).sum(dim=1) - 1
    return 1.0 + above + level / 2
