"""Texts as strangers send them: sound ones with slices cut, doubled, swapped or replaced by what breaks readers."""

import random

from hypothesis import strategies as st

NASTY = (
    "9" * 400, "9" * 5000, "1e999", "NaN", "Infinity", "-0", "5e-324", "1_0", "٣", "null", "true",
    '""', "{}", "[" * 100, "[" * 5000, '{"a":' * 2000, "\\ud800", "\ud800",
    "\x00", "\x1b]52;c;eA==\x07", "\u202e", "\ufeff", "\u2028",
    "../../x", "/etc/passwd", "a" * 300, "x" * 70_000,
    "=1+1", "%s%n", "\r\n", "\t", '"', "'", ",", ";", "\\", "#", "]", "}",
)  # fmt: skip


def mutated(text: str, source: random.Random, *, times: int = 1) -> str:
    """The text after some changes."""
    for _ in range(times):
        start = source.randrange(len(text) + 1)
        end = min(len(text), start + source.choice((0, 1, 1, 2, 5, 20)))
        way = source.randrange(5)
        if way == 0:
            text = text[:start] + text[end:]
        elif way == 1:
            text = text[:start] + text[start:end] * 2 + text[end:]
        elif way == 2:
            text = text[:start]
        elif way == 3:
            text = text[:start] + chr(source.randrange(256)) + text[end:]
        else:
            text = text[:start] + source.choice(NASTY) + text[end:]
    return text


def texts_like(*sound: str) -> st.SearchStrategy[str]:
    """Any text, nasty ones, and the sound ones with changes."""
    changed = st.builds(
        lambda text, seed, times: mutated(text, random.Random(seed), times=times),
        st.sampled_from(sound),
        st.integers(0, 2**32),
        st.integers(1, 4),
    )
    return st.one_of(changed, changed, st.sampled_from(NASTY), st.text(max_size=60))
