"""Both runners read prompts and stream tokens, refuse what is no prompt in one sentence, and end between two tokens."""

import importlib
import json
import math
import platform
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from edgewright.measure.generation_documents import GeneratedText
from edgewright.measure.prompts import Decoding, Prompt, prompts_document
from edgewright.runtimes.device import DeviceRuntime, runtime_for
from tests.device_scripts.artifacts import Ran, lay_out, run_job
from tests.device_scripts.counting import BROKEN_ID, CONTEXT, VOCABULARY, WIDTH, Kind, counting_artifact, counting_input

SCRIPTS = Path(__file__).parents[2] / "device_scripts"
LONG = Prompt(ids=(1,), decoding=Decoding(max_tokens=200_000))


@pytest.fixture(params=["executorch", "onnx"], scope="module")
def runtime(request: pytest.FixtureRequest) -> DeviceRuntime:
    return runtime_for(request.param, machine=platform.machine())


@pytest.fixture(scope="module")
def place(runtime: DeviceRuntime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(runtime, tmp_path_factory.mktemp(f"generation-{runtime.name}"))


def counted(*ids: int, **decoding: Any) -> Prompt:
    return Prompt(ids=ids, decoding=Decoding(**{"max_tokens": 3, **decoding}))


def document_of(runtime: str, *prompts: Prompt) -> dict[str, Any]:
    return prompts_document(counting_input(runtime).signature, prompts)


def written_job(folder: Path, runtime: str, document: dict[str, Any] | None, kind: Kind = "counting") -> Path:
    """A job of prompts, or without any one that stays."""
    model = counting_artifact(runtime, kind)
    job = {
        "schema": 2,
        "artifact": str(model.path),
        "sha256": model.sha256,
        "threads": 1,
        "warmup_runs": 0,
        "warmup_s": 0,
        "samples": 0,
        "max_seconds": 0,
        **({"serve": True} if document is None else {"prompts": "prompts.json"}),
    }
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "prompts.json").write_text(json.dumps(document))
    return folder / "job.json"


def started(runtime: DeviceRuntime, place: Path, job: Path) -> subprocess.Popen[str]:
    command = runtime.command(PurePosixPath(place), PurePosixPath(job))
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def ran(runtime: DeviceRuntime, place: Path, tmp_path: Path) -> Callable[..., Ran]:
    def ran(document: dict[str, Any], kind: Kind = "counting") -> Ran:
        return run_job(runtime, place, written_job(tmp_path, runtime.name, document, kind))

    return ran


def test_each_prompt_is_answered_with_its_tokens_and_times(runtime: DeviceRuntime, ran: Callable[..., Ran]) -> None:
    lengths = (1, 2, 3, 4, 5, 15, 16, 17, 37, 64)
    found = ran(document_of(runtime.name, *(counted(*[0] * (each - 1), 8) for each in lengths))).document
    assert [each["tokens"] for each in found["generated"]] == [[9, 0, 1]] * len(lengths)
    assert [each["prompt_tokens"] for each in found["generated"]] == list(lengths)
    assert all(each["ended"] == "length" and each["stop"] is None for each in found["generated"])
    assert all(0 < each["prefill_ms"] <= each["first_token_ms"] for each in found["generated"])
    assert all(len(each["token_ms"]) == 2 and min(each["token_ms"]) > 0 for each in found["generated"])
    assert [each["phase"] for each in found["memory"]] == ["start", "loaded", "prefill", "decode"]
    assert found["sampling"]["seconds"] >= 0
    assert found["load_ms"] > 0


def test_a_runner_that_stays_prints_each_token_as_it_comes(runtime: DeviceRuntime, place: Path, tmp_path: Path) -> None:
    asked = json.dumps(document_of(runtime.name, counted(3), counted(5, stop=((6, 7),), max_tokens=9)))
    with started(runtime, place, written_job(tmp_path, runtime.name, None)) as process:
        said, _ = process.communicate(f"{asked}\n{{}}\n{asked}\n")
    ready, *lines = map(json.loads, said.splitlines())
    assert ready["ready"]
    first, fault, second = lines[:6], lines[6], lines[7:]
    assert [(each["prompt"], each["token"]) for each in first[:-1]] == [(0, 4), (0, 5), (0, 6), (1, 6), (1, 7)]
    assert [each["tokens"] for each in first[-1]["generated"]] == [[4, 5, 6], [6, 7]]
    assert first[-1]["generated"][1]["stop"] == 0
    assert fault["error"]["kind"] == "bad-job"
    timed = [[{**each, "ms": each["ms"] > 0} for each in lines] for lines in (first[:-1], second[:-1])]
    assert timed[0] == timed[1]
    assert all(each["ms"] for each in timed[0])


