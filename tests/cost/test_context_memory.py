"""A context is priced in memory, and one that a device cannot hold is refused with the largest that it can."""

import pytest

from edgewright.cost.context_memory import RUNNER_BYTES, ContextMemory, usable_bytes
from edgewright.errors import InputError
from edgewright.runtimes.decoder_input import generating_input
from edgewright.runtimes.table import RUNTIMES
from edgewright.specs.profiles import load_profile
from edgewright.specs.signature import FORWARD, Method, Signature, Tensor
from tests import tiny_decoders

MEMORY = ContextMemory(fixed_bytes=20e6, each_bytes=25_000)


def test_each_token_of_a_context_takes_as_much_as_the_next() -> None:
    assert MEMORY.at(400) == 30e6
    assert MEMORY.largest(30e6) == 400
    assert MEMORY.at(MEMORY.largest(33.33e6)) <= 33.33e6 < MEMORY.at(MEMORY.largest(33.33e6) + 1)
    assert MEMORY.largest(19e6) == 0


def test_a_context_that_does_not_fit_is_refused_with_the_largest_that_does() -> None:
    MEMORY.require_room(400, 30e6)
    with pytest.raises(InputError) as caught:
        MEMORY.require_room(4000, 30e6, device="raspberry-pi-zero-2-w")
    assert str(caught.value) == (
        "a context of 4000 tokens needs 120 MB, and raspberry-pi-zero-2-w has 30 MB: the largest that fits is 400; set "
        "stages.export.context to that"
    )
    with pytest.raises(InputError, match="the device has 10 MB: none fits; make the model smaller"):
        MEMORY.require_room(1, 10e6)


def test_a_file_alone_tells_its_cache() -> None:
    model = tiny_decoders.decoder("llama")
    signature = generating_input(model, RUNTIMES["executorch"], context=40).signature
    found = ContextMemory.of_file(signature, 5e6)
    assert found.each_bytes == 3 * 2 * 2 * 8 * 4  # layers, keys and values, groups, a head's width, float32
    assert found.fixed_bytes == RUNNER_BYTES + 5e6
    plain = Signature(
        methods=(Method(name=FORWARD, inputs=(), outputs=(Tensor(name="output", dtype="float32", shape=(1,)),)),)
    )
    with pytest.raises(InputError, match="does not generate text has no context"):
        ContextMemory.of_file(plain, 5e6)


def test_what_a_device_leaves_to_a_program_is_in_its_profile() -> None:
    profile = load_profile("raspberry-pi-zero-2-w")
    usable = profile.memory.usable_mb or profile.memory.ram_mb
    assert usable_bytes(profile) == int(usable.value) << 20 < 512 << 20
