"""Altered copies of texts, for a teacher to answer where there are few texts of a task.

In:  texts.
Out: as many altered copies of each as are asked for: pieces of it, thinned, or joined to a piece of another one.
What the copies mean is the teacher's to say, so they need no labels; that a student follows its teacher better over
many mixed inputs than over few real ones is from Beyer et al. 2022 ("a good teacher is patient and consistent").
"""

import random
from collections.abc import Sequence

JOINED_SHARE = 0.5  # of the copies; the others are a piece of one text, thinned
DROPPED_SHARE = 0.15  # of a thinned piece's words
LEAST_WORDS = 4  # of a piece, as far as the text has them


def altered_copies(texts: Sequence[str], *, copies: int, max_words: int, seed: int = 0) -> list[str]:
    """Altered copies of each text in turn, so many times; none that is empty, is one of `texts` or stands there twice.

    No copy has more than `max_words` words: pieces that are joined have half of them each.
    """
    chance = random.Random(seed)
    split = [words for text in texts if (words := text.split())]
    variants: dict[str, None] = {}
    for _ in range(copies):
        for words in chance.sample(split, len(split)):
            if chance.random() < JOINED_SHARE:
                half = max(max_words // 2, 1)
                altered = [*_piece(words, half, chance), *_piece(chance.choice(split), half, chance)]
            else:
                altered = _thinned(_piece(words, max_words, chance), chance)
            variants[" ".join(altered)] = None
    known = set(texts)
    return [text for text in variants if text not in known]


def _piece(words: Sequence[str], most: int, chance: random.Random) -> Sequence[str]:
    """Neighbouring words of a text, from anywhere in it."""
    longest = min(len(words), most)
    length = chance.randint(min(LEAST_WORDS, longest), longest)
    start = chance.randint(0, len(words) - length)
    return words[start : start + length]


def _thinned(words: Sequence[str], chance: random.Random) -> list[str]:
    """Without some of the words, chosen by chance; the same where that would leave none."""
    return [word for word in words if chance.random() >= DROPPED_SHARE] or list(words)
