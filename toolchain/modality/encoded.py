"""A text as token ids, and which word each token belongs to.

In:  ids and words, as a tokenizer gives them.
Out: `Encoded`, and what follows from it alone. Making it of a text is `tokenizer`'s concern.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NO_WORD = -1


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """One text as token ids, and beside each the number of the word it is part of, counted from 0 without gaps.

    Special tokens count as words of their own. Two tokenizers with the same rules for words but other pieces agree
    on the words of a text, which is how a student that splits a rare word differently is still compared.

    A text given as a list of words also tells `given`: for each token the index of its word in that list, `NO_WORD`
    for a special token.
    """

    ids: tuple[int, ...]
    words: tuple[int, ...]
    given: tuple[int, ...] = ()


def first_places(row: Encoded) -> dict[int, int]:
    """Each word of a text that was given as words, and the place of its first piece among the tokens.

    A word behind the maximum length, or one the tokenizer makes nothing of, is not there.
    """
    places: dict[int, int] = {}
    for place, word in enumerate(row.given):
        if word != NO_WORD:
            places.setdefault(word, place)
    return places


def without_last_padding(row: Encoded) -> Encoded:
    """The same without padding tokens at its end, which a text spells and no special token follows.

    A model that is given its text filled up could not tell these from what it is filled up with.
    """
    count = len(row.ids)
    while count > 1 and row.ids[count - 1] == 0:
        count -= 1
    if count == len(row.ids):
        return row
    return Encoded(ids=row.ids[:count], words=row.words[:count], given=row.given[:count])


def word_numbers(word_ids: Iterable[int | None]) -> tuple[int, ...]:
    """The words of a text's tokens counted from 0 without gaps; a token of no word is one of its own."""
    numbers: list[int] = []
    previous: int | None = None
    for word in word_ids:
        new = not numbers or word is None or word != previous
        numbers.append((numbers[-1] + 1 if numbers else 0) if new else numbers[-1])
        previous = word
    return tuple(numbers)


def count_within(rows: Sequence[Encoded], limit: int | None) -> int:
    """How many of the first rows stay within so many tokens; at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += len(row.ids)
        if limit is not None and total > limit:
            return max(count, 1)
    return len(rows)
