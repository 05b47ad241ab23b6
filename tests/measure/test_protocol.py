from edgewright.measure.protocol import Protocol


def test_an_instruction_clock_needs_one_process_and_no_settling_time() -> None:
    protocol = Protocol.for_clock("instructions")
    assert (protocol.restarts, protocol.extra_restarts, protocol.warmup_s, protocol.settle_s) == (1, 0, 0.0, 0.0)
    assert Protocol.for_clock("wall").restarts >= 3
    assert Protocol.for_clock("wall").settle_s > 0
    assert protocol.limit_s(emulated=True) > protocol.limit_s(emulated=False)
