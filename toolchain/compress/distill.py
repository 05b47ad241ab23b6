"""Teach a pruned student to answer as its teacher does, on text without labels.

In:  a teacher's recorded answers (`Targets`), a student, and the same texts in the student's tokens.
Out: the student, trained in place.
The teacher runs once; its answers are kept on disk. Texts are batched by length and never padded to a maximum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from toolchain.models.text import TextModel, fast_arithmetic, over_batches, padded
from toolchain.models.tokenizer import Encoded
from toolchain.models.training import Schedule, Trained, train

OUTPUT_WEIGHT = 10.0  # the cosine loss is small beside the hidden one; this makes both count
SPREAD_SAMPLE = 1 << 16  # word vectors that the scale of the hidden loss is taken from
SOFTENING_TEMPERATURE = 2.0
PAIR_TEMPERATURE = 0.05
PAIR_BANK = 4096  # answers that a text must tell its partner's from


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What the teacher says of each text: its output (texts, outputs), and its last hidden vector of every word.

    `words` is (all words, width) in float16, text after text; text i has the rows from `starts[i]` to `starts[i + 1]`.
    """

    outputs: Tensor
    words: Tensor
    starts: Tensor

    def save(self, path: Path) -> None:
        """Write as one safetensors file."""
        save_file({"outputs": self.outputs, "words": self.words, "starts": self.starts}, path)

    @classmethod
    def load(cls, path: Path) -> Targets:
        """Read what `save` wrote, mapped from disk."""
        return cls(**load_file(path))

    def of_words(self, index: int) -> Tensor:
        """The word vectors of one text."""
        return self.words[int(self.starts[index]) : int(self.starts[index + 1])]


def record_targets(
    teacher: TextModel, texts: Sequence[Encoded], *, told: Callable[[int, int], None] | None = None
) -> Targets:
    """Run the teacher once over `texts`. `told` hears (texts done, texts)."""
    counts = [text.words[-1] + 1 for text in texts]
    starts = torch.tensor([0, *counts]).cumsum(0)
    words = torch.empty(int(starts[-1]), teacher.encoder.shape.width, dtype=torch.float16)
    answers: list[Tensor] = [torch.empty(0)] * len(texts)
    done = 0
    with torch.inference_mode(), fast_arithmetic():
        for indexes, ids, mask in over_batches(texts):
            hidden = teacher.encoder(ids, mask).float()
            output = teacher.head(hidden, mask).float()
            for row, index in enumerate(indexes):
                answers[index] = output[row]
                own = hidden[row, : len(texts[index].ids)]
                numbers = torch.as_tensor(texts[index].words)
                words[starts[index] : starts[index + 1]] = _means(own, numbers, counts[index]).half()
            done += len(indexes)
            if told:
                told(done, len(texts))
    return Targets(outputs=torch.stack(answers), words=words, starts=starts)


def distill(
    student: TextModel,
    targets: Targets,
    texts: Sequence[Encoded],
    schedule: Schedule,
    *,
    partners: Tensor | None = None,
    pair_weight: float = 1.0,
    told: Callable[[float, float], None] | None = None,
) -> Trained:
    """Train `student` in place; `texts` are those the targets were recorded on, in the student's own tokens.

    The loss joins the output (cosine for an embedding; softened cross-entropy of Hinton et al. 2015 for classes) and
    the last hidden vectors, compared a word at a time because a student with fewer pieces may split a word otherwise.
    The hidden part is there only where the widths agree. Where pairs are known, `partners` (texts,) has the index of
    each text's partner or -1, and the student also learns to put a text next to its partner, as the teacher sees that
    one, rather than next to others: the contrastive loss of van den Oord et al. 2018 against the teacher's answers.
    `told` hears (share done, loss). Raises `TrainingError` when the loss is no longer a number.
    """
    spread = targets.words[:SPREAD_SAMPLE].float().var(dim=0).mean()

    def loss_of(batch: list[int]) -> Tensor:
        output, loss = _loss(student, targets, texts, batch, spread)
        if partners is None or not pair_weight:
            return loss
        return loss + pair_weight * _pair_error(output, targets.outputs, torch.tensor(batch), partners)

    lengths = [len(text.ids) for text in texts]
    return train(student, lengths, loss_of, schedule, setting="stages.distill.learning_rate", told=told)


