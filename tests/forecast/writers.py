"""A bundle whose artifacts are said to be of a tiny decoder, with what it computes."""

from pathlib import Path
from typing import Any

from edgewright.bundles.bundle import Bundle, write
from edgewright.cost.decoding_structures import generating_structures
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.budget import Budget
from tests import tiny_decoders
from tests.bundles import made

CONTEXT = 48


def bundle(
    place: Path, *, context: int = CONTEXT, budget: Budget | None = None, size: int = 40_000, **changes: Any
) -> Bundle:
    """One of ExecuTorch and LiteRT, in files of this size; `changes` are made to each artifact."""
    model = tiny_decoders.decoder("llama")
    structures = generating_structures(model, context=context)

    def manifest(hashes: dict[str, str]) -> Any:
        usual = made.manifest(hashes)
        artifacts = tuple(
            each.model_copy(
                update={
                    "signature": generating_input(
                        model, RUNTIMES[each.runtime], context=context, prefill_sizes=(8, 32)
                    ).signature,
                    "bytes": size,
                    "structure": structures.prefill,
                    "decode_structure": structures.decode,
                    **changes,
                }
            )
            for each in usual.artifacts
        )
        return usual.model_copy(update={"artifacts": artifacts, "budget": budget or Budget()})

    def fill(folder: Path) -> None:
        made.fill(folder)
        for name in ("model.pte", "model.tflite"):
            (folder / name).write_bytes(bytes(size))

    return write(place / "bundle", manifest, fill)
