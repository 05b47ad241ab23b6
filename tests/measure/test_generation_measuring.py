"""Writing is measured through a real target, a real runner and a tiny decoder, all on this machine."""

from collections.abc import Sequence

import pytest

from edgewright.errors import InputError, ParityError
from edgewright.measure.deployment import HERE, deploy
from edgewright.measure.generation_documents import GeneratedText
from edgewright.measure.generation_measurement import Bandwidth, GenerationMeasurement
from edgewright.measure.generation_measuring import GenerationAsked, measure_generation
from edgewright.measure.generation_workload import workload_of
from edgewright.measure.prompts import Decoding, Prompt
from edgewright.measure.protocol import Protocol
from edgewright.runtimes.table import runtimes_that
from edgewright.specs.profiles import Clock
from edgewright.targets import open_target
from tests.runtimes.tiny_decoder import CONTEXT, decoder_file, greedy, tiny_decoder, tiny_input

BRIEF = Protocol(restarts=2, warmup_runs=1, warmup_s=0.0, samples=40, min_seconds=0.0, max_seconds=5.0)
EXPECTED = Prompt(ids=(1, 7, 3), decoding=Decoding(max_tokens=5))


def measured(
    runtime: str,
    *,
    protocol: Protocol = BRIEF,
    clock: Clock = "wall",
    accept: object = None,
    prompts: Sequence[int] = (4, 30),
) -> GenerationMeasurement:
    signature = tiny_input(runtime).signature
    target = open_target(HERE)
    place = deploy(target, decoder_file(runtime), runtime=runtime)
    heard: list[GeneratedText] = []
    asked = GenerationAsked(
        signature=signature,
        workload=workload_of(signature, prompts=prompts, contexts=(20, CONTEXT)),
        ids=(5, 9, 11, 2),
        expected=(EXPECTED,),
        accept=accept or heard.extend,  # type: ignore[arg-type]
    )
    (found,) = measure_generation(
        target, [(place.artifact, place.runtime, asked)], protocol=protocol, clock=clock, facts=lambda _: {}
    )
    assert accept or [each.tokens for each in heard] == [tuple(greedy(tiny_decoder(), EXPECTED.ids, 5))]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("runtime", runtimes_that(lambda each: each.generates))
def test_first_tokens_and_tokens_are_timed_at_the_lengths_and_contexts_that_were_asked(runtime: str) -> None:
    found = measured(runtime)
    assert [each.tokens for each in found.prompts] == [4, 30]
    assert [each.tokens for each in found.contexts] == [20, CONTEXT]
    assert len(found.runs) == 2
    samples = sum(len(run) for each in found.prompts for run in each.runs_ms) + len(found.latency_ms)
    assert samples >= 2 * BRIEF.samples
    assert found.contexts[0].token.count == found.contexts[1].token.count == len(found.latency_ms) // 2
    assert all(each.first_token.p50 >= each.prefill_ms > 0 for each in found.prompts)
    assert found.tokens_per_second is not None
    assert found.tokens_per_second == min(each.tokens_per_second or 0 for each in found.contexts)
    assert found.cache_bytes == tiny_input(runtime).signature.state_bytes > 0
    assert list(found.memory) == ["start", "loaded", "prefill", "decode"]
    document = found.with_memory(Bandwidth(copy_gb_s=5.0, source="a test"), token_bytes=None).document()
    told = document["generation"]
    assert isinstance(told, dict)
    assert told["context_tokens"] == CONTEXT
    assert told["bandwidth_share"] > 0


@pytest.mark.slow
def test_by_a_clock_of_instructions_one_process_tells_all_and_no_rates() -> None:
    found = measured("onnx", protocol=Protocol.instructions(), clock="instructions")
    assert len(found.runs) == 1
    assert found.first_token_ms is None
    assert found.tokens_per_second is None
    told = found.document()["generation"]
    assert isinstance(told, dict)
    assert all(each["instructions_per_token"] > 0 for each in told["contexts"])
    assert all(each["prefill_tokens_per_second"] is None for each in told["prompts"])


@pytest.mark.slow
def test_text_that_is_not_accepted_ends_it_before_anything_is_timed() -> None:
    heard = 0

    def refuse(_: object) -> None:
        nonlocal heard
        heard += 1
        raise ParityError("other text")

    with pytest.raises(ParityError, match="other text"):
        measured("onnx", accept=refuse)
    assert heard == 1


def test_a_prompt_beyond_the_context_is_refused_before_anything_runs() -> None:
    with pytest.raises(InputError, match=f"{CONTEXT + 1} tokens is 1 more than the artifact's context of {CONTEXT}"):
        workload_of(tiny_input("onnx").signature, prompts=(CONTEXT + 1,))
