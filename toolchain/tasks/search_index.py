"""The corpus of a search bundle: what can be found, and one int8 vector of each.

In:  titles, texts and their embeddings; or the two files an index was saved in.
Out: the best matches for a query's embedding. Needs numpy alone, so that a search starts at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from edgewright.base.untrusted import parse_json
from edgewright.errors import BundleError, InvalidFileError

LARGEST = 127


@dataclass(frozen=True, kw_only=True)
class SearchIndex:
    """`vectors` is (texts, width) in int8: unit vectors times 127."""

    titles: tuple[str, ...]
    texts: tuple[str, ...]
    vectors: NDArray[np.int8]

    @classmethod
    def of(cls, titles: Sequence[str], texts: Sequence[str], embeddings: ArrayLike) -> SearchIndex:
        """An index over (texts, width) embeddings of any length."""
        vectors = _units(np.asarray(embeddings, dtype=np.float32)) * LARGEST
        return cls(titles=tuple(titles), texts=tuple(texts), vectors=np.rint(vectors).astype(np.int8))

    def save(self, corpus: Path, vectors: Path) -> None:
        """Write the texts as JSON and the vectors as safetensors."""
        corpus.write_text(
            json.dumps({"titles": self.titles, "texts": self.texts}, ensure_ascii=False), encoding="utf-8"
        )
        save_file({"vectors": self.vectors}, vectors)

    @classmethod
    def load(cls, corpus: Path, vectors: Path) -> SearchIndex:
        """Read what `save` wrote. Raises `BundleError` when the two files do not belong together."""
        try:
            words = parse_json(corpus.read_bytes(), name=corpus.name)
            index = cls(
                titles=tuple(words["titles"]), texts=tuple(words["texts"]), vectors=load_file(vectors)["vectors"]
            )
        except (InvalidFileError, OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
            raise BundleError(f"the search index cannot be read: {error}; build the bundle again") from error
        if not all(isinstance(each, str) for each in (*index.titles, *index.texts)) or isinstance(words["texts"], str):
            raise BundleError(f"{corpus.name} holds something else than texts and their titles; build the bundle again")
        if index.vectors.ndim != 2 or index.vectors.dtype != np.int8:
            raise BundleError(
                f"{vectors.name} holds vectors of {index.vectors.ndim} axes and type {index.vectors.dtype}, not bytes "
                "of (texts, width); build the bundle again"
            )
        if not len(index.titles) == len(index.texts) == len(index.vectors):
            raise BundleError(f"{corpus.name} has {len(index.texts)} texts, but there are {len(index.vectors)} vectors")
        return index

    def best(self, embedding: ArrayLike, *, top: int) -> list[dict[str, object]]:
        """The `top` texts most like a query's embedding (width,), best first, scored by cosine.

        Raises `BundleError` for one of another width.
        """
        query = _units(np.asarray(embedding, dtype=np.float32)[None])[0]
        if query.shape != self.vectors.shape[1:]:
            raise BundleError(
                f"the model gave {query.size} numbers for a text, but the search index has vectors of "
                f"{self.vectors.shape[1]}: they are not of one build; build the bundle again"
            )
        scores = self.vectors.astype(np.float32) @ query / LARGEST
        order = np.argsort(-scores, kind="stable")[:top]
        return [{"score": float(scores[i]), "title": self.titles[i], "text": self.texts[i]} for i in order]


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units: NDArray[np.float32] = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return units
