"""Recorded results of a runner that wrote by a workload, and measurements of them."""

from typing import Any

from edgewright.measure.generation_documents import GenerationRun
from edgewright.measure.generation_measurement import GenerationMeasurement
from edgewright.measure.generation_process import GenerationProcess
from edgewright.measure.generation_workload import GenerationWorkload
from edgewright.specs.generation import Generation
from edgewright.specs.profiles import Clock
from edgewright.specs.signature import Method, Signature, Tensor
from tests.measure.examples import SHA256

CONTEXT = 64
WORKLOAD = GenerationWorkload(prompts=(4, 32), contexts=(20, 64), tokens=3, typical=32)
CACHE = Tensor(name="cache", dtype="float32", shape=(2, CONTEXT, 8))
SIGNATURE = Signature(
    methods=(
        Method(
            name="decode",
            inputs=(
                Tensor(name="ids", dtype="int64", shape=(1, 1)),
                Tensor(name="position", dtype="int64", shape=(1,)),
            ),
            outputs=(Tensor(name="logits", dtype="float32", shape=(1, 100)),),
            state=("cache",),
        ),
    ),
    state=(CACHE,),
    generation=Generation(context=CONTEXT, vocabulary=100, stop=(99,), prefill="decode"),
)


def text(prompt: int, *times: float, prefill_ms: float = 1.0) -> dict[str, Any]:
    """A text whose tokens took these times, the first of them from the prompt on."""
    return {
        "tokens": list(range(len(times))),
        "ended": "length",
        "stop": None,
        "prompt_tokens": prompt,
        "prefill_ms": prefill_ms,
        "first_token_ms": times[0],
        "token_ms": list(times[1:]),
    }


def one_pass(scale: float = 1.0) -> list[dict[str, Any]]:
    """Prompts of 32 and of 4 tokens take 80 and 10 ms, a token at 64 takes 20 and one at 20 takes 10 ms, scaled."""
    return [
        text(32, 80.0 * scale, prefill_ms=64.0 * scale),
        text(4, 10.0 * scale, prefill_ms=8.0 * scale),
        text(61, 160.0 * scale, *[20.0 * scale] * 3),
        text(17, 40.0 * scale, *[10.0 * scale] * 3),
    ]


def run(*texts: dict[str, Any], **changes: Any) -> GenerationRun:
    document = {
        "schema": 2,
        "runtime": "executorch",
        "runtime_version": "1.5.1",
        "sha256": SHA256,
        "threads": 1,
        "load_ms": 3.0,
        "generated": texts,
        "peak_rss_bytes": 9_000_000,
        "memory": [
            {
                "phase": phase,
                "rss_bytes": rss,
                "anonymous_bytes": rss // 4,
                "file_bytes": rss // 4 * 3,
                "peak_bytes": rss,
            }
            for phase, rss in (
                ("start", 4_000_000),
                ("loaded", 6_000_000),
                ("prefill", 8_000_000),
                ("decode", 9_000_000),
            )
        ],
        **changes,
    }
    return GenerationRun.model_validate(document, strict=False)


def process(*scales: float) -> GenerationProcess:
    """One that warmed up with a text, and then made a pass of each scale."""
    texts = [each for scale in scales for each in one_pass(scale)]
    return GenerationProcess.of(run(text(5, 9.0), *texts), WORKLOAD, uncounted=1)


def generation_measurement(
    *processes: GenerationProcess, clock: Clock = "wall", emulated: bool = False, **changes: Any
) -> GenerationMeasurement:
    """By default of three processes of three passes each, which vary by a percent."""
    told = processes or tuple(process(0.99, 1.0, 1.01) for _ in range(3))
    return GenerationMeasurement(
        **{
            "artifact": "model.pte",
            "artifact_bytes": 40_000_000,
            "runtime": "executorch",
            "runtime_version": "1.5.1",
            "sha256": SHA256,
            "target": "ssh://pi@kitchen",
            "emulated": emulated,
            "clock": clock,
            "threads": 1,
            "input_lengths": WORKLOAD.contexts,
            "runs": told,
            "processes": told,
            "workload": WORKLOAD,
            "signature": SIGNATURE,
            "machine_before": {},
            "machine_after": {},
            **changes,
        }
    )