def test_a_prompt_that_asks_for_logits_gets_those_of_its_last_id_and_how_sure_each_token_was(
    runtime: DeviceRuntime, ran: Callable[..., Ran]
) -> None:
    found = ran(document_of(runtime.name, replace(counted(1, 3), wants_logits=True), counted(4))).document["generated"]
    text, plain = (GeneratedText.model_validate_json(json.dumps(each)) for each in found)
    assert text.first_logits.tolist() == [5.0 if id_ == 4 else 0.0 for id_ in range(VOCABULARY)]
    assert text.margins == (5.0, 5.0, 5.0)
    assert (plain.first_logits.size, plain.margins) == (0, ())


@pytest.mark.parametrize("runtime", ["executorch"], indirect=True)
def test_the_methods_of_a_program_share_their_packed_weights(runtime: DeviceRuntime, ran: Callable[..., Ran]) -> None:
    found = ran(document_of(runtime.name, counted(3, 4, 5)), "wide").document
    assert [each["tokens"] for each in found["generated"]] == [[6, 7, 8]]
    start, loaded = (each["anonymous_bytes"] for each in found["memory"][:2])
    weights = 2 * 4 * WIDTH * VOCABULARY
    assert 0.9 * weights < loaded - start < 1.4 * weights


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.pop(name)