def partners_of(texts: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Tensor:
    """For each text the index of the text it is paired with, (texts,) int64; -1 where there is none."""
    place = {text: index for index, text in enumerate(texts)}
    partners = torch.full((len(texts),), -1)
    for left, right in pairs:
        if left in place and right in place:
            partners[place[left]], partners[place[right]] = place[right], place[left]
    return partners


def _loss(
    student: TextModel, targets: Targets, texts: Sequence[Encoded], batch: Sequence[int], spread: Tensor
) -> tuple[Tensor, Tensor]:
    """The batch's outputs, and how far they and the hidden vectors are from the teacher's."""
    ids, mask = padded([texts[index] for index in batch])
    with fast_arithmetic():
        hidden = student.encoder(ids, mask).float()
        output = student.head(hidden, mask).float()
    wanted = targets.outputs[list(batch)]
    if student.head.shape.classes:
        loss = (
            functional.kl_div(
                functional.log_softmax(output / SOFTENING_TEMPERATURE, dim=-1),
                functional.softmax(wanted / SOFTENING_TEMPERATURE, dim=-1),
                reduction="batchmean",
            )
            * SOFTENING_TEMPERATURE**2
        )
    else:
        loss = (1.0 - functional.cosine_similarity(output, wanted)).mean()
    loss = OUTPUT_WEIGHT * loss
    if hidden.shape[-1] == targets.words.shape[-1]:
        loss = loss + _word_error(hidden, mask, targets, texts, batch) / spread
    return output, loss


def _pair_error(output: Tensor, answers: Tensor, batch: Tensor, partners: Tensor) -> Tensor:
    """Cross-entropy of finding each partner's answer among a random bank of others; 0 for a batch without pairs."""
    own = batch[partners[batch] >= 0]
    if not len(own):
        return output.new_zeros(())
    unit = functional.normalize(output[partners[batch] >= 0], dim=-1)
    right = (unit * functional.normalize(answers[partners[own]], dim=-1)).sum(dim=-1, keepdim=True)
    bank = torch.randint(len(answers), (PAIR_BANK,))
    with fast_arithmetic():
        others = (unit @ functional.normalize(answers[bank], dim=-1).T).float()
    # A text is not to be told from itself, nor from the partner it is meant to find.
    others = others.masked_fill((bank == own[:, None]) | (bank == partners[own][:, None]), -torch.inf)
    scores = torch.cat([right, others], dim=1) / PAIR_TEMPERATURE
    return functional.cross_entropy(scores, torch.zeros(len(scores), dtype=torch.long))


def _word_error(
    hidden: Tensor, mask: Tensor, targets: Targets, texts: Sequence[Encoded], batch: Sequence[int]
) -> Tensor:
    """The mean squared error of the word vectors; words that only one side sees before its cut are left out."""
    numbers, rows, wanted = [], [], []
    offset = 0
    for index in batch:
        own, theirs = texts[index].words, targets.of_words(index)
        count = own[-1] + 1
        compared = min(count, len(theirs)) if count == len(theirs) else min(count, len(theirs)) - 1
        numbers.append(torch.as_tensor(own) + offset)
        rows.append(torch.arange(offset, offset + compared))
        wanted.append(theirs[:compared])
        offset += count
    means = _means(hidden[mask.bool()], torch.cat(numbers), offset)
    return functional.mse_loss(means[torch.cat(rows)], torch.cat(wanted).float())


def _means(vectors: Tensor, numbers: Tensor, count: int) -> Tensor:
    """The mean of the vectors with the same number: (n, width) and (n,) → (count, width)."""
    sums = torch.zeros(count, vectors.shape[-1]).index_add(0, numbers, vectors)
    sizes = torch.zeros(count).index_add(0, numbers, torch.ones(len(numbers)))
    return sums / sizes[:, None]
