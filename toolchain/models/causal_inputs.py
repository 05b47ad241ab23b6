"""Rows of tokens as a model that writes is trained on them, and how they are kept between stages.

In:  `CausalRow`s.
Out: `CausalInputs`; a batch is ids and mask, as that of other texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewright.modality.causal_rows import CausalRow
from edgewright.models.inputs import TextInputs


@dataclass(frozen=True)
class CausalInputs(TextInputs):
    """Texts of which the tokens from each row's `first` on count."""

    rows: Sequence[CausalRow]

    @property
    def firsts(self) -> list[int]:
        """The first token that counts of each row."""
        return [row.first for row in self.rows]

    def save(self, file: Path) -> None:
        """Write them as arrays."""
        np.savez(
            file,
            ids=np.array([token for row in self.rows for token in row.ids], dtype=np.int32),
            words=np.array([word for row in self.rows for word in row.words], dtype=np.int32),
            lengths=np.array(self.sizes, dtype=np.int64),
            firsts=np.array(self.firsts, dtype=np.int64),
            documents=np.array([row.document for row in self.rows], dtype=np.int64),
        )

    @classmethod
    def load(cls, file: Path) -> CausalInputs:
        """Read what `save` wrote."""
        with np.load(file, allow_pickle=False) as saved:
            ids, words, lengths, firsts, documents = (
                saved[name] for name in ("ids", "words", "lengths", "firsts", "documents")
            )
        ends = lengths.cumsum()
        spans = [slice(int(end - length), int(end)) for end, length in zip(ends, lengths, strict=True)]
        return cls(
            [
                CausalRow(
                    ids=tuple(ids[span].tolist()),
                    words=tuple(words[span].tolist()),
                    first=int(first),
                    document=int(document),
                )
                for span, first, document in zip(spans, firsts, documents, strict=True)
            ]
        )
