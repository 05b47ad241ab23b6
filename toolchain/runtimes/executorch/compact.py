"""A finished `.pte` without the weights that it holds twice.

In:  a program's bytes, in which a table that ExecuTorch's kernel looks up is weights of XNNPACK, too, such as
     a language model's token table that gives its scores.
Out: the same program in fewer bytes: the constant is where XNNPACK's weights are.
Constants are found by their offsets in one segment of the file, and weights by segments of their own. Segments may
overlap, so that the constants' goes on over those of the weights that are constants, too. A runner maps the file, and
of a mapped segment only what is read takes memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST_BYTES = 1024  # below which a constant is not worth to be looked for
ALIGNMENT = 128  # of a segment, and of what lies in one


@dataclass(frozen=True, kw_only=True)
class _Constants:
    """Where each constant lies in its segment, the end of the last included."""

    offsets: tuple[int, ...]
    end: int

    def bounds(self, index: int) -> tuple[int, int]:
        following = [offset for offset in self.offsets if offset > self.offsets[index]]
        return self.offsets[index], min(following, default=self.end)


def compact(content: bytes) -> bytes:
    """The program anew; one that holds nothing twice comes back as it is."""
    from executorch.exir._serialize._flatbuffer_program import _flatbuffer_to_program
    from executorch.exir._serialize._program import _get_extended_header

    header = _get_extended_header(content)
    if header is None or not header.segment_base_offset:
        return content
    program: Any = _flatbuffer_to_program(content[: header.program_size])
    view = memoryview(content)[header.segment_base_offset :]
    segments = [view[each.offset : each.offset + each.size] for each in program.segments]
    place = program.constant_segment.segment_index if program.constant_segment else 0
    constants = _Constants(offsets=tuple(program.constant_segment.offsets), end=len(segments[place]))
    twins = _twins(
        segments[place],
        constants,
        {each.segment_index: segments[each.segment_index] for each in program.named_data or ()},
    )
    if not twins:
        return content
    return _written(program, _relaid(program, segments, constants, twins))


def _twins(data: memoryview, constants: _Constants, named: Mapping[int, memoryview]) -> dict[int, int]:
    """The segments of weights that are constants, too, by the constants' numbers."""
    by_digest = {(len(each), hashlib.sha256(each).digest()): index for index, each in named.items()}
    sizes = sorted({size for size, _ in by_digest if size >= LEAST_BYTES})
    found: dict[int, int] = {}
    for number in range(len(constants.offsets)):
        start, end = constants.bounds(number)
        for size in (each for each in sizes if end - start - ALIGNMENT < each <= end - start):
            if any(data[start + size : end]):  # only padding may follow
                continue
            segment = by_digest.get((size, hashlib.sha256(data[start : start + size]).digest()))
            if segment is not None:
                found[number] = segment
    return found


def _relaid(program: Any, segments: Sequence[memoryview], constants: _Constants, twins: Mapping[int, int]) -> bytearray:
    """All segments anew: constants, weights that are constants, too, and all else; `program` says where they are."""
    place, data, offsets = program.constant_segment.segment_index, bytearray(), []
    for number in range(len(constants.offsets)):
        start, end = constants.bounds(number)
        offsets.append(len(data))
        if number not in twins:
            data += segments[place][start:end]
    shared = list(dict.fromkeys(twins.values()))
    for index in [*shared, *(each for each in range(len(segments)) if each not in (place, *shared))]:
        data += bytes(-len(data) % ALIGNMENT)
        program.segments[index].offset = len(data)
        data += segments[index]
    for number, index in twins.items():
        offsets[number] = program.segments[index].offset
    last = program.segments[shared[-1]]
    program.segments[place].offset, program.segments[place].size = 0, last.offset + last.size
    program.constant_segment.offsets = offsets
    return data


def _written(program: Any, data: bytearray) -> bytes:
    """A program's file, its header first."""
    from executorch.exir._serialize import _program as serialize

    result = serialize._program_to_flatbuffer(program, constant_tensor_alignment=serialize.ALIGNMENT)
    length = serialize.aligned_size(serialize._ExtendedHeader.EXPECTED_LENGTH, result.max_alignment)
    size = length + len(result.data)
    base = serialize.aligned_size(size, ALIGNMENT)
    header = serialize._ExtendedHeader(program_size=size, segment_base_offset=base, segment_data_size=len(data))
    inserted: bytes = serialize._insert_flatbuffer_header(
        flatbuffer_data=result.data,
        magic_regex=r"ET[0-9a-zA-Z][0-9a-zA-Z]",
        header_data=serialize.pad_to(header.to_bytes(), length),
    )
    return b"".join((inserted, bytes(base - size), data))
