"""State begins as zeros, goes from a call's outputs to the next call's inputs, and is zeros again once it is reset."""

import numpy as np

from edgewright.runtimes.call_state import CallState
from edgewright.specs.signature import Call, Method, Signature, Tensor

KV = Tensor(name="kv", dtype="float32", shape=(2, 3))
METHOD = Method(name="add", inputs=(), outputs=(Tensor(name="total", dtype="float32"),), state=("kv",))
SIGNATURE = Signature(methods=(METHOD,), state=(KV,))
CALL = Call(method="add", entry="add", inputs={}, outputs=("total",), elements=0, state=("kv",))


def test_what_a_call_gives_for_the_state_is_what_the_next_one_takes() -> None:
    state = CallState(SIGNATURE)
    assert not state.of(CALL)["kv"].any()
    ones = np.ones((2, 3), dtype=np.float32)
    assert state.taken(CALL, {"total": np.float32(1), "kv": ones}) == {"total": np.float32(1)}
    assert np.array_equal(state.of(CALL)["kv"], ones)
    state.reset()
    assert state.of(CALL)["kv"].dtype == np.float32
    assert not state.of(CALL)["kv"].any()
