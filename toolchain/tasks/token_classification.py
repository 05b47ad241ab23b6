"""The task `token-classification`: a tag for each word of a text."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from edgewright.errors import BadDataError
from edgewright.modality.encoded import first_places
from edgewright.tasks.examples import TextExamples, part_of
from edgewright.tasks.labels import LabelTask, likeliest
from edgewright.tasks.task import FITTED_TEXTS, OF_TEXTS, Document, Question, Table, rows_in

if TYPE_CHECKING:
    from torch import Tensor

    from edgewright.modality.encoded import Encoded
    from edgewright.tasks.baselines import Baseline
    from edgewright.tasks.scores import Score

IGNORED = -100  # the target of a token without a tag; PyTorch's own number for it


class TokenClassification(LabelTask[TextExamples]):
    """A tag for each word, read from its first token; tokens that are none have the target `IGNORED`."""

    columns = ("words", "tags")
    suffixes = (".jsonl", ".parquet", ".conll", ".txt")
    builtin_data = ("stdlib-parameters",)
    settings = OF_TEXTS | FITTED_TEXTS | {"distill.temperature"}
    reasons = MappingProxyType({"distill.projection": "its head has a matrix of its own"})
    head = "token labels"
    per_token = True
    attributable = False

    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy over (…, tags), tokens without a tag left out; 0 where there are no others."""
        from torch.nn import functional

        total = functional.cross_entropy(
            output.flatten(0, -2), targets.flatten(), ignore_index=IGNORED, reduction="sum"
        )
        return total / (targets != IGNORED).sum().clamp(min=1)

    def targets(self, examples: TextExamples) -> Sequence[Tensor]:
        """The tag of each word; `aligned` spreads them over a tokenizer's tokens."""
        import torch

        from edgewright.tasks.scores import places_of

        return [
            torch.tensor(places_of(row.tags or (), examples.labels, row=number))
            for number, row in enumerate(examples.train, start=1)
        ]

    def aligned(self, targets: Sequence[Tensor], rows: Sequence[Encoded]) -> list[Tensor]:
        """Targets of each text's words → of its tokens, where the first token of a word has its target.

        All other tokens, special ones and later pieces, are `IGNORED`. The rows are those of `encode_words`.
        """
        import torch

        spread = []
        for number, (tags, row) in enumerate(zip(targets, rows, strict=True), start=1):
            places = first_places(row)
            if places and max(places) >= len(tags):
                raise BadDataError(
                    f"row {number} has {max(places) + 1} words or more, but {len(tags)} tags; give each word one"
                )
            tokens = torch.full((len(row.ids),), IGNORED)
            tokens[list(places.values())] = tags[list(places)]
            spread.append(tokens)
        return spread

    def batch(self, targets: Sequence[Tensor]) -> Tensor:
        """Texts of several lengths, padded by `IGNORED`."""
        from torch.nn.utils.rnn import pad_sequence

        return pad_sequence(list(targets), batch_first=True, padding_value=IGNORED)

    def score(self, examples: TextExamples, part: str = "test") -> Score:
        """Micro F1 of the words' tags."""
        from edgewright.tasks.scores import TagScore

        rows = part_of(examples, part)
        return TagScore([row.tags or () for row in rows], examples.labels, texts=[row.text for row in rows])

    def baseline(self, examples: TextExamples, score: Score) -> Baseline:
        """Each word's most frequent tag."""
        from edgewright.tasks.baselines import tag_baseline
        from edgewright.tasks.scores import TagScore

        assert isinstance(score, TagScore)
        tags = [row.tags or () for row in examples.train]
        return tag_baseline([row.text for row in examples.train], tags, score)

    def answer(self, output: Sequence[float], question: Question) -> Document:
        """Each word with its most likely tag, read from its first token; none where the text was cut before it."""
        words, count = [], len(question.labels)
        for index, word in enumerate(question.text.split()):
            best: Document = {"label": None, "score": None}
            if index in question.places:
                first = question.places[index] * count
                best = likeliest(question.labels, output[first : first + count])[0]
            words.append({"word": word, **best})
        return {"kind": "token-classification", "words": words}

    def answer_table(self, answer: Document) -> Table:
        """A word a row."""
        return ("word", "tag", "score"), [(row["word"], row["label"], row["score"]) for row in rows_in(answer, "words")]


TOKEN_CLASSIFICATION = TokenClassification()
