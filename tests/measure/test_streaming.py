"""Tokens are heard of as they come through a transport, and nothing stays there whatever ends the text."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from edgewright.errors import RunnerError, TransferError
from edgewright.measure.deployment import Deployed, deploy
from edgewright.measure.prompts import Decoding, Prompt
from edgewright.measure.streaming import StreamedText, stream
from edgewright.targets.base import Completed, Target
from edgewright.targets.transports.fake import FakeTarget
from tests.device_scripts.counting import counting_artifact, counting_input
from tests.targets.checks import assert_no_job_is_left

LONG = Prompt(ids=(1,), decoding=Decoding(max_tokens=200_000))
RUNTIMES = ("executorch", "onnx")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[FakeTarget]:
    with closing(FakeTarget(tmp_path)) as opened:
        yield opened


def streamed(
    target: Target, runtime: str, prompt: Prompt, on_token: Callable[[int], object], **changed: str
) -> StreamedText:
    model = counting_artifact(runtime)
    place = deploy(target, model.path, runtime=runtime)
    if changed:
        place = Deployed(artifact=replace(place.artifact, **changed), runtime=place.runtime)
    return stream(target, place.artifact, place.runtime, counting_input(runtime).signature, prompt, on_token)


def test_each_token_is_heard_of_before_the_text_is_whole(target: FakeTarget, runtime: str) -> None:
    heard: list[int] = []
    prompt = Prompt(ids=(3, 4), decoding=Decoding(max_tokens=4))
    text = streamed(target, runtime, prompt, heard.append)
    assert text.tokens == tuple(heard) == (5, 6, 7, 8)
    assert text.ended == "length"
    assert text.first_token_ms is not None
    assert text.first_token_ms > 0
    assert len(text.token_ms) == 3
    assert text.tokens_per_second == pytest.approx(3e3 / sum(text.token_ms))
    assert_no_job_is_left(target)


@pytest.mark.parametrize("how", ["enough", "ctrl-c"])
def test_who_has_heard_enough_gets_what_came_and_no_runner_is_left(target: FakeTarget, runtime: str, how: str) -> None:
    heard: list[int] = []

    def hear(token: int) -> bool:
        heard.append(token)
        if len(heard) == 5 and how == "ctrl-c":
            raise KeyboardInterrupt
        return len(heard) == 5

    text = streamed(target, runtime, LONG, hear)
    assert (text.ended, text.tokens) == ("interrupted", (2, 3, 4, 5, 6))
    assert len(text.token_ms) == 4
    assert_no_job_is_left(target)


def test_an_error_of_who_listens_ends_the_runner(target: FakeTarget, runtime: str) -> None:
    def fail(_: int) -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        streamed(target, runtime, LONG, fail)
    assert_no_job_is_left(target)


def test_a_prompt_that_is_refused_and_another_artifact_are_told(target: FakeTarget, runtime: str) -> None:
    with pytest.raises(RunnerError, match="refused its job: prompt 0 has the id 10, and the vocabulary has those"):
        streamed(target, runtime, Prompt(ids=(10,)), lambda _: None)
    with pytest.raises(TransferError, match="is not the one in the bundle"):
        streamed(target, runtime, Prompt(ids=(1,)), lambda _: None, sha256="0" * 64)
    assert_no_job_is_left(target)


@pytest.mark.parametrize(
    ("printed", "status", "said"),
    [
        ("", 0, "without a result|ended with status 0"),
        ("", 137, "killed on the device"),
        ("no json\n", 0, "cannot be read"),
    ],
)
def test_a_runner_that_ends_early_is_told(tmp_path: Path, printed: str, status: int, said: str) -> None:
    made = deploy(FakeTarget(tmp_path), counting_artifact("executorch").path, runtime="executorch")

    class Broken(FakeTarget):
        def run(self, argv, *, timeout_s, stdin="", on_output=None):  # type: ignore[no-untyped-def]
            if "job.json" not in argv[-1]:
                return super().run(argv, timeout_s=timeout_s, stdin=stdin)
            on_output(printed.encode())
            return Completed(argv=tuple(argv), status=status, stdout=printed, stderr="")

    with pytest.raises(RunnerError, match=said):
        stream(
            Broken(tmp_path),
            made.artifact,
            made.runtime,
            counting_input("executorch").signature,
            LONG,
            lambda _: None,
        )
