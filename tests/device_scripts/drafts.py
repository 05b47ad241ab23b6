"""Tiny decoders as artifacts that verify drafts, and others that draft for them: alike, roughened, hostile, respelt."""

from functools import cache
from pathlib import Path

import torch

from edgewright.measure.prompts import Decoding, Draft, Prompt
from edgewright.models.decoder import DecoderModel
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Signature
from tests.device_scripts.artifacts import folder
from tests.models.test_speculative import roughened
from tests.tiny_decoders import VOCABULARY, decoder, ids_of

CONTEXT, AHEAD, TIE = 48, 3, 1e-4
KINDS = ("llama", "gpt2")
SHARES = {"alike": 0.0, "roughened": 0.15, "hostile": 3.0, "respelt": 0.0}
LOST = 5  # of the last ids, which the respelt one has no token for


def respelling() -> tuple[tuple[int, ...], ...]:
    """The ids in reverse, but for the last ones, which two tokens stand for each."""
    kept = VOCABULARY - LOST
    return tuple((kept - 1 - id_,) if id_ < kept else (id_ - kept, 3) for id_ in range(VOCABULARY))


def respelt(model: DecoderModel) -> DecoderModel:
    """The same model with its tokens in reverse, without the last ones."""
    with torch.inference_mode(False):
        return model.with_vocabulary(list(reversed(range(VOCABULARY - LOST))))


@cache
def artifact(runtime: str, kind: str, draft: str = "") -> tuple[Path, Signature]:
    """The one that writes, or the one that drafts for it."""
    model = decoder(kind)
    if draft:
        model = respelt(model) if draft == "respelt" else roughened(model, SHARES[draft])
    described = RUNTIMES[runtime]
    source = generating_input(
        model, described, context=CONTEXT, stop=(7,), prefill_sizes=(4, 16), verify_tokens=0 if draft else AHEAD
    )
    file = folder() / f"{kind}-{draft or 'larger'}{described.suffix}"
    described.write_float(source, file)
    return file, source.signature


def drafted(runtime: str, kind: str, draft: str, *, tie: float = TIE) -> tuple[Path, Draft]:
    """The file that drafts, and how a runner is told of it."""
    file, signature = artifact(runtime, kind, "" if draft == "alike" else draft)
    spelling = respelling() if draft == "respelt" else None
    return file, Draft(signature=signature, spelling=spelling, tie=tie)


def prompts(decoding: Decoding) -> list[Prompt]:
    """Some of unlike lengths, one of which nearly fills the context."""
    return [
        Prompt(ids=tuple(ids_of(1, length, seed=length)[0].tolist()), decoding=decoding)
        for length in (1, 2, 5, 9, 23, CONTEXT - 4, CONTEXT)
    ]
