"""What an artifact writes streams through a real SSH server, and Ctrl-C leaves no runner there."""

import time
from contextlib import closing

import pytest

from edgewright.measure.deployment import deploy
from edgewright.measure.prompts import Decoding, Prompt
from edgewright.measure.streaming import stream
from edgewright.targets import open_target
from tests.device_scripts.counting import counting_artifact, counting_input
from tests.targets.checks import assert_no_job_is_left
from tests.targets.servers import Server


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "onnx"])
def test_tokens_stream_through_a_real_ssh_server_and_ctrl_c_leaves_no_runner(server: Server, runtime: str) -> None:
    heard: list[float] = []

    def hear(_: int) -> None:
        heard.append(time.monotonic())
        if len(heard) == 300:
            raise KeyboardInterrupt

    signature = counting_input(runtime).signature
    with closing(open_target(server.address)) as target:
        place = deploy(target, counting_artifact(runtime).path, runtime=runtime)
        prompt = Prompt(ids=(1,), decoding=Decoding(max_tokens=200_000))
        text = stream(target, place.artifact, place.runtime, signature, prompt, hear)
        assert text.ended == "interrupted"
        assert len(text.tokens) == 300
        assert_no_job_is_left(target)
        prompt = Prompt(ids=(1,), decoding=Decoding(max_tokens=3))
        assert stream(target, place.artifact, place.runtime, signature, prompt, hear).tokens == (2, 3, 4)
        assert_no_job_is_left(target)
