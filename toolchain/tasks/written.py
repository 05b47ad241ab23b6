"""What teacher and student write after held-out prompts, beside what is wanted, and beside what retrieval answers.

In:  the documents, and what each model wrote after some held-out prompts.
Out: `WrittenAccount`: ROUGE-L and exact matches of both and of the nearest training prompt's completion, and examples.
Writing is `models.greedy`'s concern. Bits per byte are the score: this says what they come to in texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean

from edgewright.tasks.account import shortened
from edgewright.tasks.examples import WrittenDocument, WrittenExamples
from edgewright.tasks.rouge import rouge_l

SHOWN = 8  # examples that are kept


@dataclass(frozen=True, kw_only=True)
class WrittenFigures:
    """Means over the prompts: ROUGE-L (F1), and the share of texts that are just what is wanted."""

    rouge_l: float
    exact: float


@dataclass(frozen=True, kw_only=True)
class WrittenExample:
    """A prompt, what is wanted after it, and what both models write; `index` is its place in the held-out part."""

    index: int
    prompt: str
    expected: str
    teacher: str
    student: str


@dataclass(frozen=True, kw_only=True)
class WrittenAccount:
    """Of `count` held-out prompts; `nearest` is the completion of the nearest training prompt (TF-IDF)."""

    count: int
    teacher: WrittenFigures
    student: WrittenFigures
    nearest: WrittenFigures
    equal: float
    """The share of prompts after which both models write the same."""
    examples: tuple[WrittenExample, ...]

    def document(self) -> dict[str, object]:
        """As it stands in a manifest."""
        return asdict(self)


def account_of_written(
    examples: WrittenExamples, teacher: Mapping[int, str], student: Mapping[int, str]
) -> WrittenAccount | None:
    """What was written by the places of documents in the test part; None where neither wrote anything.

    The examples that lost most by ROUGE-L come first.
    """
    places = sorted(teacher.keys() & student.keys())
    if not places:
        return None
    wanted = [examples.test[place] for place in places]
    theirs, ours = ([each[place] for place in places] for each in (teacher, student))
    lost = [
        rouge_l(one, each.completion) - rouge_l(other, each.completion)
        for one, other, each in zip(theirs, ours, wanted, strict=True)
    ]
    shown = sorted(range(len(places)), key=lambda row: -lost[row])[:SHOWN]
    return WrittenAccount(
        count=len(places),
        teacher=_figures(theirs, wanted),
        student=_figures(ours, wanted),
        nearest=_figures(nearest_completions(examples.train, [each.prompt for each in wanted]), wanted),
        equal=fmean(one.strip() == other.strip() for one, other in zip(theirs, ours, strict=True)),
        examples=tuple(
            WrittenExample(
                index=places[row],
                prompt=shortened(wanted[row].prompt),
                expected=shortened(wanted[row].completion),
                teacher=shortened(theirs[row]),
                student=shortened(ours[row]),
            )
            for row in shown
        ),
    )


def nearest_completions(train: Sequence[WrittenDocument], prompts: Sequence[str]) -> list[str]:
    """What follows the training prompt that is most like each, by the cosine of TF-IDF vectors.

    Of prompts without a word that is known it is the first training document's.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+|[^\w\s]")
    known = vectorizer.fit_transform([each.prompt for each in train])
    likeness = vectorizer.transform(prompts) @ known.T
    return [train[int(row.argmax())].completion for row in likeness]


def _figures(texts: Sequence[str], wanted: Sequence[WrittenDocument]) -> WrittenFigures:
    pairs = [(text, each.completion) for text, each in zip(texts, wanted, strict=True)]
    return WrittenFigures(
        rouge_l=fmean(rouge_l(*pair) for pair in pairs),
        exact=fmean(text.strip() == completion.strip() for text, completion in pairs),
    )
