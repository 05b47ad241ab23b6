"""With a draft both runners write the larger artifact's greedy text, token for token, in fewer passes."""

import json
import platform
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from edgewright.base.digest import sha256_of
from edgewright.errors import InputError
from edgewright.measure.generating import Writing, generate_here
from edgewright.measure.prompts import Decoding, Prompt, prompts_document
from edgewright.runtimes.device import DeviceRuntime, runtime_for
from tests.device_scripts.artifacts import Ran, lay_out, run_job
from tests.device_scripts.drafts import AHEAD, CONTEXT, KINDS, SHARES, artifact, drafted, prompts

pytestmark = pytest.mark.slow
RUNTIMES = ("executorch", "litert")
TOKENS = 20
GREEDY = Decoding(max_tokens=TOKENS)


def written(runtime: str, kind: str, asked: Sequence[Prompt], draft: str = "", **changes: float) -> Writing:
    beside = drafted(runtime, kind, draft, **changes) if draft else None
    return generate_here(runtime, *artifact(runtime, kind), asked, beside)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_text_is_that_of_the_larger_one_alone_however_good_the_draft(runtime: str, kind: str) -> None:
    plain = prompts(GREEDY)
    stop = written(runtime, kind, plain).texts[3].tokens[4:6]
    asked = [*plain, *prompts(replace(GREEDY, stop=((96, 96), stop))), *prompts(Decoding(max_tokens=1))]
    asked = [replace(each, wants_logits=place % 2 == 0) for place, each in enumerate(asked)]
    alone = written(runtime, kind, asked)
    saved = {}
    for draft in SHARES if kind == "llama" else ("roughened",):
        found = written(runtime, kind, asked, draft)
        assert [each.tokens for each in found.texts] == [each.tokens for each in alone.texts]
        assert [(each.ended, each.stop) for each in found.texts] == [(each.ended, each.stop) for each in alone.texts]
        for text, other in zip(found.texts, alone.texts, strict=True):
            assert text.margins == pytest.approx(other.margins, abs=1e-3)
            assert text.first_logits.tolist() == pytest.approx(other.first_logits.tolist(), abs=1e-3)
            assert text.draft is not None
            assert text.draft.accepted <= text.draft.drafted <= AHEAD * text.draft.passes
            assert text.draft.passes <= len(text.tokens) - 1 + (text.draft.drift > 0)
        assert found.draft is not None
        assert found.draft.drift < 1e-4
        saved[draft] = found.draft
    assert 0 < saved["roughened"].accepted < saved["roughened"].drafted
    if kind != "llama":
        return
    assert saved["alike"].accepted > 0.9 * saved["alike"].drafted  # but for those behind a stop sequence
    assert saved["hostile"].accepted < saved["respelt"].accepted < saved["alike"].accepted
    tokens = sum(len(each.tokens) - 1 for each in alone.texts)
    assert saved["alike"].passes < tokens / 1.5 <= tokens == alone.token.count  # type: ignore[union-attr]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_where_every_lead_is_a_tie_a_pass_of_one_token_decides_and_the_two_are_compared(runtime: str) -> None:
    asked = prompts(GREEDY)
    alone, found = written(runtime, "llama", asked), written(runtime, "llama", asked, "alike", tie=1e9)
    assert [each.tokens for each in found.texts] == [each.tokens for each in alone.texts]
    assert found.draft is not None
    assert 0 <= found.draft.drift < 1e-4
    assert found.draft.passes > sum(len(each.tokens) - 1 for each in alone.texts)


def job_of(folder: Path, runtime: str, document: dict[str, Any] | None, **changes: Any) -> Path:
    model, smaller = artifact(runtime, "llama")[0], artifact(runtime, "llama", "respelt")[0]
    job = {
        "schema": 2,
        "artifact": str(model),
        "sha256": sha256_of(model),
        "draft": {"artifact": str(smaller), "sha256": sha256_of(smaller)},
        "threads": 1,
        "warmup_runs": 0,
        "warmup_s": 0,
        "samples": 0,
        "max_seconds": 0,
        **({"serve": True} if document is None else {"prompts": "prompts.json"}),
        **changes,
    }
    (folder / "prompts.json").write_text(json.dumps(document))
    (folder / "job.json").write_text(json.dumps({name: each for name, each in job.items() if each is not None}))
    return folder / "job.json"


@pytest.fixture(params=RUNTIMES, scope="module")
def runtime(request: pytest.FixtureRequest) -> DeviceRuntime:
    return runtime_for(request.param, machine=platform.machine())


