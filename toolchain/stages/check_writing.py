"""How an artifact that writes is checked: its logits beside the float student's, over held-out texts.

In:  the student, and the artifact of one runtime.
Out: `CheckFindings`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from edgewright.bundles.schema import GenerationParityFacts, ParityFacts
from edgewright.errors import InputError
from edgewright.measure.generation_parity import MOST_TEXTS, compare_generation
from edgewright.measure.text_reading import Logits
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.signature import Signature
from edgewright.stages.sides import Side
from edgewright.stages.stage import Findings


class CheckFindings(Findings):
    """The artifact's score, and how near its outputs are to the float student's."""

    score: float
    parity: ParityFacts


def checked_writing(student: Side, runtime: str, file: Path, signature: Signature) -> CheckFindings:
    """Have it read some held-out rows, spread over the part.

    A score in bits per byte is the float student's, and what the artifact takes more for the tokens of these rows.
    """
    session = RUNTIMES[runtime].session
    if session is None:
        raise InputError(f"{runtime} artifacts that write cannot be run here; choose another of stages.export.runtimes")
    every = student.examples_of(student.held_out())
    texts = [list(ids) for ids in every[:: max(len(every) // MOST_TEXTS, 1)]][:MOST_TEXTS]
    module = student.input_spec().module(student.model())

    def expected(number: int) -> Logits:
        with torch.inference_mode():
            logits: Logits = module(torch.tensor([texts[number]]))[0].float().numpy()
        return logits

    found = compare_generation(
        session(file, signature),
        signature,
        texts,
        expected,
        token_bytes=student.dataset.token_bytes,
        on_progress=lambda done: student.plan.progress.update(done, len(texts)),
    )
    moved = 0.0
    if student.score().is_of_bytes and found.bits_per_byte is not None and found.float_bits_per_byte is not None:
        moved = found.bits_per_byte - found.float_bits_per_byte
    return CheckFindings(
        score=student.findings.score + moved,
        parity=ParityFacts(
            passed=found.passed,
            cosine_min=found.cosine_min,
            max_abs_error=found.logit_error_max,
            cosine_limit=-1.0,
            generation=GenerationParityFacts.model_validate(found.document()),
        ),
    )
