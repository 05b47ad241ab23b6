"""Buffers that a program writes in place are in its memory once."""

from pathlib import Path
from typing import cast

import pytest

from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from tests import tiny_decoders
from tests.runtimes.test_decoder_input import asked

EXECUTORCH = RUNTIMES["executorch"]


def planned(content: bytes) -> dict[str, list[int]]:
    """The sizes of each method's memories: none, its own, and that of the buffers."""
    from executorch.exir._serialize._flatbuffer_program import _flatbuffer_to_program
    from executorch.exir._serialize._program import _get_extended_header

    program = _flatbuffer_to_program(content[: _get_extended_header(content).program_size])
    return {each.name: cast("list[int]", each.non_const_buffer_sizes) for each in program.execution_plan}


@pytest.mark.slow
def test_a_step_needs_little_memory_beside_the_cache_and_continues_the_text(tmp_path: Path) -> None:
    source = generating_input(tiny_decoders.decoder("llama"), EXECUTORCH, context=60)
    EXECUTORCH.write_float(source, tmp_path / "model.pte")
    _, own, buffers = planned((tmp_path / "model.pte").read_bytes())["decode"]
    assert buffers == source.signature.state_bytes
    assert own < buffers / 2
    assert EXECUTORCH.session is not None
    run = EXECUTORCH.session(tmp_path / "model.pte", source.signature)
    run(asked(source.signature, [5, 6], 0))
    stepped = run(asked(source.signature, [7], 2))["logits"]
    again = EXECUTORCH.session(tmp_path / "model.pte", source.signature)
    whole = again(asked(source.signature, [5, 6, 7], 0))["logits"]
    assert abs(stepped - whole).max() < 1e-4