@pytest.fixture(scope="module")
def place(runtime: DeviceRuntime, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(runtime, tmp_path_factory.mktemp(f"drafting-{runtime.name}"))


def document_of(runtime: str, *asked: Prompt, draft: bool = True) -> dict[str, Any]:
    signature = artifact(runtime, "llama")[1]
    return prompts_document(signature, asked, draft=drafted(runtime, "llama", "respelt")[1] if draft else None)


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "chance": (
        lambda each: each["prompts"][0].update(temperature=0.5),
        "prompt 0 takes other tokens than the likeliest",
    ),
    "a penalty": (lambda each: each["prompts"][0].update(repetition_penalty=1.5), "a draft is for those alone"),
    "no verify": (lambda each: each["program"].pop("verify"), '"draft" needs a program that has a "verify"'),
    "a verify of one": (lambda each: each["program"]["verify"].update(size=1), '"size"'),
    "no tie": (lambda each: each["draft"].pop("tie"), '"tie" is missing in draft'),
    "a negative tie": (lambda each: each["draft"].update(tie=-1), '"tie" must be a number from 0'),
    "more of a draft": (lambda each: each["draft"].update(more=1), '"more" is not a field of draft'),
    "no spelling": (lambda each: each["draft"].update(spelling=None), "must be given where the vocabularies differ"),
    "a short spelling": (lambda each: each["draft"]["spelling"].pop(), '"spelling" must be a list of 97'),
    "an id beyond": (
        lambda each: each["draft"]["spelling"].__setitem__(3, 92),
        '"spelling" must have ids from 0 to 91',
    ),
    "a text as id": (lambda each: each["draft"]["spelling"].__setitem__(3, ["a"]), '"spelling" must have ids'),
    "another entry": (lambda each: each["program"]["verify"].update(entry="other"), "there is no entry"),
    "another size": (lambda each: each["program"]["verify"].update(size=3), ""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_draft_is_refused_in_one_sentence(
    runtime: DeviceRuntime, place: Path, tmp_path: Path, what: str
) -> None:
    change, said = REFUSED[what]
    document = document_of(runtime.name, Prompt(ids=(1, 2), decoding=GREEDY))
    change(document)
    found = run_job(runtime, place, job_of(tmp_path, runtime.name, document))
    assert found.status == 1
    assert said in found.document["error"]["message"]
    assert "\n" not in found.document["error"]["message"]


BAD_JOBS: dict[str, tuple[Any, str]] = {
    "none": (None, "the job names no artifact that drafts"),
    "a text": ("model.pte", '"draft" must be an object'),
    "another hash": ({"artifact": "x", "sha256": "0" * 64}, "cannot read"),
    "no hash": ({"artifact": "x", "sha256": "0"}, "64 lower-case hexadecimal digits"),
}


@pytest.mark.parametrize("what", BAD_JOBS)
def test_a_job_that_names_no_artifact_that_drafts_is_refused(
    runtime: DeviceRuntime, place: Path, tmp_path: Path, what: str
) -> None:
    draft, said = BAD_JOBS[what]
    document = document_of(runtime.name, Prompt(ids=(1, 2), decoding=GREEDY))
    found: Ran = run_job(runtime, place, job_of(tmp_path, runtime.name, document, draft=draft))
    assert found.status == 1
    assert said in found.document["error"]["message"]


def test_a_runner_that_stays_drafts_where_it_is_asked_to_and_streams_the_same_tokens(
    runtime: DeviceRuntime, place: Path, tmp_path: Path
) -> None:
    prompt = Prompt(ids=(1, 2, 3), decoding=GREEDY)
    lines = [json.dumps(document_of(runtime.name, prompt, draft=draft)) for draft in (False, True, False, True)]
    command = runtime.command(PurePosixPath(place), PurePosixPath(job_of(tmp_path, runtime.name, None)))
    ended = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=120, check=True
    )
    said = [json.loads(each) for each in ended.stdout.splitlines()][1:]
    texts = [each["generated"][0] for each in said if "generated" in each]
    assert [("draft" in each) for each in texts] == [False, True, False, True]
    assert [each["tokens"] for each in texts] == [texts[0]["tokens"]] * 4
    assert [each["token"] for each in said if "token" in each] == texts[0]["tokens"] * 4


def test_a_signal_ends_a_drafted_text_between_two_tokens(runtime: DeviceRuntime, place: Path, tmp_path: Path) -> None:
    asked = [Prompt(ids=(1, 2), decoding=Decoding(max_tokens=CONTEXT))] * 3000
    command = runtime.command(PurePosixPath(place), PurePosixPath(job_of(tmp_path, runtime.name, None)))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(document_of(runtime.name, *asked)) + "\n")
        process.stdin.flush()
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        last = [json.loads(each) for each in process.stdout][-1]
        assert process.wait(timeout=60) == 0
    assert len(last["generated"]) < 3000
    assert last["generated"][-1]["ended"] == "interrupted"


def test_an_artifact_that_cannot_verify_a_draft_is_refused_before_a_runner_starts() -> None:
    signature = artifact("litert", "llama", "roughened")[1]
    with pytest.raises(InputError, match="has no method that verifies a draft; build it with"):
        prompts_document(signature, [Prompt(ids=(1,))], draft=drafted("litert", "llama", "roughened")[1])
