"""A bundle whose artifact generates is benched here: its text is checked and its tokens are timed, or it is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgewright.bundles import room
from edgewright.bundles.bundle import Bundle, write
from edgewright.devices.benchmark import bench
from edgewright.errors import BundleError, InputError, ParityError
from edgewright.measure.protocol import Protocol
from edgewright.specs.budget import Budget
from tests.bundles.generating import CONTEXT, generating_bundle
from tests.bundles.made import change_manifest, fill, manifest, resign

BRIEF = Protocol(restarts=2, warmup_runs=1, warmup_s=0.0, samples=40, min_seconds=0.0, max_seconds=5.0, cold=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generating_bundle(tmp_path_factory.mktemp("generating") / "bundle", ("executorch", "onnx")).path


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Protocol, "for_clock", classmethod(lambda *_, **__: BRIEF))


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["executorch", "onnx"])
def test_a_generating_bundle_is_benched_and_judged_on_this_machine(whole: Path, brief: None, runtime: str) -> None:
    bundle = Bundle.open(whole)
    limits = Budget(first_token_ms=1e-3, tokens_per_second=1e9, context=CONTEXT)
    object.__setattr__(bundle, "manifest", bundle.manifest.model_copy(update={"budget": limits}))
    result = bench(bundle, "local:", runtime=runtime, prompt_tokens=(5,))
    summary: Any = json.loads(json.dumps(result.summary()))
    told = summary["generation"]
    assert [each["tokens"] for each in told["prompts"]] == [5, CONTEXT // 2]  # the budget's own length beside it
    assert [each["tokens"] for each in told["contexts"]] == [32, CONTEXT]
    assert told["tokens_per_second"] > 0
    assert told["bandwidth_gb_s"] > 0
    assert ("measured there" in told["bandwidth_source"]) is (runtime == "executorch")
    assert summary["parity"]["passed"] is True
    assert summary["parity"]["tokens_agreed"] == summary["parity"]["tokens"] > 0
    assert summary["cold"]["load_ms"] > 0
    assert [miss["name"] for miss in summary["budget"]["missed"]] == ["first_token_ms", "tokens_per_second"]
    assert summary["latency_ms"]["p50"] > 0


@pytest.mark.slow
def test_an_artifact_is_measured_in_turn_with_its_float_reference_of_which_no_text_is_expected(
    tmp_path: Path, brief: None
) -> None:
    bundle = generating_bundle(tmp_path / "bundle", ("onnx",)).path
    artifact = Bundle.open(bundle).artifact("onnx")
    resign(bundle, "float.onnx", (bundle / artifact.file).read_bytes())
    change_manifest(bundle, lambda values: values["artifacts"][0].update(float_file="float.onnx"))  # type: ignore[index]
    alter(bundle, lambda tokens: tokens)
    result = bench(bundle, "local:", against_float=True, prompt_tokens=(4,), contexts=(20,))
    assert result.int8 is not None
    assert 0.2 < result.int8.speedup < 5  # it is the same file
    summary: Any = result.summary()
    assert summary["against_float"]["verdict"]


@pytest.mark.slow
def test_an_artifact_that_writes_other_text_than_is_expected_fails_as_one_with_other_outputs_does(
    tmp_path: Path, brief: None
) -> None:
    bundle = generating_bundle(tmp_path / "bundle", ("onnx",)).path
    alter(bundle, lambda tokens: [(tokens[0] + 1) % 50, *tokens[1:]])
    with pytest.raises(ParityError, match="writes other text on local: than where it was built: text 1 has the id "):
        bench(bundle, "local:", runtime="onnx", prompt_tokens=(4,), contexts=(20,))


def alter(bundle: Path, change: Callable[[list[int]], list[int]]) -> None:
    file = bundle / "prompts.json"
    document = json.loads(file.read_text())
    document["tokens"]["onnx"] = [change(each) for each in document["tokens"]["onnx"]]
    document["margins"]["onnx"] = [[9.0] * len(each) for each in document["tokens"]["onnx"]]
    resign(bundle, "prompts.json", json.dumps(document).encode())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"prompt_tokens": (CONTEXT + 6,)}, f"is 6 more than the artifact's context of {CONTEXT}"),
        ({"contexts": (CONTEXT * 2,)}, f"a context of {2 * CONTEXT} tokens"),
        ({"operators": True}, "generates text, of which operators are not timed"),
        ({"batched": True}, "takes one example at a time"),
    ],
)
def test_what_cannot_be_measured_of_it_is_refused_before_the_device_is_reached(
    whole: Path, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        bench(whole, "ssh://nobody@nowhere.invalid", **asked)


@pytest.mark.slow
def test_a_bundle_that_does_not_say_what_it_would_write_is_refused(tmp_path: Path) -> None:
    bundle = generating_bundle(tmp_path / "bundle", ("onnx",), with_expected=False)
    with pytest.raises(BundleError, match=r"does not hold what .* is expected to write"):
        bench(bundle, "ssh://nobody@nowhere.invalid")


def test_lengths_of_prompts_are_refused_for_a_bundle_that_does_not_generate(tmp_path: Path) -> None:
    folder = write(tmp_path / "bundle", manifest, fill)
    for asked in ({"prompt_tokens": (16,)}, {"contexts": (16,)}):
        with pytest.raises(InputError, match=r"does not generate text.*leave out --prompt-tokens and --contexts"):
            bench(folder, "ssh://nobody@nowhere.invalid", **asked)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_cache_that_the_devices_memory_does_not_hold_is_refused_before_anything_is_measured(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "read_facts", lambda *_: {"free": 1 << 20})
    with pytest.raises(InputError, match=rf"a context of {CONTEXT} tokens needs .* and local: has 1 MB"):
        bench(whole, "local:", runtime="onnx")
