"""The text of tokens as they come, whole characters at a time, and where a text that ends it begins.

In:  a decoder's tokenizer, ids one after another, and the texts that end what is written.
Out: pieces of text. A character whose bytes are not all there is held back, and so is what may begin such an end.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from edgewright.modality.decoder_tokenizer import DecoderTokenizer


class TokenText:
    """Spells tokens; those that are `silent`, and special tokens, spell nothing."""

    def __init__(self, tokenizer: DecoderTokenizer, *, silent: Sequence[int] = ()) -> None:
        self._tokenizer, self._silent = tokenizer, frozenset(silent)
        self._characters = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token: int) -> str:
        """The characters that are whole with this token."""
        spelt = b"" if token in self._silent else self._tokenizer.spelt(token)
        return self._characters.decode(spelt)

    def rest(self) -> str:
        """What stands for a character that never became whole, once no token follows."""
        return self._characters.decode(b"", final=True)


class EndingText:
    """Passes text on until one of the `ends` comes, which is not passed on; `end` is that one then."""

    def __init__(self, ends: Sequence[str]) -> None:
        self._ends = tuple(ends)
        self._held = ""
        self.end: str | None = None

    def add(self, text: str) -> str:
        """What is known to stand before an end."""
        if self.end is not None:
            return ""
        self._held += text
        found = [(place, each) for each in self._ends if (place := self._held.find(each)) >= 0]
        if found:
            place, self.end = min(found, key=lambda each: (each[0], -len(each[1])))
            return self._passed(place)
        longest = max((_overlap(self._held, each) for each in self._ends), default=0)
        return self._passed(len(self._held) - longest)

    def rest(self) -> str:
        """What was held back, once no text follows."""
        return "" if self.end is not None else self._passed(len(self._held))

    def _passed(self, count: int) -> str:
        text, self._held = self._held[:count], self._held[count:]
        return text


def _overlap(text: str, end: str) -> int:
    """How many of a text's last characters may be the first of an end."""
    return next((size for size in range(min(len(text), len(end) - 1), 0, -1) if text.endswith(end[:size])), 0)
