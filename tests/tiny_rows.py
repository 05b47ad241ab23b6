"""Small texts of random tokens, as rows that a decoder predicts."""

from dataclasses import dataclass

from tests import tiny_decoders


@dataclass(frozen=True, kw_only=True)
class Row:
    """A text as tokens, and the first that counts."""

    ids: tuple[int, ...]
    first: int = 1


def rows(count: int, *, shortest: int = 3, spread: int = 14) -> list[Row]:
    """Texts of different lengths, some with a prompt before what counts."""
    found = []
    for number in range(count):
        length = shortest + (number * 5) % spread
        ids = tuple(tiny_decoders.ids_of(1, length, seed=number)[0].tolist())
        found.append(Row(ids=ids, first=1 + (number % 3 if length > 4 else 0)))
    return found
