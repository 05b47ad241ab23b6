"""What an artifact that generates wrote where it was built, by which it is checked elsewhere.

In:  a bundle's two files of it, and an artifact's runtime and signature; or what an artifact wrote here.
Out: `ExpectedTexts`: ids of held-out prompts, the ids that followed greedily in the same artifact, and the logits that
     the first of them was chosen by. How well another machine's text agrees with them is `measure`'s concern.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from edgewright.base.reading import validated
from edgewright.base.untrusted import parse_json
from edgewright.bundles.files import readable
from edgewright.errors import BundleError
from edgewright.measure.generation_documents import GeneratedText
from edgewright.measure.prompts import Decoding, Prompt, generation_of
from edgewright.specs.generation import Generation
from edgewright.specs.signature import Array, Signature

PROMPTS, LOGITS = "prompts.json", "prompts.safetensors"
AGAIN = "build the bundle again"

_Id = Annotated[int, Field(ge=0, lt=1 << 31)]
_Ids = Annotated[tuple[_Id, ...], Field(min_length=1, max_length=1 << 20)]


class _Document(BaseModel):
    """For each runtime, by its name, the ids that followed each prompt, and their margins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_tokens: Annotated[int, Field(ge=1, le=1 << 20)]
    prompts: Annotated[tuple[_Ids, ...], Field(min_length=1, max_length=10_000)]
    tokens: dict[str, tuple[_Ids, ...]]
    margins: dict[str, tuple[tuple[FiniteFloat, ...], ...]]


@dataclass(frozen=True, kw_only=True)
class ExpectedText:
    """One prompt's ids, the ids that followed, and the logits of the first step, (vocabulary,) in float32.

    `margins` say of each token by how much its logit lay above the next one's.
    """

    ids: tuple[int, ...]
    tokens: tuple[int, ...]
    margins: tuple[float, ...]
    logits: Array


@dataclass(frozen=True, kw_only=True)
class ExpectedTexts:
    """What one artifact wrote after each prompt: greedily, at most `max_tokens`, until its own stop."""

    max_tokens: int
    texts: tuple[ExpectedText, ...]

    def prompts(self) -> tuple[Prompt, ...]:
        """What an artifact is asked to write the same."""
        return asked([each.ids for each in self.texts], self.max_tokens)

    @classmethod
    def of(cls, prompts: Sequence[Prompt], written: Sequence[GeneratedText]) -> Self:
        """Of what an artifact wrote here after prompts made by `asked`."""
        texts = [
            ExpectedText(ids=prompt.ids, tokens=text.tokens, margins=text.margins, logits=text.first_logits)
            for prompt, text in zip(prompts, written, strict=True)
        ]
        return cls(max_tokens=prompts[0].decoding.max_tokens, texts=tuple(texts))

    @classmethod
    def read(cls, folder_files: tuple[Path, Path], runtime: str, signature: Signature) -> Self:
        """Read those of a runtime's artifact from a bundle's two files.

        Raises `InvalidFileError` for a faulty document, `BundleError` where the files do not fit each other or the
        artifact.
        """
        file, logits_file = folder_files
        document = validated(_Document, _json_of(file), file=str(file))
        plan = generation_of(signature)
        tokens, margins = document.tokens.get(runtime, ()), document.margins.get(runtime, ())
        if not len(tokens) == len(margins) == len(document.prompts):
            raise BundleError(
                f"{file} has texts of {len(tokens)} of {len(document.prompts)} prompts for {runtime}; {AGAIN}"
            )
        rows = _logits_of(logits_file, runtime)
        if rows.shape != (len(tokens), plan.vocabulary):
            raise BundleError(f"{logits_file} has logits {list(rows.shape)} for {runtime}, which do not fit; {AGAIN}")
        texts = [
            ExpectedText(ids=ids, tokens=after, margins=above, logits=row)
            for ids, after, above, row in zip(document.prompts, tokens, margins, rows, strict=True)
        ]
        for each in texts:
            _require_fitting(each, plan, file)
        return cls(max_tokens=document.max_tokens, texts=tuple(texts))


def asked(prompts: Sequence[Sequence[int]], max_tokens: int) -> tuple[Prompt, ...]:
    """Greedy prompts whose first step's logits come back."""
    decoding = Decoding(max_tokens=max_tokens)
    return tuple(Prompt(ids=tuple(ids), decoding=decoding, wants_logits=True) for ids in prompts)


def write_expected(folder: Path, expected: Mapping[str, ExpectedTexts]) -> None:
    """Put what each runtime's artifact wrote, by the runtime's name, into a bundle that is being made."""
    first = next(iter(expected.values()))
    document = {
        "max_tokens": first.max_tokens,
        "prompts": [list(each.ids) for each in first.texts],
        "tokens": {name: [list(each.tokens) for each in texts.texts] for name, texts in expected.items()},
        "margins": {name: [list(each.margins) for each in texts.texts] for name, texts in expected.items()},
    }
    (folder / PROMPTS).write_text(json.dumps(document), encoding="utf-8")
    rows = {name: np.stack([each.logits for each in texts.texts]).astype("<f4") for name, texts in expected.items()}
    save_file(rows, folder / LOGITS)


def _json_of(file: Path) -> object:
    def fault(where: str, what: str) -> BundleError:
        return BundleError(f"{file} cannot be read: {where} {what}; {AGAIN}")

    with readable(file):
        return parse_json(file.read_bytes(), name=str(file), error=fault)


def _logits_of(file: Path, runtime: str) -> Array:
    with readable(file):
        try:
            rows: Array = load_file(file)[runtime]
        except (SafetensorError, KeyError, ValueError) as error:
            raise BundleError(f"{file} has no logits of {runtime} ({error}); {AGAIN}") from error
    if rows.dtype != np.float32 or not np.isfinite(rows).all():
        raise BundleError(f"{file} holds something else than finite numbers of float32; {AGAIN}")
    return rows


def _require_fitting(text: ExpectedText, plan: Generation, file: Path) -> None:
    if len(text.margins) != len(text.tokens):
        raise BundleError(f"{file} has {len(text.margins)} margins of {len(text.tokens)} tokens; {AGAIN}")
    if len(text.ids) > plan.context or max(*text.ids, *text.tokens) >= plan.vocabulary:
        raise BundleError(
            f"{file} has a text of {len(text.ids)} ids, up to {max(*text.ids, *text.tokens)}, and the artifact has a "
            f"context of {plan.context} and the ids below {plan.vocabulary}; {AGAIN}"
        )
