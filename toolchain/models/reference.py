"""A model as Edgewright reads it, compared with its own library's pipeline; and whether it repeats itself.

In:  a few real examples, and two ways to their outputs.
Out: `Compared`, a finding with the greatest absolute difference, or a `ModelError` where that is too large.
Which examples are taken is the stages' decision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from edgewright.base.quiet import quiet
from edgewright.errors import ModelError, UnsupportedModelError
from edgewright.modality.tokenizer import TextTokenizer
from edgewright.models.text import padded
from edgewright.models.transformers_types import PretrainedTokenizer

LARGEST_DIFFERENCE = 1e-3  # of the greatest output; float32 sums in another order differ by some 1e-6
SAME = 1e-5  # of the greatest output, between two runs of one model: threads may add in another order
EXAMPLES = 8
SENTENCE_TRANSFORMERS = "sentence-transformers"
Example = TypeVar("Example")
FUNCTIONAL = "nn.Dropout, or functional.dropout(x, p, self.training)"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How far outputs are from those of the model's own library, on so many examples; `what` was compared."""

    library: str
    what: str
    examples: int
    greatest_difference: float
    greatest_output: float


@dataclass(frozen=True, kw_only=True)
class Reference(Generic[Example]):
    """What a model's own library makes of examples, and what Edgewright does: both give a flat tensor.

    They may differ by the `allowed` share of the greatest output.
    """

    library: str
    what: str
    theirs: Callable[[Sequence[Example]], Tensor]
    ours: Callable[[Sequence[Example]], Tensor]
    allowed: float = LARGEST_DIFFERENCE

    @torch.inference_mode()
    def compare(self, examples: Sequence[Example]) -> Compared:
        """Run both. Raises `ModelError` for outputs that are no numbers, or that differ beyond rounding."""
        theirs, ours = self.theirs(examples).float().cpu(), self.ours(examples).float().cpu()
        if theirs.shape != ours.shape:
            raise ModelError(
                f"of {len(examples)} examples {self.library} makes {self.what} of {tuple(theirs.shape)} numbers and "
                f"Edgewright {tuple(ours.shape)}: they are read otherwise; bring the model into our form "
                "by model.factory"
            )
        greatest, difference = float(theirs.abs().max()), float((theirs - ours).abs().max())
        if not difference <= self.allowed * greatest:  # also where one is no number
            raise ModelError(
                f"the model as Edgewright reads it differs from {self.library} by up to {difference:.3g} in its "
                f"{self.what} (up to {greatest:.3g}) on {len(examples)} examples, where {self.allowed:g} of them "
                "is allowed: something in its files is not understood; bring it into a TransformerModel by "
                "model.factory, and please report the model"
            )
        return Compared(
            library=self.library,
            what=self.what,
            examples=len(examples),
            greatest_difference=difference,
            greatest_output=greatest,
        )


def text_reference(
    original: nn.Module,
    encoder: nn.Module,
    their_tokenizer: PretrainedTokenizer,
    tokenizer: TextTokenizer,
    *,
    wrapped: str,
    head: nn.Module | None,
    order: Sequence[int] = (),
) -> Reference[str]:
    """The encoder's vectors for each token, or with `head` the outputs, whose classes are the library's in `order`."""

    def given(texts: Sequence[str]) -> dict[str, Tensor]:
        with quiet():
            found = their_tokenizer(
                list(texts), padding=True, truncation=True, max_length=tokenizer.max_length, return_tensors="pt"
            )
        names = ("input_ids", "attention_mask", "token_type_ids")
        return {name: found[name] for name in names if name in found}

    def theirs(texts: Sequence[str]) -> Tensor:
        inputs = given(texts)
        if head is None:
            hidden = getattr(original, wrapped, original)(**inputs)[0]
            return hidden[inputs["attention_mask"].bool()].flatten()  # type: ignore[no-any-return]
        logits = original(**inputs).logits
        logits = logits[..., list(order)] if order else logits
        return (logits[inputs["attention_mask"].bool()] if logits.ndim == 3 else logits).flatten()  # type: ignore[no-any-return]

    def ours(texts: Sequence[str]) -> Tensor:
        ids, mask = padded(tokenizer.encode(texts))
        hidden = encoder(ids, mask)
        output = hidden if head is None else head(hidden, mask)
        return (output[mask.bool()] if output.ndim == 3 else output).flatten()  # type: ignore[no-any-return]

    what = "vectors of tokens" if head is None else "outputs"
    return Reference(library=named("transformers"), what=what, theirs=theirs, ours=ours)


def sentence_reference(
    folder: Path | str, revision: str | None, model: nn.Module, tokenizer: TextTokenizer
) -> Reference[str] | None:
    """Embeddings as sentence-transformers makes them, from text to vector; None where it is not installed."""
    if find_spec("sentence_transformers") is None:
        return None

    def theirs(texts: Sequence[str]) -> Tensor:
        with quiet(), torch.inference_mode(False), torch.no_grad():
            from sentence_transformers import SentenceTransformer

            own = SentenceTransformer(
                str(folder),
                revision=revision,
                device="cpu",
                trust_remote_code=False,
                model_kwargs={"dtype": torch.float32},
            )
            own.max_seq_length = tokenizer.max_length
            found: Tensor = own.encode(list(texts), convert_to_tensor=True, show_progress_bar=False)
        return found.flatten()

    def ours(texts: Sequence[str]) -> Tensor:
        return model(*padded(tokenizer.encode(texts))).flatten()  # type: ignore[no-any-return]

    return Reference(library=named(SENTENCE_TRANSFORMERS), what="embeddings", theirs=theirs, ours=ours)


def some_of(texts: Sequence[str], special: Sequence[str] = (), count: int = EXAMPLES) -> list[str]:
    """A few texts of all lengths, the shortest and the longest among them, without those that spell special tokens."""
    plain = [text for text in dict.fromkeys(texts) if not any(token in text for token in special)]
    ordered = sorted(plain or dict.fromkeys(texts), key=lambda text: (len(text), text))
    if len(ordered) <= count:
        return ordered
    return [ordered[round(place * (len(ordered) - 1) / (count - 1))] for place in range(count)]


@torch.inference_mode()
def require_repeatable(run: Callable[[], Tensor], what: str) -> None:
    """Refuse a model that answers one input in two ways, or by what is no number; `what` names it."""
    first, second = run().float(), run().float()
    if not bool(first.isfinite().all()):
        raise ModelError(f"{what} gives outputs that are no numbers (NaN or infinite); check its weights")
    difference = float((first - second).abs().max()) if first.shape == second.shape else float("inf")
    if difference > SAME * max(float(first.abs().max()), 1e-9):
        raise UnsupportedModelError(
            f"{what}, which answers the same input twice with outputs that differ by {difference:.3g}",
            supported=("models whose outputs depend on their inputs alone",),
            remedy=f"let what is random in its forward depend on self.training ({FUNCTIONAL})",
        )


def named(package: str) -> str:
    """The package and its version."""
    return f"{package} {metadata.version(package)}"