def with_prompt(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["prompts"][0].update(changes)


def with_program(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["program"].update(changes)


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no program": (without("program"), '"program"'),
    "no prompts": (without("prompts"), '"prompts" must be a list'),
    "prompts that are empty": (lambda document: document.update(prompts=[]), '"prompts" must be a list that is not'),
    "no ids": (with_prompt(ids=[]), "prompt 0 has no ids; give one at least"),
    "an id beyond": (
        with_prompt(ids=[1, VOCABULARY]),
        f"prompt 0 has the id {VOCABULARY}, and the vocabulary has those",
    ),
    "a negative id": (with_prompt(ids=[-1]), "prompt 0 has the id -1"),
    "a text as id": (with_prompt(ids=["a"]), "prompt 0 has the id"),
    "a long prompt": (with_prompt(ids=[1] * (CONTEXT + 3)), f"{CONTEXT + 3} ids, 3 more than the context of {CONTEXT}"),
    "a cold temperature": (with_prompt(temperature=-1), '"temperature" must be a number from 0 to 100'),
    "a top_p of 0": (with_prompt(top_p=0), '"top_p" must be a number from'),
    "no tokens": (with_prompt(max_tokens=0), '"max_tokens" must be an integer from 1'),
    "a seed of half": (with_prompt(seed=0.5), '"seed" must be an integer from 0'),
    "a stop of nothing": (with_prompt(stop=[[]]), "a stop sequence of prompt 0 has no ids"),
    "logits by a number": (with_prompt(logits=1), '"logits" must be true or false'),
    "an unknown setting": (with_prompt(beams=3), '"beams" is not a field of prompt 0'),
    "an unknown part": (with_program(more=3), '"more" is not a field of program'),
    "state that is not there": (with_program(state=["other"]), '"other"'),
    "another entry": (with_program(decode="other"), "there is no entry"),
    "another dtype": (with_program(position={"name": "position", "dtype": "int32"}), "takes int64"),
    "another vocabulary": (with_program(vocabulary=9), "not "),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_prompt_is_refused_in_one_sentence(
    runtime: DeviceRuntime, ran: Callable[..., Ran], what: str
) -> None:
    change, said = REFUSED[what]
    document = document_of(runtime.name, counted(1))
    change(document)
    found = ran(document)
    assert found.status == 1
    assert said in found.document["error"]["message"]
    assert "\n" not in found.document["error"]["message"]


def test_an_artifact_whose_state_does_not_reset_is_refused(runtime: DeviceRuntime, ran: Callable[..., Ran]) -> None:
    found = ran(document_of(runtime.name, counted(1)), "remembering").document["error"]
    assert found["kind"] == "bad-artifact"
    assert (
        "its state does not reset: read a second time, the same prompt gave logits up to 20 apart" in found["message"]
    )


def test_a_logit_that_is_no_number_is_refused_with_its_id(runtime: DeviceRuntime, ran: Callable[..., Ran]) -> None:
    asked = counted(BROKEN_ID - 6, max_tokens=9)
    found = ran(document_of(runtime.name, asked), "broken").document["error"]
    assert found == {"kind": "run-failed", "message": "the logit of the id 3 is not a number; export the model again"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_between_two_tokens_with_what_was_made(
    runtime: DeviceRuntime, place: Path, tmp_path: Path, number: signal.Signals
) -> None:
    job = written_job(tmp_path, runtime.name, None)
    with started(runtime, place, job) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(document_of(runtime.name, LONG, counted(3))) + "\n")
        process.stdin.flush()
        said = [json.loads(process.stdout.readline()) for _ in range(20)]
        process.send_signal(number)
        said += map(json.loads, process.stdout)
        assert process.wait(timeout=30) == 0
    (text,) = said[-1]["generated"]
    assert text["ended"] == "interrupted"
    assert text["tokens"] == [each["token"] for each in said[1:-1]]
    assert 19 <= len(text["tokens"]) < 200_000


def test_a_job_that_is_interrupted_gives_its_result(runtime: DeviceRuntime, place: Path, tmp_path: Path) -> None:
    job = written_job(tmp_path, runtime.name, document_of(runtime.name, *[LONG] * 50))
    command = runtime.command(PurePosixPath(place), PurePosixPath(job))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("edgewright-memory prefill"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    generated = json.loads(said)["generated"]
    assert generated[-1]["ended"] == "interrupted"
    assert len(generated) < 50
    assert process.returncode == 0


@pytest.fixture
def generation(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as it lies on a device, beside those that it imports."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("generation")


def chunked(generation: Any, sizes: list[tuple[int, int]], count: int) -> list[tuple[str, int, int]]:
    program = object.__new__(generation.Program)
    program.prefill = [(f"prefill_{least}", least, most) for least, most in sizes]
    program.decode = "decode"
    found: list[tuple[str, int, int]] = program.chunks(count)
    return found


@pytest.mark.parametrize(
    "sizes", [[(4, 4), (16, 16)], [(2, 16)], [(1, 16)], [(128, 128)], [(8, 8), (32, 32), (128, 128)]]
)
def test_a_prompt_of_any_length_is_read_whole_in_sizes_that_there_are(
    generation: Any, sizes: list[tuple[int, int]]
) -> None:
    allowed = {f"prefill_{least}": (least, most) for least, most in sizes} | {"decode": (1, 1)}
    for count in range(1, 300):
        end = 0
        for entry, position, size in chunked(generation, sizes, count):
            least, most = allowed[entry]
            assert least <= size <= most
            assert 0 <= position <= end < position + size
            end = position + size
        assert end == count


def test_the_rest_of_a_prompt_is_read_with_some_ids_again_where_that_saves_calls(generation: Any) -> None:
    sizes = [(8, 8), (32, 32)]
    assert chunked(generation, sizes, 60) == [("prefill_32", 0, 32), ("prefill_32", 28, 32)]
    assert chunked(generation, sizes, 20) == [("prefill_8", 0, 8), ("prefill_8", 8, 8), ("prefill_8", 12, 8)]
    assert chunked(generation, sizes, 9) == [("prefill_8", 0, 8), ("decode", 8, 1)]
    assert chunked(generation, sizes, 3) == [("decode", place, 1) for place in range(3)]


def test_the_exponential_is_that_of_mathematics_to_the_last_bits(generation: Any) -> None:
    values = -np.concatenate([np.linspace(0, 700, 10_001), np.geomspace(1e-300, 1, 500)])
    found = generation.exponential(values)
    wanted = np.array([math.exp(each) for each in values])
    assert np.abs(found / wanted - 1).max() < 1e-15
    assert generation.exponential([-1e9]) == [0.0]
    assert generation.exponential([0.0]) == [1.0]


DRAWN = [
    counted(1, 5, max_tokens=40, temperature=3.0, seed=seed, top_k=top_k, top_p=top_p, repetition_penalty=penalty)
    for seed in range(5)
    for top_k, top_p, penalty in ((0, 1.0, 1.0), (6, 1.0, 1.1), (0, 0.9, 0.9), (8, 0.7, 1.7))
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[list[int]]:
    """What the native runner of this machine draws."""
    made, folder = runtime_for("executorch", machine=platform.machine()), tmp_path_factory.mktemp("drawn")
    job = written_job(folder, "executorch", document_of("executorch", *DRAWN))
    document = run_job(made, lay_out(made, folder / "runtime"), job).document
    return [each["tokens"] for each in document["generated"]]


def test_every_runner_draws_the_same_tokens(runtime: DeviceRuntime, ran: Callable[..., Ran], drawn: list[Any]) -> None:
    found = ran(document_of(runtime.name, *DRAWN)).document
    assert [each["tokens"] for each in found["generated"]] == drawn
    assert len({tuple(each) for each in drawn}) == len(DRAWN)


@pytest.mark.skipif(shutil.which("qemu-aarch64-static") is None, reason="qemu-user-static is not installed")
@pytest.mark.skipif(shutil.which("aarch64-linux-gnu-g++") is None, reason="g++-aarch64-linux-gnu is not installed")
def test_the_cross_built_runner_draws_the_same_on_the_instructions_of_a_board(
    tmp_path: Path, drawn: list[list[int]]
) -> None:
    emulator = ("qemu-aarch64-static", "-cpu", "cortex-a72", "-L", "/usr/aarch64-linux-gnu")
    made = runtime_for("executorch", machine="aarch64")
    job = written_job(tmp_path, "executorch", document_of("executorch", *DRAWN))
    found = run_job(made, lay_out(made, tmp_path / "runtime"), job, through=emulator)
    assert found.status == 0, found.document
    assert [each["tokens"] for each in found.document["generated"]] == drawn
